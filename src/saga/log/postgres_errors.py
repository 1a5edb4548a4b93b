"""What an error of psycopg means to a caller of the log: one table, by SQLSTATE.

The text of an error is never looked at: it changes with the server's language.
"""

from collections.abc import Mapping

import psycopg

from ...errors import LogCorrupt, LogError, LogUnavailable, SchemaMismatch

__all__ = ["BY_CLASS", "BY_SQLSTATE", "mapped"]

BY_SQLSTATE: Mapping[str, type[LogError]] = {
    # Worth asking again: the whole batch is repeated, on a new connection.
    "08": LogUnavailable,  # connection exceptions
    "25006": LogUnavailable,  # a read-only server: a failover is under way
    "25P03": LogUnavailable,  # idle in transaction for too long
    "25P04": LogUnavailable,  # transaction took too long
    "40": LogUnavailable,  # rolled back: serialization failure, deadlock
    "53": LogUnavailable,  # disk full, out of memory, too many connections
    "55P03": LogUnavailable,  # lock timeout
    "57": LogUnavailable,  # statement timeout, shutdown, starting up
    "58": LogUnavailable,  # the server's disk or files
    # Somebody wrote in between without taking the log's lock, or creates the same tables: the next attempt sees it.
    "23505": LogUnavailable,
    "42P07": LogUnavailable,
    "42710": LogUnavailable,
    "XX000": LogUnavailable,  # "tuple concurrently updated" has no code of its own
    # A person must look.
    "XX": LogCorrupt,
    # The tables or our function are not what this code knows.
    "3F": SchemaMismatch,
    "42703": SchemaMismatch,
    "42804": SchemaMismatch,
    "42883": SchemaMismatch,
    "42P01": SchemaMismatch,
    "42P10": SchemaMismatch,
    # Asking again would not help.
    **dict.fromkeys(
        [
            *("00", "01", "02", "03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24"),
            *("25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "42", "44", "54", "55", "72"),
            *("F0", "HV", "P0"),
        ],
        LogError,
    ),
}
"""By code, else by its class of two letters (PostgreSQL documentation, appendix A)."""

BY_CLASS: Mapping[type[psycopg.Error], type[LogError]] = {
    psycopg.OperationalError: LogUnavailable,
    psycopg.InterfaceError: LogUnavailable,  # "the connection is closed"
    psycopg.InternalError: LogUnavailable,
    psycopg.DatabaseError: LogError,
    psycopg.DataError: LogError,
    psycopg.IntegrityError: LogError,
    psycopg.ProgrammingError: LogError,
    psycopg.NotSupportedError: LogError,
    psycopg.Error: LogError,
}
"""For the errors that come from libpq or from psycopg itself, which have no SQLSTATE; by the nearest of these."""


def mapped(error: psycopg.Error) -> LogError:
    """Return our error for one of the driver; `LogUnavailable` is the one that is worth asking again."""
    kind = None
    if error.sqlstate is not None:
        kind = BY_SQLSTATE.get(error.sqlstate) or BY_SQLSTATE.get(error.sqlstate[:2])
    if kind is None:
        kind = next(BY_CLASS[base] for base in type(error).__mro__ if base in BY_CLASS)
    return kind(f"PostgreSQL: {error}")
