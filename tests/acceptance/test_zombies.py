"""Workers that are stopped until others have taken their runs, and then go on."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.sieges import SHARE, hold, new_seed
from tests.campaign.parts import zombies


@pytest.mark.timeout(400)
def test_a_worker_that_comes_back_changes_nothing(shared_log_url: str, tmp_path: Path) -> None:
    """20 of them on each database: no event of a stale epoch, and no handler entered long after the run was taken."""
    seed = new_seed()
    hold(asyncio.run(zombies(shared_log_url, tmp_path, seed, SHARE)), seed, zombies=20)
