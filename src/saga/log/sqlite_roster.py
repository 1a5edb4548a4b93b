"""Who has which unfinished run, in an SQLite file, and the bell that wakes those who look for work.

The file itself counts the rings, in the transactions that cause them: whoever waits compares counts, so no ring of any
process is missed. A bell of this process only makes its own rings heard at once.
"""

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from .dues import microseconds, moment
from .following import Bell
from .pages import holding_of, queue_of
from .port import FOR_EVER, Claimable, Holding, Queue, Standing
from .slots import SHOWN_RUNS
from .sqlite_connection import SQLiteConnection, transaction
from .sqlite_slots import note_slots, waits
from .statements import statement

__all__ = ["SQLiteRoster", "note"]

_POLL_SECONDS = 0.25
"""How soon a ring of another process is heard."""


class SQLiteRoster:
    """The table of unfinished runs.

    Args:
        reader: asks.
        writer: releases.

    Attributes:
        bell: rung when this process has left a run to whoever claims it first.
    """

    def __init__(self, reader: SQLiteConnection, writer: SQLiteConnection) -> None:
        self._reader = reader
        self._writer = writer
        self.bell = Bell()
        self._heard_count = 0

    async def claimable(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """See `Log.claimable`. Whatever rings from here on ends the next `wait`."""
        self._heard_count = await self._reader.run(_ring_count)
        return await self._reader.run(lambda connection: _free(connection, known, limit, wanted=True))

    async def unknown(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """See `Log.unknown`."""
        return await self._reader.run(lambda connection: _free(connection, known, limit, wanted=False))

    async def owned(self, worker: str) -> set[str]:
        """See `Log.owned`."""
        return await self._reader.run(lambda connection: _owned(connection, worker))

    async def rung(self, worker: str) -> Mapping[str, int]:
        """See `Log.rung`."""
        return await self._reader.run(lambda connection: _rung(connection, worker))

    async def holding(self, run_id: str) -> Holding:
        """See `Log.holding`."""
        return await self._reader.run(lambda connection: _holding(connection, run_id))

    async def queues(self, limit: int) -> list[Queue]:
        """See `Log.queues`."""
        asked = {"limit": limit, "run_limit": SHOWN_RUNS}
        rows = await self._reader.run(
            lambda connection: connection.execute(statement("sqlite_queues"), asked).fetchall()
        )
        return [queue_of(row) for row in rows]

    async def wake(self, now: datetime, limit: int) -> datetime | None:
        """See `Log.wake`. Whoever finds that nothing is due does not take the file's write lock."""
        at = microseconds(now)
        due_at = await self._reader.run(_next_due)
        if due_at is not None and due_at <= at:
            due_at = await self._writer.run(lambda connection: _wake(connection, at, limit))
        return None if due_at is None else moment(due_at)

    async def release(self, worker: str) -> None:
        """See `Log.release`."""
        await self._writer.run(lambda connection: _release(connection, worker))
        self.bell.ring()

    async def wait(self, seconds: float) -> None:
        """See `Log.wait_for_work`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0 and not self.bell.is_broken:
            heard_here = self.bell.ring_count
            if await self._reader.run(_ring_count) != self._heard_count:
                return
            await self.bell.wait(heard_here, min(left, _POLL_SECONDS))


def note(connection: sqlite3.Connection, standings: Mapping[str, Standing], rings: Collection[str]) -> bool:
    """Take what a batch says of its runs, and for which it rings, in the transaction of its events.

    Returns:
        Whether it rang.
    """
    rings = [*rings, *note_slots(connection, standings)]
    is_for_anybody = False
    for run_id, standing in standings.items():
        if standing.at_rest:
            connection.execute(statement("sqlite_strike"), {"run_id": run_id})
            continue
        is_queued = standing.queued_until is not None and waits(connection, run_id)
        noted = standing.queued() if is_queued else standing
        connection.execute(statement("sqlite_note"), _row(run_id, noted))
        is_for_anybody = is_for_anybody or noted.is_for_anybody
    for run_id in rings:
        connection.execute(statement("sqlite_ring_for"), {"run_id": run_id})
    if rings or is_for_anybody:
        connection.execute(statement("sqlite_ring"))
    return bool(rings) or is_for_anybody


def _row(run_id: str, standing: Standing) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "saga": standing.saga,
        "version": standing.version,
        "owner": "~" if standing.due_at is not None else standing.owner,
        "unwinding": standing.unwinding,
        "due_at": None if standing.due_at is None else microseconds(standing.due_at),
        "outside": standing.outside,
    }


def _free(
    connection: sqlite3.Connection, known: Collection[tuple[str, int]], limit: int, *, wanted: bool
) -> list[Claimable]:
    parameters = {"sagas": json.dumps([*known]), "known": wanted, "limit": limit}
    rows = connection.execute(statement("sqlite_claimable"), parameters).fetchall()
    return [Claimable(*row[:3], *map(bool, row[3:])) for row in rows]


def _ring_count(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute(statement("sqlite_ring_count")).fetchone()
    return int(count)


def _owned(connection: sqlite3.Connection, worker: str) -> set[str]:
    return {run_id for (run_id,) in connection.execute(statement("sqlite_owned"), {"worker": worker})}


def _rung(connection: sqlite3.Connection, worker: str) -> dict[str, int]:
    return dict(connection.execute(statement("sqlite_rung"), {"worker": worker}).fetchall())


def _holding(connection: sqlite3.Connection, run_id: str) -> Holding:
    return holding_of(connection.execute(statement("sqlite_holding"), {"run_id": run_id}).fetchall())


def _next_due(connection: sqlite3.Connection) -> int | None:
    (due_at,) = connection.execute(statement("sqlite_next_due"), {"for_ever": microseconds(FOR_EVER)}).fetchone()
    return None if due_at is None else int(due_at)


def _wake(connection: sqlite3.Connection, at: int, limit: int) -> int | None:
    with transaction(connection):
        connection.execute(statement("sqlite_wake"), {"now": at, "limit": limit})
    return _next_due(connection)


def _release(connection: sqlite3.Connection, worker: str) -> None:
    with transaction(connection):
        connection.execute(statement("sqlite_release_worker"), {"worker": worker})
        if connection.execute(statement("sqlite_release_runs"), {"worker": worker}).rowcount:
            connection.execute(statement("sqlite_ring"))
