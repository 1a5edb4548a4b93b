"""Transactions on PostgreSQL that are lent to handlers: sessions of their own, apart from the one that group-commits.

An async handler gets a `psycopg.AsyncConnection`, a plain one a `psycopg.Connection`. Both are inside psycopg's own
transaction block, which refuses a commit of the handler's; a `connection.transaction()` of its own is a savepoint.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from functools import partial
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from ...errors import LogUnavailable
from .port import Record
from .postgres_arrays import register_arrays
from .postgres_columns import columns
from .postgres_errors import mapped
from .postgres_session import connected, cut
from .statements import statement
from .writer import Append

__all__ = ["PostgresTransaction", "PostgresTransactions"]

T = TypeVar("T")

_REPLY_SECONDS = 8.0
_SPARE_SECONDS = 5.0
"""How much later than the engine the server ends a transaction by itself."""


class _AsyncSession:
    """A session for async handlers."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.connection = connection
        self._block: AbstractAsyncContextManager[object] | None = None

    @classmethod
    async def connected(cls, parameters: Mapping[str, Any], _: ThreadPoolExecutor) -> "_AsyncSession":
        return cls(await connected(psycopg.AsyncConnection.connect(autocommit=True, **parameters)))

    async def begin(self) -> None:
        self._block = self.connection.transaction()
        await self._block.__aenter__()

    async def end(self, error: BaseException | None) -> None:
        assert self._block is not None
        _check_commits(self.connection, error)
        await self._block.__aexit__(type(error) if error else None, error, None)

    async def fetch(self, query: LiteralString, parameters: Any = ()) -> list[Any]:
        cursor = self.connection.cursor(binary=True, row_factory=tuple_row)
        await cursor.execute(query, parameters, prepare=True)
        return await cursor.fetchall()

    async def close(self) -> None:
        await self.connection.close()


class _PlainSession:
    """A session for plain handlers; what the engine does with it is done in a thread, too."""

    def __init__(self, connection: psycopg.Connection[Any], threads: ThreadPoolExecutor) -> None:
        self.connection = connection
        self._threads = threads
        self._block: AbstractContextManager[object] | None = None

    @classmethod
    async def connected(cls, parameters: Mapping[str, Any], threads: ThreadPoolExecutor) -> "_PlainSession":
        connecting = _in(threads, partial(psycopg.Connection.connect, autocommit=True, **parameters))
        return cls(await connected(connecting), threads)

    async def begin(self) -> None:
        self._block = self.connection.transaction()
        await _in(self._threads, self._block.__enter__)

    async def end(self, error: BaseException | None) -> None:
        await _in(self._threads, partial(self._end, error))

    def _end(self, error: BaseException | None) -> None:
        assert self._block is not None
        _check_commits(self.connection, error)
        self._block.__exit__(type(error) if error else None, error, None)

    async def fetch(self, query: LiteralString, parameters: Any = ()) -> list[Any]:
        return await _in(self._threads, partial(self._fetch, query, parameters))

    def _fetch(self, query: LiteralString, parameters: Any) -> list[Any]:
        cursor = self.connection.cursor(binary=True, row_factory=tuple_row)
        cursor.execute(query, parameters, prepare=True)
        return cursor.fetchall()

    async def close(self) -> None:
        await _in(self._threads, self._close)

    def _close(self) -> None:
        # A handler whose time was up may be in the middle of a statement; the line was cut, so that it ends soon.
        with self.connection.lock:
            self.connection.close()


_Session = _AsyncSession | _PlainSession


async def _in(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def _check_commits(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any], error: object) -> None:
    """Do nothing if there is a connection to commit on: psycopg's block is left in silence where there is none.

    Raises:
        psycopg.OperationalError: it is known to be lost.
    """
    if error is None and connection.closed:
        raise psycopg.OperationalError("the connection was lost before the commit")


class PostgresTransaction:
    """A `Transaction` on PostgreSQL.

    Args:
        session: what it is on, begun.
        barrier: returns when all transactions that have appended are over.

    Attributes:
        is_over: it was committed, rolled back or cut.
    """

    def __init__(self, session: _Session, barrier: Callable[[], Awaitable[object]]) -> None:
        self.is_over = False
        self._session = session
        self._barrier = barrier

    @property
    def connection(self) -> psycopg.AsyncConnection[Any] | psycopg.Connection[Any]:
        """See `Transaction.connection`."""
        return self._session.connection

    async def append(self, run_id: str, expected_version: int, records: Sequence[Record]) -> bool:
        """See `Transaction.append`."""
        if self._session.connection.info.transaction_status is TransactionStatus.IDLE:
            raise psycopg.ProgrammingError("the handler has ended the transaction that it was lent")
        parameters = columns([Append(run_id, expected_version, records)])
        with _guarded(self._session):
            ((_, _, conflicted),) = await self._session.fetch(statement("postgres_append_through"), parameters)
        return not conflicted

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        self.is_over = True
        try:
            with _guarded(self._session):
                await self._session.end(None)
        except BaseException:
            self.cut()
            raise

    async def roll_back(self) -> None:
        """Undo what was written through it, unless it is over."""
        if not self.is_over:
            self.is_over = True
            with suppress(psycopg.Error), _guarded(self._session):
                await self._session.end(_RolledBack())

    async def ended(self) -> None:
        """See `Transaction.ended`."""
        await self._barrier()

    def cut(self) -> None:
        """See `Transaction.cut`."""
        self.is_over = True
        with suppress(psycopg.Error, OSError):  # It may be lost already.
            cut(self._session.connection)


class PostgresTransactions:
    """The sessions that are lent, one transaction at a time each.

    Args:
        parameters: from `conninfo`.
        barrier: returns when all transactions that have appended are over.
        limit: so many at once; further ones wait for their turn.
    """

    def __init__(
        self, parameters: Mapping[str, Any], barrier: Callable[[], Awaitable[object]], *, limit: int = 16
    ) -> None:
        self._parameters = parameters
        self._barrier = barrier
        self._places = asyncio.Semaphore(limit)
        # One for each session, of our own: a transaction that has appended holds the log's lock until its commit, and
        # those that wait for the lock in the threads of everybody would leave none to commit in.
        self._threads = ThreadPoolExecutor(limit, thread_name_prefix="amends postgres lender")
        self._idle: dict[type[_Session], list[_Session]] = {_AsyncSession: [], _PlainSession: []}
        self._lent_count = 0
        self._closed = False

    @asynccontextmanager
    async def begun(self, *, plain: bool, timeout_seconds: float) -> AsyncIterator[PostgresTransaction]:
        """Lend a transaction; see `Transactional.transaction`."""
        kind: type[_Session] = _PlainSession if plain else _AsyncSession
        async with self._places, self._session(kind, timeout_seconds) as session:
            transaction = PostgresTransaction(session, self._barrier)
            try:
                yield transaction
                await transaction.roll_back()
            except BaseException:
                transaction.cut()
                raise

    @asynccontextmanager
    async def _session(self, kind: type[_Session], timeout_seconds: float) -> AsyncIterator[_Session]:
        self._lent_count += 1
        try:
            session = await self._begun(kind, timeout_seconds)
            try:
                yield session
            finally:
                await self._back(kind, session)
        finally:
            self._lent_count -= 1
            self._end_threads()

    async def close(self) -> None:
        """Let go of the sessions that nobody has; the others go when they come back."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                await idle.pop().close()
        self._end_threads()

    def _end_threads(self) -> None:
        """Let the threads end, unless somebody has a session that is yet to come back."""
        if self._closed and not self._lent_count:
            self._threads.shutdown(wait=False)

    async def _begun(self, kind: type[_Session], timeout_seconds: float) -> _Session:
        """Return a session with a transaction begun on it. One that was idle may have been lost meanwhile."""
        idle = self._idle[kind]
        limits = {"limit_ms": str(int((timeout_seconds + _SPARE_SECONDS) * 1000))}
        while True:
            if self._closed:
                raise LogUnavailable("the log is closed")
            was_idle = bool(idle)
            session = idle.pop() if idle else await self._connected(kind)
            try:
                with _guarded(session):
                    await session.begin()
                    await session.fetch(statement("postgres_lend"), limits)
            except psycopg.Error as error:
                await session.close()
                if not was_idle:
                    raise mapped(error) from error
            except BaseException:
                await session.close()
                raise
            else:
                return session

    async def _connected(self, kind: type[_Session]) -> _Session:
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                session = await kind.connected(self._parameters, self._threads)
                register_arrays(session.connection)
                await session.fetch(statement("postgres_lent_session"))
        except TimeoutError as error:
            raise LogUnavailable(f"PostgreSQL did not answer within {_REPLY_SECONDS:g} s") from error
        except psycopg.Error as error:
            raise mapped(error) from error
        return session

    async def _back(self, kind: type[_Session], session: _Session) -> None:
        connection = session.connection
        if self._closed or connection.closed or connection.info.transaction_status is not TransactionStatus.IDLE:
            await session.close()
        else:
            connection.row_factory = tuple_row  # The next one expects what everybody gets.
            self._idle[kind].append(session)


class _RolledBack(Exception):
    """Makes psycopg's block roll back."""


@contextmanager
def _guarded(session: _Session) -> Iterator[None]:
    """Do not wait for longer than a server that lives would take."""
    guard = asyncio.get_running_loop().call_later(_REPLY_SECONDS, _cut, session)
    try:
        yield
    finally:
        guard.cancel()


def _cut(session: _Session) -> None:
    with suppress(psycopg.Error, OSError):
        cut(session.connection)
