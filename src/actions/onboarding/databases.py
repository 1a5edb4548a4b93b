"""Transactions on SQLite or PostgreSQL for the story's own tables; one implementation, two drivers.

It opens a connection for each transaction, which is right for a story and for SQLite; a busy service on PostgreSQL
puts a pool here. It says what a failure means: before the commit nothing has happened (`DatabaseUnavailable`), and a
commit without an answer may have happened (`OutcomeUnknown`).
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any, ClassVar, LiteralString, Protocol

from ...errors import InvalidName, OutcomeUnknown

SETUP_LOCK = 0x616D656E_6473
"""The advisory lock (PostgreSQL) for creating tables: `CREATE TABLE IF NOT EXISTS` is not safe between processes."""


class DatabaseUnavailable(ConnectionError):
    """The database did not answer, or was busy for too long; nothing was changed."""


class Execute(Protocol):
    """Runs one statement with `%s` for each value, and returns its rows."""

    def __call__(self, sql: LiteralString, *values: str) -> list[tuple[str, ...]]:
        """Run `sql`."""
        ...


class Database(ABC):
    """Opens transactions.

    Args:
        timeout_seconds: for connecting, and for each statement, locks included.
    """

    errors: ClassVar[tuple[type[Exception], ...]]

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Commit what is executed inside, all or nothing.

        Raises:
            DatabaseUnavailable: nothing was changed.
            OutcomeUnknown: the commit was sent and not answered.
        """
        try:
            with closing(self._connect()) as connection:
                yield self._begin(connection)
                self._commit(connection)
        except self.errors as error:
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}".strip()) from error

    @contextmanager
    def joined(self, connection: Any) -> Iterator[Execute]:
        """Execute in a transaction that somebody else has begun on this database, and will commit or not.

        Raises:
            DatabaseUnavailable: the transaction is lost, and nothing of it will be there.
        """
        try:
            with self._at_home(connection) as execute:
                yield execute
        except self.errors as error:
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}".strip()) from error

    def _commit(self, connection: Any) -> None:
        try:
            connection.commit()
        except self.errors as error:
            raise OutcomeUnknown(f"the commit was not answered: {error}") from error

    @abstractmethod
    def lock_for_setup(self, execute: Execute) -> None:
        """Keep other processes from creating the same tables at the same time."""

    @abstractmethod
    def _connect(self) -> Any: ...

    @abstractmethod
    def _begin(self, connection: Any) -> Execute: ...

    @abstractmethod
    def _at_home(self, connection: Any) -> AbstractContextManager[Execute]: ...


class SqliteDatabase(Database):
    """A file; SQLite locks it whole, so writers wait for each other."""

    errors = (sqlite3.OperationalError,)

    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__(timeout_seconds)
        self._path = path

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=self.timeout_seconds, isolation_level=None)

    def _begin(self, connection: sqlite3.Connection) -> Execute:
        # A deferred BEGIN that reads and then writes fails at once, without waiting, when somebody else wrote.
        connection.execute("BEGIN IMMEDIATE")
        return self._executing(connection)

    def _at_home(self, connection: sqlite3.Connection) -> AbstractContextManager[Execute]:
        return nullcontext(self._executing(connection))

    @staticmethod
    def _executing(connection: sqlite3.Connection) -> Execute:
        return lambda sql, *values: connection.execute(sql.replace("%s", "?"), values).fetchall()

    def lock_for_setup(self, execute: Execute) -> None:
        """Do nothing: the transaction has the whole file already."""


class PostgresDatabase(Database):
    """A PostgreSQL database.

    Args:
        url: `postgresql://...`.
        schema: keeps the tables apart from the service's own; made where there is none.
        timeout_seconds: for connecting, and for each statement.
    """

    def __init__(self, url: str, schema: str, timeout_seconds: float) -> None:
        import psycopg  # Not needed, and its libpq perhaps not there, where the users are in SQLite.

        super().__init__(timeout_seconds)
        self._psycopg = psycopg
        self._url = url
        self._schema = schema
        self.errors = (psycopg.OperationalError, psycopg.InterfaceError)  # type: ignore[misc]

    def _connect(self) -> Any:
        return self._psycopg.connect(self._url, connect_timeout=max(2, round(self.timeout_seconds)))

    def _begin(self, connection: Any) -> Execute:
        # Local to the transaction, so that it also holds behind a connection pooler.
        connection.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('search_path', quote_ident(%s), true)",
            (str(round(self.timeout_seconds * 1000)), self._schema),
        )
        return self._executing(connection)

    @contextmanager
    def _at_home(self, connection: Any) -> Iterator[Execute]:
        """Look for tables in our schema, and after that where whoever has the transaction does."""
        (before,) = connection.execute("SELECT current_setting('search_path')").fetchone()
        connection.execute("SELECT set_config('search_path', quote_ident(%s), true)", (self._schema,))
        yield self._executing(connection)
        connection.execute("SELECT set_config('search_path', %s, true)", (before,))

    @staticmethod
    def _executing(connection: Any) -> Execute:
        def execute(sql: LiteralString, *values: str) -> list[tuple[str, ...]]:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

        return execute

    def lock_for_setup(self, execute: Execute) -> None:
        """Keep other processes from creating the same tables at the same time; make the schema."""
        execute("SELECT pg_advisory_xact_lock(%s::bigint)", str(SETUP_LOCK))
        execute("DO $$ BEGIN EXECUTE format('CREATE SCHEMA IF NOT EXISTS %%s', current_setting('search_path')); END $$")


def open_database(url: str, schema: str, timeout_seconds: float) -> Database:
    """Return the database that `url` names: `sqlite:///users.db` or `postgresql://localhost/app`.

    Raises:
        InvalidName: the URL is of neither form.
    """
    if url.startswith("sqlite:///"):
        return SqliteDatabase(url.removeprefix("sqlite:///"), timeout_seconds)
    if url.startswith(("postgresql://", "postgres://")):
        return PostgresDatabase(url, schema, timeout_seconds)
    raise InvalidName(f"{url.partition(':')[0]}: is not a database for users; use sqlite:///FILE or postgresql://...")
