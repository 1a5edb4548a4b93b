"""A connection to PostgreSQL that is made when it is needed and let go of at the first doubt.

After any error, a cancelled query or a reply that did not come, nobody can say in what state a connection is
(psycopg#1208), so it is never used again; the next query makes a new one.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ...errors import InvalidName, LogUnavailable
from .postgres_arrays import register_arrays
from .postgres_errors import mapped
from .statements import statement

__all__ = ["Connection", "PostgresSession", "connected", "conninfo", "cut"]

T = TypeVar("T")
C = TypeVar("C", bound=psycopg.AsyncConnection[Any] | psycopg.Connection[Any])

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_DEFAULTS: Mapping[str, Any] = {
    "application_name": "amends",
    "connect_timeout": 5,
    # A server that vanished without a word is noticed by the next query within about 20 s even if nobody waits for it.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}

_REPLY_SECONDS = 8.0
"""When to stop waiting for a server that is silent: later than its own `statement_timeout` (see the session's SQL)."""


def conninfo(url: str) -> dict[str, Any]:
    """Return the connection parameters of a URL, with our defaults for those that it does not give.

    Raises:
        InvalidName: libpq cannot read the URL.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's own message quotes the part of the URL that it cannot read, which may be the password.
        raise InvalidName("libpq cannot read the PostgreSQL URL; write special characters as %XX") from None
    return {**_DEFAULTS, **given}


class PostgresSession:
    """Runs one statement at a time on a connection of its own.

    Args:
        parameters: from `conninfo`.
        listen: the name of a statement that makes the connection listen to a channel.
    """

    def __init__(self, parameters: Mapping[str, Any], *, listen: LiteralString | None = None) -> None:
        self._parameters = parameters
        self._listen = listen
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False

    async def fetch(self, query: LiteralString, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Run a prepared statement and return its rows. All values travel in binary.

        Raises:
            LogUnavailable: no answer; whether the statement was carried out is not known.
            LogError: the server refused the statement.
        """
        async with self._lent(_REPLY_SECONDS) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(query, parameters, prepare=True)
            return await cursor.fetchall()

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what `work` returns for the connection, in one transaction.

        Raises:
            LogUnavailable: no answer.
            LogError: the server refused a statement; none was carried out.
        """
        async with self._lent(_REPLY_SECONDS) as connection, connection.transaction():
            return await work(connection)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    async def connect(self) -> None:
        """Make the connection if there is none.

        Raises:
            LogUnavailable: no answer.
        """
        if not self.is_connected:
            async with self._lent(_REPLY_SECONDS):
                pass

    async def wait_for_news(self, seconds: float) -> None:
        """Wait for a notification, those included that came while something else was asked, or until the time is up.

        Raises:
            LogUnavailable: the connection was lost.
        """
        async with self._lent(seconds + _REPLY_SECONDS) as connection:
            async for _ in connection.notifies(timeout=seconds, stop_after=1):
                pass

    async def close(self) -> None:
        """Let go of the connection, and break off what is under way on it. The session cannot be used again."""
        self._closed = True
        if self._connection is not None:
            cut(self._connection)
        async with self._lock:
            await self._discard()

    @asynccontextmanager
    async def _lent(self, seconds: float) -> AsyncIterator[Connection]:
        """Lend the connection for one use of at most so many seconds. If that fails in any way, let go of it."""
        async with self._lock:
            try:
                connection = self._connection or await self._connect()
                guard = asyncio.get_running_loop().call_later(seconds, cut, connection)
                try:
                    yield connection
                finally:
                    guard.cancel()
            except psycopg.Error as error:
                await self._discard()
                raise mapped(error) from error
            except BaseException:
                await self._discard()
                raise

    async def _connect(self) -> Connection:
        if self._closed:
            raise LogUnavailable("the log is closed")
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                self._connection = await connected(psycopg.AsyncConnection.connect(autocommit=True, **self._parameters))
                register_arrays(self._connection)
                await self._connection.execute(statement("postgres_session"))
                if self._listen:
                    await self._connection.execute(statement(self._listen))
        except TimeoutError as error:
            raise LogUnavailable(f"PostgreSQL did not answer within {_REPLY_SECONDS:g} s") from error
        return self._connection

    async def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def connected(connecting_now: Coroutine[Any, Any, C]) -> C:
    """Return a connection that is being made. If the caller is cancelled meanwhile, it is closed as soon as it stands.

    psycopg leaves a connection that was half made when it was cancelled to the garbage collector, and whoever keeps
    the error with its traceback keeps the connection.
    """
    connecting = asyncio.create_task(connecting_now)
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_let_go)
        raise


def _let_go(connecting: asyncio.Task[C]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().pgconn.finish()


def cut(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """End what is under way on a connection at once, as if the server had hung up.

    Cancelling the query instead would ask the server to stop it, and wait for a server that may be gone.
    """
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
