"""Workers on one PostgreSQL that are killed at random times."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.sieges import SHARE, hold, new_seed
from tests.campaign.parts import kills


@pytest.mark.timeout(400)
def test_no_run_is_lost_when_workers_are_killed(postgres_url: str, tmp_path: Path) -> None:
    """200 kills, 40 of them inside a compensation, over 160 runs, and the audit of every run."""
    seed = new_seed()
    hold(
        asyncio.run(kills(postgres_url, tmp_path, seed, SHARE)), seed, kills=200, kills_inside_compensation=40, runs=160
    )
