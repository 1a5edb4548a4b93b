"""A queue for a slot may be long: whoever begins or ends looks at the first few in it, under the file's write lock."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from amends.saga.log.statements import statement
from tests.logs import opened

ASKED = {"run_id": "run", "name": "saga onboard", "limit": 20, "run_limit": 3}


@pytest.fixture
def connection(sqlite_url: str) -> Iterator[sqlite3.Connection]:
    async def scenario() -> None:
        async with opened(sqlite_url):
            pass

    asyncio.run(scenario())
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        yield connection


def _plan(connection: sqlite3.Connection, sql: str) -> list[str]:
    return [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}", ASKED)]


BY_QUEUE = "amends_slots_idx (name=? AND held=?)"
BY_RUN = "sqlite_autoindex_amends_slots_1 (run_id=?"
PLANS = {
    "held": (statement("sqlite_slots_held"), BY_QUEUE),
    "waiting": (statement("sqlite_slots_waiting"), BY_QUEUE),
    "awaited": (statement("sqlite_slot_awaited"), BY_RUN),
    "names": (statement("sqlite_slots"), BY_RUN),
    "remove": (statement("sqlite_slot_remove"), BY_RUN),
}


@pytest.mark.parametrize("name", PLANS)
def test_no_queue_is_read_or_sorted_under_the_write_lock(connection: sqlite3.Connection, name: str) -> None:
    """SQLite does not see that `NOT held` is `held = 0`, so it is written so."""
    sql, index = PLANS[name]
    (step,) = _plan(connection, sql)
    assert step.startswith("SEARCH amends_slots USING ")
    assert index in step


def test_the_first_that_have_a_slot_are_shown_without_those_that_wait(connection: sqlite3.Connection) -> None:
    """The numbers count each queue once; the names are searched for."""
    plan = _plan(connection, statement("sqlite_queues"))
    assert "SEARCH slot USING INDEX amends_slots_idx (name=? AND held=?)" in plan
