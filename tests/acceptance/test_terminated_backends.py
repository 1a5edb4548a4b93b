"""Connections that the server ends."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.sieges import SHARE, hold, new_seed
from tests.campaign.parts import terminated_backends


@pytest.mark.timeout(400)
def test_no_run_is_lost_when_connections_end(postgres_url: str, tmp_path: Path) -> None:
    """40 of them, at random: those of workers, of their heartbeats, of the client and of whoever looks on."""
    seed = new_seed()
    hold(asyncio.run(terminated_backends(postgres_url, tmp_path, seed, SHARE)), seed, terminated_backends=40)
