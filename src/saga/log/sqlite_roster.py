"""Who has which unfinished run, in an SQLite file, and the bell that wakes those who look for work.

The file itself counts the rings, in the transactions that cause them: whoever waits compares counts, so no ring of any
process is missed. A bell of this process only makes its own rings heard at once.
"""

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping

from .following import Bell
from .port import Claimable, Standing
from .sqlite_connection import SQLiteConnection, transaction
from .statements import statement

__all__ = ["SQLiteRoster", "is_for_anybody", "note"]

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


def note(connection: sqlite3.Connection, standings: Mapping[str, Standing]) -> None:
    """Take what a batch says of its runs, in the transaction of its events."""
    for run_id, standing in standings.items():
        if standing.at_rest:
            connection.execute(statement("sqlite_strike"), {"run_id": run_id})
        else:
            connection.execute(statement("sqlite_note"), {"run_id": run_id, **standing._asdict()})
    if any(is_for_anybody(standing) for standing in standings.values()):
        connection.execute(statement("sqlite_ring"))


def is_for_anybody(standing: Standing) -> bool:
    """Whether a run is left to whoever claims it first."""
    return standing.owner is None and not standing.at_rest


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


def _release(connection: sqlite3.Connection, worker: str) -> None:
    with transaction(connection):
        connection.execute(statement("sqlite_release_worker"), {"worker": worker})
        if connection.execute(statement("sqlite_release_runs"), {"worker": worker}).rowcount:
            connection.execute(statement("sqlite_ring"))
