"""Renews one worker's lease in an SQLite file, without an event loop."""

import sqlite3
from pathlib import Path

from ...errors import LogError, LogUnavailable
from .sqlite_connection import SQLiteFile
from .statements import statement

__all__ = ["SQLitePulse"]

_BUSY_SECONDS = 2.5


class SQLitePulse:
    """A `Pulse` on a connection of its own.

    A beat need not survive the machine, since its worker would not either: it does not wait for the disk, and leaves
    checkpoints to the log.

    Args:
        path: the database file.
        worker: the worker's token.
        lease_seconds: how long a beat lasts.
    """

    def __init__(self, path: Path, worker: str, lease_seconds: float) -> None:
        settings = ["PRAGMA synchronous = NORMAL", "PRAGMA wal_autocheckpoint = 0"]
        self._file = SQLiteFile(path, _BUSY_SECONDS, settings)
        self._lease = {"worker": worker, "lease_seconds": lease_seconds}
        self._is_first = True

    def beat(self) -> None:
        """Set the heartbeat to the machine's present; see `Pulse.beat`.

        Raises:
            LogUnavailable: the file stays locked, or cannot be written. Whatever is wrong may be mended while a heart
                goes on beating.
        """
        try:
            self._file.run(self._beat)
        except LogError as error:
            raise LogUnavailable(str(error)) from error
        self._is_first = False

    def close(self) -> None:
        """Let go of the connection; see `Pulse.close`."""
        self._file.disconnect()

    def _beat(self, connection: sqlite3.Connection) -> None:
        if self._is_first:
            connection.execute(statement("sqlite_bury"))
        connection.execute(statement("sqlite_beat"), self._lease)
