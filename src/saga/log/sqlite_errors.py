"""What an error of sqlite3 means to a caller of the log: one table, by SQLite's own result codes."""

import sqlite3
from collections.abc import Mapping

from ...errors import LogCorrupt, LogError, LogUnavailable, SchemaMismatch

__all__ = ["BY_CLASS", "BY_RESULT_CODE", "mapped"]

BY_RESULT_CODE: Mapping[int, type[LogError]] = {
    sqlite3.SQLITE_BUSY: LogUnavailable,
    sqlite3.SQLITE_LOCKED: LogUnavailable,
    sqlite3.SQLITE_PROTOCOL: LogUnavailable,  # many processes opened the write-ahead log at once
    sqlite3.SQLITE_SCHEMA: LogUnavailable,
    sqlite3.SQLITE_INTERRUPT: LogUnavailable,
    sqlite3.SQLITE_ABORT: LogUnavailable,
    sqlite3.SQLITE_FULL: LogUnavailable,  # space can be freed while we wait
    sqlite3.SQLITE_IOERR: LogUnavailable,
    sqlite3.SQLITE_NOMEM: LogUnavailable,
    sqlite3.SQLITE_CANTOPEN: LogUnavailable,
    sqlite3.SQLITE_READONLY: LogUnavailable,
    sqlite3.SQLITE_PERM: LogUnavailable,
    sqlite3.SQLITE_CORRUPT: LogCorrupt,
    sqlite3.SQLITE_NOTADB: LogCorrupt,
    sqlite3.SQLITE_FORMAT: LogCorrupt,
    sqlite3.SQLITE_ERROR: SchemaMismatch,  # our statements are fixed, so it is the tables that differ
    sqlite3.SQLITE_MISMATCH: SchemaMismatch,
    sqlite3.SQLITE_CONSTRAINT: LogError,
    sqlite3.SQLITE_TOOBIG: LogError,
    sqlite3.SQLITE_RANGE: LogError,
    sqlite3.SQLITE_MISUSE: LogError,
    sqlite3.SQLITE_AUTH: LogError,
    sqlite3.SQLITE_NOLFS: LogError,
    sqlite3.SQLITE_INTERNAL: LogError,
    sqlite3.SQLITE_NOTFOUND: LogError,
    sqlite3.SQLITE_EMPTY: LogError,
}
"""By primary result code (https://www.sqlite.org/rescode.html); the extended ones carry it in their lowest byte."""

BY_CLASS: Mapping[type[sqlite3.Error], type[LogError]] = {
    sqlite3.InterfaceError: LogError,
    sqlite3.ProgrammingError: LogError,
    sqlite3.DataError: LogError,
    sqlite3.IntegrityError: LogError,
    sqlite3.NotSupportedError: LogError,
    sqlite3.InternalError: LogError,
    sqlite3.OperationalError: LogUnavailable,
    sqlite3.DatabaseError: LogError,
    sqlite3.Error: LogError,
}
"""For the errors that the module raises by itself, which have no result code."""


def mapped(error: sqlite3.Error) -> LogError:
    """Return our error for one of the driver; `LogUnavailable` is the one that is worth asking again."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    kind = BY_CLASS[type(error)] if code is None else BY_RESULT_CODE[code & 0xFF]
    return kind(f"SQLite: {error}")
