"""A PostgreSQL server that is restarted without any warning."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.sieges import SHARE, hold, new_seed
from tests.campaign.parts import restarts
from tests.postgres import fresh_database, restartable_server


@pytest.mark.timeout(400)
def test_workers_go_on_when_the_database_is_back(tmp_path: Path) -> None:
    """They wait and go on by themselves; nobody restarts a worker."""
    seed = new_seed()
    with restartable_server() as server, fresh_database(server.url) as url:
        hold(asyncio.run(restarts(url, tmp_path, seed, SHARE, server.restart)), seed, restarts=1)
