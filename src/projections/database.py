"""What the projections ask of a database: transactions, and in them a few verbs.

Synchronous, on one connection, to be used by one thread: a `Worker` is that thread. All that is said about projections
is written once, over these verbs; `sqlite.py` and `postgres.py` say them in the two dialects.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, LiteralString, Protocol, TypeVar

from ..errors import InvalidName
from ..saga.log.memory import MemoryLog
from ..saga.log.open import open_log
from ..saga.log.pages import Row
from .projection import Cell, Key, Table
from .scripts import Name

__all__ = ["Database", "Transaction", "Worker", "open_database"]

T = TypeVar("T")

Parameters = Mapping[str, Cell]


class Transaction(Protocol):
    """What can be done inside a transaction.

    Attributes:
        kind: `"sqlite"` or `"postgresql"`.
    """

    kind: str

    def prepare(self) -> None:
        """Make the tables in which we keep book about projections, where they are missing."""
        ...

    def fetch(self, name: LiteralString, parameters: Parameters = ...) -> list[Any]:
        """Return the rows of the statement `sql/<name>.sql`."""
        ...

    def records(
        self, name: LiteralString, parameters: Parameters = ..., given: frozenset[str] = ...
    ) -> list[dict[str, Any]]:
        """Return its rows by the names of their columns; those whose name ends with `_at` hold aware UTC times.

        Args:
            name: the statement.
            parameters: its parameters.
            given: the words whose lines belong to it, see `statements.py`.
        """
        ...

    def execute(self, name: LiteralString, parameters: Parameters = ...) -> int:
        """Run the statement `sql/<name>.sql`, and return how many rows it changed."""
        ...

    def run(self, script: Sequence[str | Name]) -> None:
        """Run a script of several statements."""
        ...

    def rename(self, table: str, name: str) -> None:
        """Give a table another name, if it is there: somebody may have dropped it by hand."""
        ...

    def drop(self, table: str) -> None:
        """Drop a table, if it is there."""
        ...

    def page(self, after_position: int) -> list[Row]:
        """Return the next page of the log: bounded in rows and in bytes, empty at its end."""
        ...

    def run_page(self, run_id: str, after_version: int) -> list[Row]:
        """Return the next page of one run, bounded likewise."""
        ...

    def upsert(self, table: Table, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Make or change rows of the table `name`, all with the same columns, which begin with the key's."""
        ...

    def delete(self, table: Table, name: str, keys: Sequence[Key]) -> None:
        """Remove rows of the table `name`."""
        ...


class Database(Protocol):
    """A connection, made when it is first needed, and let go of at the first doubt.

    Attributes:
        kind: `"sqlite"` or `"postgresql"`.
    """

    kind: str

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what `work` returns, in one transaction that may write.

        It need not be on the disk when this returns. What a projection has written is made of the log, and its
        position is in the same transaction, so that nothing is lost with it but time.

        Raises:
            LogUnavailable: no answer.
            LogError: the database refused something; nothing was written.
        """
        ...

    def read(self, work: Callable[[Transaction], T], tables: Sequence[str] = ()) -> T:
        """Return what `work` returns, in one transaction that sees one moment and writes nothing.

        Args:
            work: what to do.
            tables: what must not be swapped meanwhile.

        Raises:
            LogUnavailable: no answer.
            LogError: the database refused something.
        """
        ...

    def page(self, after_position: int) -> list[Row]:
        """Return the next page of the log: bounded in rows and in bytes, empty at its end."""
        ...

    def lock(self, name: str) -> bool:
        """Take a lock that only one process has, and that ends with it; False if somebody else has it."""
        ...

    def has_lock(self) -> bool:
        """Tell whether the lock is still ours: a server that was restarted has let go of it."""
        ...

    def unlock(self) -> None:
        """Let go of the lock. Safe to call without one."""
        ...

    def close(self) -> None:
        """Let go of the connection and the lock. Safe to call twice."""
        ...


class Worker:
    """A database and the one thread that touches it.

    Args:
        database: what it works with.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"amends projection {database.kind}")

    async def run(self, work: Callable[[Database], T]) -> T:
        """Return what `work` returns for the database.

        Raises:
            LogUnavailable: no answer.
            LogError: the database refused something.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, self.database)

    async def close(self) -> None:
        """Let what is under way end, and let go of the connection."""
        await self.run(lambda database: database.close())
        self._threads.shutdown(wait=False)


def open_database(url: str) -> Database:
    """Return the database that the log of a URL lies in, not yet connected.

    Args:
        url: as for a coordinator, but not `memory://`.

    Raises:
        InvalidName: the URL is of no such form, or names a log in memory.
    """
    log = open_log(url)
    if isinstance(log, MemoryLog):
        raise InvalidName("a log in memory has no tables, so nothing can be projected beside it; use sqlite:///FILE")
    path = getattr(log, "path", None)
    if isinstance(path, Path):
        from .sqlite import SQLiteDatabase

        return SQLiteDatabase(path)
    from .postgres import PostgresDatabase

    return PostgresDatabase(url)
