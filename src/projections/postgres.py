"""Projections in PostgreSQL, beside the log.

One synchronous connection, in a thread of its own. Like those of the log it is let go of at the first error, and made
anew when it is next needed.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg import sql

from ..errors import DefinitionError, LogError, SchemaMismatch
from ..saga.log.pages import PAGE_BYTES, PAGE_COUNT, Row
from ..saga.log.postgres_errors import mapped
from ..saga.log.postgres_session import conninfo, cut
from ..saga.log.statements import statement as log_statement
from .asking import Statements
from .database import Parameters
from .database import Transaction as TransactionPort
from .projection import Cell, Key, Table
from .scripts import Name
from .statements import statement

__all__ = ["PostgresDatabase"]

T = TypeVar("T")

_REPLY_SECONDS = 8.0
"""When to stop waiting for a silent server, later than its own `transaction_timeout` (see the session's SQL)."""

_MEANINGS: dict[str, type[LogError]] = {"23505": LogError, "42P07": SchemaMismatch, "42710": SchemaMismatch}
"""What means something else here than in a log, where somebody has just been faster: a row that is there, a table."""

_CASTS: dict[str, LiteralString] = {
    "bigint": "bigint[]",
    "boolean": "boolean[]",
    "bytea": "bytea[]",
    "date": "date[]",
    "double precision": "double precision[]",
    "integer": "integer[]",
    "json": "json[]",
    "jsonb": "jsonb[]",
    "numeric": "numeric[]",
    "text": "text[]",
    "timestamp with time zone": "timestamptz[]",
    "uuid": "uuid[]",
}
"""The types that a column of a projection may have, each with the array that carries it."""


class PostgresDatabase:
    """A `Database` on a server.

    Args:
        url: a libpq URL.

    Raises:
        InvalidName: libpq cannot read the URL.
    """

    kind = "postgresql"

    def __init__(self, url: str) -> None:
        self._parameters = {**conninfo(url), "application_name": "amends projection"}
        self._connection: psycopg.Connection | None = None
        self._keeper: psycopg.Connection | None = None
        self._types: dict[str, dict[str, str]] = {}

    def __repr__(self) -> str:
        known = {name: self._parameters.get(name) for name in ("host", "port", "dbname", "options")}
        return f"PostgreSQL ({', '.join(f'{name} {value}' for name, value in known.items() if value)})"

    def write(self, work: Callable[[TransactionPort], T]) -> T:
        """Return what `work` returns, in one transaction that may write; see `Database.write`."""
        with self._lent() as connection, connection.transaction():
            return work(Transaction(connection, self._types))

    def read(self, work: Callable[[TransactionPort], T], tables: Sequence[str] = ()) -> T:
        """Return what `work` returns, in one transaction that sees one moment; see `Database.read`.

        The tables are locked before the moment is taken: a swap waits for us or we for it, and nothing is seen of a
        table that was swapped in between.
        """
        with self._lent() as connection, connection.transaction():
            connection.execute(statement("snapshot", self.kind))
            for table in tables:
                connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.Identifier(table)))
            return work(Transaction(connection, self._types))

    def page(self, after_position: int) -> list[Row]:
        """Return the next page of the log; see `Database.page`."""
        with self._lent() as connection:
            return Transaction(connection, self._types).page(after_position)

    def lock(self, name: str) -> bool:
        """Take an advisory lock of a connection that is kept for it; it ends with the connection."""
        try:
            keeper = psycopg.connect(autocommit=True, **self._parameters)
            try:
                keeper.execute(statement("keeper", self.kind))
                row = keeper.execute(statement("lock", self.kind), {"name": f"amends {name}"}).fetchone()
            except BaseException:
                keeper.close()
                raise
        except psycopg.Error as error:
            raise mapped(error) from error
        if row is None or not row[0]:
            keeper.close()
            return False
        self._keeper = keeper
        return True

    def has_lock(self) -> bool:
        """Tell whether the connection that keeps the lock is still there."""
        if self._keeper is None:
            return False
        try:
            self._keeper.execute(statement("alive", self.kind))
        except psycopg.Error:
            self.unlock()
            return False
        return True

    def unlock(self) -> None:
        """Let go of the lock."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            with suppress(psycopg.Error):  # the server lets go of it by itself, but not before it has noticed
                keeper.execute(statement("unlock", self.kind))
            keeper.close()

    def close(self) -> None:
        """Let go of the connection and the lock."""
        self.unlock()
        self._discard()

    @contextmanager
    def _lent(self) -> Iterator[psycopg.Connection]:
        """Lend the connection for one transaction. If that fails in any way, let go of it."""
        try:
            connection = self._connection or self._connect()
            guard = threading.Timer(_REPLY_SECONDS, _cut, [connection])
            guard.start()
            try:
                yield connection
            finally:
                guard.cancel()
        except psycopg.Error as error:
            self._discard()
            raise _MEANINGS.get(error.sqlstate or "", type(mapped(error)))(f"PostgreSQL: {error}") from error
        except BaseException:
            self._discard()
            raise

    def _connect(self) -> psycopg.Connection:
        connection = self._connection = psycopg.connect(autocommit=True, **self._parameters)
        connection.execute(log_statement("postgres_session"))
        connection.execute(statement("session", self.kind))
        return connection

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        self._types.clear()
        if connection is not None:
            connection.close()


class Transaction(Statements):
    """What can be done inside a transaction; see `database.Transaction`.

    Args:
        connection: in a transaction.
        types: of the columns of tables, as far as they are known; filled here.
    """

    kind = "postgresql"

    def __init__(self, connection: psycopg.Connection, types: dict[str, dict[str, str]]) -> None:
        self._connection = connection
        self._types = types

    def _ask(self, text: LiteralString, parameters: Parameters) -> psycopg.Cursor[Any]:
        return self._connection.execute(text, parameters)

    def run(self, script: Sequence[str | Name]) -> None:
        """Run a script of several statements."""
        parts = [sql.Identifier(p.text) if isinstance(p, Name) else sql.SQL(p) for p in script]
        self._connection.execute(sql.Composed(parts), prepare=False)

    def rename(self, table: str, name: str) -> None:
        """Give a table another name, if it is there."""
        names = sql.Identifier(table), sql.Identifier(name)
        self._connection.execute(sql.SQL("ALTER TABLE IF EXISTS {} RENAME TO {}").format(*names))
        self._types.clear()

    def drop(self, table: str) -> None:
        """Drop a table, if it is there."""
        self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))

    def page(self, after_position: int) -> list[Row]:
        """Return the next page of the log."""
        bounds = {"after": after_position, "page_count": PAGE_COUNT, "page_bytes": PAGE_BYTES}
        cursor = self._connection.cursor(binary=True)
        return cast("list[Row]", cursor.execute(log_statement("postgres_follow"), bounds, prepare=True).fetchall())

    def run_page(self, run_id: str, after_version: int) -> list[Row]:
        """Return the next page of one run."""
        bounds = {"page_count": PAGE_COUNT, "page_bytes": PAGE_BYTES}
        wanted = {"run_id": run_id, "after": after_version, **bounds}
        return cast(
            "list[Row]", self._connection.cursor(binary=True).execute(log_statement("postgres_read"), wanted).fetchall()
        )

    def upsert(self, table: Table, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Make or change rows, in one statement."""
        query = _upsert(table, name, tuple(columns), self._casts(name, columns))
        arrays = [list(column) for column in zip(*rows, strict=True)]
        self._connection.cursor(binary=True).execute(query, arrays, prepare=True)

    def delete(self, table: Table, name: str, keys: Sequence[Key]) -> None:
        """Remove rows, in one statement."""
        query = _delete(table, name, self._casts(name, table.key))
        self._connection.execute(query, [list(column) for column in zip(*keys, strict=True)])

    def _casts(self, name: str, columns: Sequence[str]) -> tuple[LiteralString, ...]:
        """Return the array type of each column.

        Raises:
            DefinitionError: the table has no such column, or one of a type that is not served.
        """
        if name not in self._types:
            self._types[name] = dict(self.fetch("columns", {"name": name}))
        known = self._types[name]
        if not known:
            self._types.pop(name)
            raise SchemaMismatch(f"the table {name} is not there")
        for column in columns:
            if known.get(column) not in _CASTS:
                what = f"is of the type {known[column]}" if column in known else "is not there"
                raise DefinitionError(f"the column {column!r} of {name} {what}; types are: {', '.join(_CASTS)}")
        return tuple(_CASTS[known[column]] for column in columns)


@cache
def _upsert(table: Table, name: str, columns: tuple[str, ...], casts: tuple[LiteralString, ...]) -> sql.Composed:
    arrays = sql.SQL(", ").join(sql.SQL("%b::") + sql.SQL(cast) for cast in casts)
    changes = [_assignment(table, column) for column in columns if column not in table.key]
    then = sql.SQL("UPDATE SET {}").format(sql.SQL(", ").join(changes)) if changes else sql.SQL("NOTHING")
    return sql.SQL(
        "INSERT INTO {name} AS live ({columns}) SELECT * FROM unnest({arrays}) ON CONFLICT ({keys}) DO {then}"
    ).format(
        name=sql.Identifier(name),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        arrays=arrays,
        keys=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        then=then,
    )


def _assignment(table: Table, column: str) -> sql.Composed:
    if column in table.firsts:
        form: LiteralString = "{column} = coalesce(live.{column}, excluded.{column})"
    elif column in table.sums:
        form = "{column} = coalesce(live.{column}, 0) + coalesce(excluded.{column}, 0)"
    else:
        form = "{column} = excluded.{column}"
    return sql.SQL(form).format(column=sql.Identifier(column))


@cache
def _delete(table: Table, name: str, casts: tuple[LiteralString, ...]) -> sql.Composed:
    arrays = sql.SQL(", ").join(sql.SQL("%s::") + sql.SQL(cast) for cast in casts)
    keys = sql.SQL(", ").join(map(sql.Identifier, table.key))
    return sql.SQL("DELETE FROM {} WHERE ({}) IN (SELECT * FROM unnest({}))").format(sql.Identifier(name), keys, arrays)


def _cut(connection: psycopg.Connection) -> None:
    with suppress(psycopg.Error, OSError):  # it may be lost at this very moment
        cut(connection)
