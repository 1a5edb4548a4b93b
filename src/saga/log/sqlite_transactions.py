"""Transactions on an SQLite file that are lent to handlers, one at a time.

A transaction has the file's write lock from its beginning (`BEGIN IMMEDIATE`). One that took it at its first write
would, after a read, be refused whenever anybody had written in between (SQLITE_BUSY_SNAPSHOT), and in this file
somebody always has. So a handler has the file to itself while it runs: decision record 031.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from ...errors import LogUnavailable
from .patience import Patience
from .port import Record
from .sqlite_connection import SQLiteFile
from .sqlite_lent import LentConnection
from .statements import statement

__all__ = ["SQLiteTransaction", "SQLiteTransactions"]

T = TypeVar("T")

_BUSY_SECONDS = 1.0


class SQLiteTransaction:
    """A `Transaction` on an SQLite file.

    Args:
        connection: in a transaction.
        threads: where the engine's own statements run.
        left: called once, when the file is not locked any more.
    """

    def __init__(self, connection: LentConnection, threads: ThreadPoolExecutor, left: Callable[[], None]) -> None:
        self.connection = connection
        self._threads = threads
        self._left = left
        self._leaving: asyncio.Future[None] | None = None

    async def append(self, run_id: str, expected_version: int, records: Sequence[Record]) -> bool:
        """See `Transaction.append`."""
        return await self._run(partial(_append, self.connection, run_id, expected_version, records))

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        await self._run(partial(_commit, self.connection))

    async def ended(self) -> None:
        """See `Transaction.ended`. There is nobody else to end it."""
        await asyncio.shield(self.leave())

    def cut(self) -> None:
        """See `Transaction.cut`. The lock is let go of at once: a handler may go on for long, and others wait."""
        self.connection.shut()
        self.leave()

    def leave(self) -> "asyncio.Future[None]":
        """Roll back what was not committed, and let go of the file; the future is done when that is so."""
        if self._leaving is None:
            self._leaving = asyncio.get_running_loop().run_in_executor(self._threads, self.connection.discard)
            self._leaving.add_done_callback(lambda _: self._left())
        return self._leaving

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class SQLiteTransactions:
    """What is lent of one file.

    Args:
        path: the database file.
        turn: held by whoever writes to the file from this process; first come, first served.
        patience_seconds: how long a file that another process has locked is asked again.
    """

    def __init__(self, path: Path, turn: asyncio.Lock, patience_seconds: float) -> None:
        self._path = path
        self._turn = turn
        self._patience_seconds = patience_seconds
        self._threads: ThreadPoolExecutor | None = ThreadPoolExecutor(1, thread_name_prefix="amends sqlite lender")

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[SQLiteTransaction]:
        """Lend a transaction; see `Transactional.transaction`."""
        await self._turn.acquire()
        try:
            threads = self._threads
            if threads is None:
                raise LogUnavailable("the log is closed")
            connection = await Patience(self._patience_seconds).ask(partial(self._begun, threads))
        except BaseException:
            self._turn.release()
            raise
        transaction = SQLiteTransaction(connection, threads, self._turn.release)
        try:
            yield transaction
        finally:
            # Whatever happens to this task, the file is let go of before anybody else has the turn.
            await asyncio.shield(transaction.leave())

    async def _begun(self, threads: ThreadPoolExecutor) -> LentConnection:
        beginning = asyncio.get_running_loop().run_in_executor(threads, _begun, self._path)
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(partial(_discard, threads))
            raise

    async def close(self) -> None:
        """Lend nothing more."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)


def _begun(path: Path) -> LentConnection:
    """Return a connection with a transaction begun on it: a new one each time, so that nothing is handed on."""
    file = SQLiteFile(path, _BUSY_SECONDS, ["PRAGMA synchronous = FULL"], factory=LentConnection)
    return file.run(_begin)


def _discard(threads: ThreadPoolExecutor, beginning: "asyncio.Future[LentConnection]") -> None:
    """Let go of a connection for which nobody waits any more."""
    if not beginning.cancelled() and beginning.exception() is None:
        threads.submit(beginning.result().discard)


def _begin(connection: sqlite3.Connection) -> LentConnection:
    assert isinstance(connection, LentConnection)
    try:
        connection.lend()
    except BaseException:
        connection.discard()
        raise
    return connection


def _append(connection: LentConnection, run_id: str, expected_version: int, records: Sequence[Record]) -> bool:
    if connection.is_shut or not connection.in_transaction:
        raise sqlite3.ProgrammingError("the handler has ended the transaction that it was lent")
    (version,) = connection.own(statement("sqlite_version"), (run_id,)).fetchone()
    if version != expected_version:
        return False
    for at, (topic, state) in enumerate(records, expected_version + 1):
        connection.own(statement("sqlite_insert"), (run_id, at, topic, state))
    return True


def _commit(connection: LentConnection) -> None:
    connection.own("COMMIT")
    connection.shut()
