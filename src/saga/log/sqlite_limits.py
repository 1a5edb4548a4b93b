"""How workers share the limits of actions, in an SQLite file."""

import sqlite3

from .limit_rows import columns, held, sharing
from .limits import Change, Grant, Need, Sharing, answered
from .sqlite_connection import SQLiteConnection, transaction
from .statements import statement

__all__ = ["SQLiteLimits"]


class SQLiteLimits:
    """The tables of limits. What they hold is worth nothing when all workers have died with the machine.

    Args:
        reader: asks, and finds that there is nothing to write, which is so for most who wait.
        writer: writes, with the file's write lock.
    """

    def __init__(self, reader: SQLiteConnection, writer: SQLiteConnection) -> None:
        self._reader = reader
        self._writer = writer

    async def share(self, need: Need) -> Grant:
        """See `Log.share`."""
        grant, change = await self._reader.run(lambda connection: _answered(connection, need))
        if change is None:
            return grant
        return await self._writer.run(lambda connection: _share(connection, need))

    async def shares(self) -> list[Sharing]:
        """See `Log.shares`."""
        return await self._reader.run(_shares)


def _answered(connection: sqlite3.Connection, need: Need) -> tuple[Grant, Change | None]:
    asked = {"limit": need.limit, "worker": need.worker}
    return answered(held(*connection.execute(statement("sqlite_share_read"), asked).fetchone()), need)


def _share(connection: sqlite3.Connection, need: Need) -> Grant:
    with transaction(connection):
        grant, change = _answered(connection, need)
        if change is not None:
            row = columns(need, change)
            connection.execute(statement("sqlite_share_bury"), row)
            connection.execute(statement("sqlite_share_write"), row)
            if change.token_count:
                connection.execute(statement("sqlite_tokens_forget"), row)
                connection.execute(statement("sqlite_tokens_draw"), row)
    return grant


def _shares(connection: sqlite3.Connection) -> list[Sharing]:
    return [sharing(row) for row in connection.execute(statement("sqlite_shares"))]
