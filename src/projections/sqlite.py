"""Projections in an SQLite file, beside the log.

There is one writer at a time, and the log's own commits come first: everything is worked out before the write lock is
taken, so that it is held for the writing alone.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import LiteralString, TypeVar

from ..errors import DefinitionError
from ..saga.log.pages import PAGE_BYTES, PAGE_COUNT, Row
from ..saga.log.sqlite_connection import SQLiteFile, single_statements, transaction
from ..saga.log.statements import statement as log_statement
from .asking import Statements
from .database import Parameters
from .database import Transaction as TransactionPort
from .projection import Cell, Key, Table
from .scripts import Name
from .statements import statement

__all__ = ["SQLiteDatabase"]

T = TypeVar("T")

_BUSY_SECONDS = 1.0
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")


class SQLiteDatabase:
    """A `Database` in the file at `path`.

    Args:
        path: the log's file. It must be there.
    """

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        # NORMAL: a commit does not wait for the disk. The file cannot be harmed by that, in write-ahead mode. The other
        # one is for the swap, which renames tables: a view that somebody has made of them is to mean the name.
        self._file = SQLiteFile(path, _BUSY_SECONDS, ["PRAGMA synchronous = NORMAL", "PRAGMA legacy_alter_table = ON"])
        self._path = path
        self._lock: int | None = None
        self._types: dict[str, dict[str, str]] = {}

    def __repr__(self) -> str:
        return f"SQLite ({self._path})"

    def write(self, work: Callable[[TransactionPort], T]) -> T:
        """Return what `work` returns, in one transaction that may write; see `Database.write`."""

        def within(connection: sqlite3.Connection) -> T:
            with transaction(connection):
                return work(Transaction(connection, self._types))

        return self._file.run(within)

    def read(self, work: Callable[[TransactionPort], T], tables: Sequence[str] = ()) -> T:  # noqa: ARG002 - a snapshot
        """Return what `work` returns, in one transaction that sees one moment; see `Database.read`."""

        def within(connection: sqlite3.Connection) -> T:
            with _snapshot(connection):
                return work(Transaction(connection, self._types))

        return self._file.run(within)

    def page(self, after_position: int) -> list[Row]:
        """Return the next page of the log; see `Database.page`."""
        return self._file.run(lambda connection: Transaction(connection, self._types).page(after_position))

    def lock(self, name: str) -> bool:
        """Lock a file beside the database; the system lets go of it when the process ends."""
        path = self._path.with_name(f"{self._path.name}-{name}.lock")
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def has_lock(self) -> bool:
        """Tell whether the lock is still ours: as long as nobody has let go of it."""
        return self._lock is not None

    def unlock(self) -> None:
        """Let go of the lock. The file stays: removing it would let two have the lock at once."""
        descriptor, self._lock = self._lock, None
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of the connection and the lock."""
        self.unlock()
        self._file.disconnect()


class Transaction(Statements):
    """What can be done inside a transaction; see `database.Transaction`.

    Args:
        connection: in a transaction.
        types: of the columns of tables, as far as they are known; filled here.
    """

    kind = "sqlite"

    def __init__(self, connection: sqlite3.Connection, types: dict[str, dict[str, str]]) -> None:
        self._connection = connection
        self._types = types

    def _ask(self, text: LiteralString, parameters: Parameters) -> sqlite3.Cursor:
        return self._connection.execute(text, _stored(parameters))

    def run(self, script: Sequence[str | Name]) -> None:
        """Run a script. sqlite3's own `executescript` would end the transaction first."""
        text = "".join(quoted(part.text) if isinstance(part, Name) else part for part in script)
        for single in single_statements(text):
            self._connection.execute(single)

    def rename(self, table: str, name: str) -> None:
        """Give a table another name, if it is there."""
        self._types.clear()
        if not self.fetch("columns", {"name": table}):
            return
        self._connection.execute(
            _filled("ALTER TABLE {table} RENAME TO {name}", table=quoted(table), name=quoted(name))
        )

    def drop(self, table: str) -> None:
        """Drop a table, if it is there."""
        self._connection.execute(_filled("DROP TABLE IF EXISTS {table}", table=quoted(table)))

    def page(self, after_position: int) -> list[Row]:
        """Return the next page of the log."""
        found = self._connection.execute(
            statement("page", self.kind), {"after": after_position, "page_count": PAGE_COUNT}
        )
        rows: list[Row] = []
        size = 0
        with closing(found):
            for row in found:  # one at a time, so that no more is in memory than the page
                rows.append(row)
                size += len(row[3])
                if size >= PAGE_BYTES:
                    break
        return rows

    def run_page(self, run_id: str, after_version: int) -> list[Row]:
        """Return the next page of one run."""
        bounds = {"page_count": PAGE_COUNT, "page_bytes": PAGE_BYTES}
        wanted = {"run_id": run_id, "after": after_version, **bounds}
        return self._connection.execute(log_statement("sqlite_read"), wanted).fetchall()

    def upsert(self, table: Table, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Make or change rows."""
        times = self._times(name, columns)
        self._connection.executemany(_upsert(table, name, tuple(columns)), (_storable(row, times) for row in rows))

    def delete(self, table: Table, name: str, keys: Sequence[Key]) -> None:
        """Remove rows."""
        times = self._times(name, table.key)
        self._connection.executemany(_delete(table, name), (_storable(key, times) for key in keys))

    def _times(self, name: str, columns: Sequence[str]) -> list[int]:
        """Return the places of the columns that hold times.

        Raises:
            DefinitionError: a column is not there. If the table is not there, the statement will say so.
        """
        if not self._types.get(name):
            self._types[name] = {column: kind.lower() for column, kind in self.fetch("columns", {"name": name})}
        types = self._types[name]
        unknown = set(columns) - types.keys()
        if unknown and types:
            del self._types[name]
            raise DefinitionError(f"the table {name} has no column {min(unknown)!r}")
        return [place for place, column in enumerate(columns) if types.get(column, "").startswith("timestamp")]


def _storable(row: Sequence[Cell], times: Sequence[int]) -> Sequence[Cell]:
    cells = list(row)
    for place in times:
        time = cells[place]
        if isinstance(time, datetime):
            cells[place] = _text(time)
    return cells


def quoted(name: str) -> str:
    """Return a name as an identifier of SQLite. Names are checked where a projection is; this is the second lock."""
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name!r} cannot be an identifier")
    return '"' + name + '"'


@cache
def _upsert(table: Table, name: str, columns: tuple[str, ...]) -> str:
    changes = [_assignment(table, column) for column in columns if column not in table.key]
    return _filled(
        "INSERT INTO {name} AS live ({columns}) VALUES ({places}) ON CONFLICT ({keys}) DO {then}",
        name=quoted(name),
        columns=_listed(columns),
        places=", ".join("?" * len(columns)),
        keys=_listed(table.key),
        then="UPDATE SET " + ", ".join(changes) if changes else "NOTHING",
    )


def _assignment(table: Table, column: str) -> str:
    if column in table.firsts:
        form = "{column} = coalesce(live.{column}, excluded.{column})"
    elif column in table.sums:
        form = "{column} = coalesce(live.{column}, 0) + coalesce(excluded.{column}, 0)"
    else:
        form = "{column} = excluded.{column}"
    return _filled(form, column=quoted(column))


@cache
def _delete(table: Table, name: str) -> str:
    matches = " AND ".join(_filled("{column} = ?", column=quoted(column)) for column in table.key)
    return _filled("DELETE FROM {name} WHERE {matches}", name=quoted(name), matches=matches)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))


def _filled(form: LiteralString, **parts: str) -> str:
    """Fill a form with what `quoted` has let through, or what was filled before; nothing else comes here."""
    return form.format(**parts)


def _text(time: datetime) -> str:
    """Return a time so that texts sort as times do."""
    offset = time.utcoffset()
    if offset is None:
        raise DefinitionError("a time has no time zone; times of a projection are aware")
    t = time - offset if offset else time
    # Twice as fast as asking an aware time for its text.
    return f"{t.year:04}-{t.month:02}-{t.day:02}T{t.hour:02}:{t.minute:02}:{t.second:02}.{t.microsecond:06}+00:00"


def _stored(parameters: Parameters) -> dict[str, Cell]:
    return {name: _text(value) if isinstance(value, datetime) else value for name, value in parameters.items()}


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
