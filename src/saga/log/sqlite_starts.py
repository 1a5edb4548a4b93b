"""Starts in an SQLite file that were written in somebody's own transaction, and how they get into the log."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import InvalidValue
from .port import Record, Standing
from .sqlite_connection import transaction
from .sqlite_errors import mapped
from .statements import statement
from .transactions import Enlisted, Taken
from .writer import Append

__all__ = ["enlist", "has", "has_any", "settle", "take"]


def enlist(connection: Any, start: Enlisted, path: Path) -> Record | None:
    """Write a start through the caller's connection, in the caller's thread; see `Transactional.enlist`."""
    if not isinstance(connection, sqlite3.Connection):
        kind = type(connection).__qualname__
        raise InvalidValue("connection", f"is a {kind}; give the sqlite3.Connection")
    run_id, saga, version, (topic, state) = start
    parameters = {"run_id": run_id, "saga": saga, "version": version, "topic": topic, "state": state}
    try:
        cursor = connection.cursor()
        cursor.row_factory = None
        _check(connection, cursor, path)
        if cursor.execute(statement("sqlite_enlist"), parameters).rowcount:
            cursor.execute(statement("sqlite_ring"))
            return None
        found = cursor.execute(statement("sqlite_enlisted"), {"run_id": run_id}).fetchone()
    except sqlite3.Error as error:
        raise mapped(error) from error
    return Record(*found)


def _check(connection: sqlite3.Connection, cursor: sqlite3.Cursor, path: Path) -> None:
    commits_itself = connection.isolation_level is None or getattr(connection, "autocommit", -1) is True
    if commits_itself and not connection.in_transaction:
        raise InvalidValue("connection", "is in autocommit mode and in no transaction; begin one first")
    file = next(file for _, name, file in cursor.execute("PRAGMA database_list").fetchall() if name == "main")
    if not file or not path.exists() or not Path(file).samefile(path):
        raise InvalidValue("connection", f"is open on {file or 'a database in memory'}, and the log is {path}")


def has(connection: sqlite3.Connection, run_id: str) -> bool:
    """Tell whether a start of this run is there."""
    return connection.execute(statement("sqlite_enlisted"), {"run_id": run_id}).fetchone() is not None


def has_any(connection: sqlite3.Connection) -> bool:
    """Tell whether there is anything to move: whoever finds nothing does not take the file's write lock."""
    (found,) = connection.execute(statement("sqlite_has_starts")).fetchone()
    return bool(found)


def take(
    connection: sqlite3.Connection,
    limit: int,
    write: Callable[[sqlite3.Connection, Sequence[Append]], tuple[list[str], bool]],
) -> Sequence[Taken]:
    """Move starts into the log with `write`, which returns those it left out; see `Transactional.take_starts`."""
    with transaction(connection):
        rows = connection.execute(statement("sqlite_starts"), {"limit": limit}).fetchall()
        starts = [Enlisted(run_id, saga, version, Record(topic, state)) for run_id, saga, version, topic, state in rows]
        refused, _ = write(
            connection, [Append(run.run_id, 0, [run.record], Standing(run.saga, run.version)) for run in starts]
        )
        for start in starts:
            if start.run_id not in refused:
                connection.execute(statement("sqlite_drop_start"), {"run_id": start.run_id})
    return [Taken(start.run_id, start.record, start.run_id in refused) for start in starts]


def settle(connection: sqlite3.Connection, run_id: str, *, keep: bool) -> None:
    """Drop a start whose id was taken, or set it aside; see `Transactional.settle_start`."""
    name = statement("sqlite_set_start_aside" if keep else "sqlite_drop_start")
    with transaction(connection):
        connection.execute(name, {"run_id": run_id})
