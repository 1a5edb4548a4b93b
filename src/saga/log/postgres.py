"""A log in PostgreSQL: any number of processes on any number of machines.

A batch is one call of a stored function in autocommit mode, one round trip: no transaction is ever open while a
client thinks, so a process that is stopped in its tracks blocks nobody. psycopg's pipeline mode is not used (large
states hang in it), nor is a pool: one connection writes, one reads, one hears when there is work, and each follower
and each pulse has its own.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from psycopg.types.numeric import Int8

from ...errors import LogUnavailable, SchemaMismatch
from . import postgres_starts
from .following import Notification
from .limits import Grant, Need, Sharing
from .pages import PAGE_BYTES, PAGE_COUNT, is_last, notification, record
from .patience import Patience
from .port import Backlog, Claimable, Holding, Pulse, Queue, Record, Standing
from .postgres_columns import columns
from .postgres_limits import PostgresLimits
from .postgres_pulse import PostgresPulse
from .postgres_roster import PostgresRoster
from .postgres_schema import migrate
from .postgres_session import PostgresSession, conninfo
from .postgres_transactions import PostgresTransactions
from .statements import statement
from .transactions import Enlisted, Taken, Transaction
from .writer import Append, GroupCommit

__all__ = ["PostgresLog"]

T = TypeVar("T")

_OFF = {"", "n", "no", "f", "false", "off", "0"}  # what the library takes for no


class PostgresLog:
    """A `Log` in a PostgreSQL database, in the table format of the eventsourcing library.

    Args:
        url: a libpq URL. The server must be the primary, reached without a pooler that changes sessions.
        patience_seconds: how long a server that does not answer is asked again before `LogUnavailable` is raised.
        poll_seconds: how soon `follow` sees new records when no notification arrives.

    Raises:
        InvalidName: libpq cannot read the URL.
    """

    def __init__(self, url: str, *, patience_seconds: float = 10.0, poll_seconds: float = 1.0) -> None:
        self._parameters = conninfo(url)
        self._patience_seconds = patience_seconds
        self._poll_seconds = poll_seconds
        self._writer: PostgresSession | None = None
        self._reader: PostgresSession | None = None
        self._bell: PostgresSession | None = None
        self._lent: PostgresTransactions | None = None
        self._followers: set[PostgresSession] = set()
        self._commits = GroupCommit(self, patience_seconds)

    def __repr__(self) -> str:
        known = {name: self._parameters.get(name) for name in ("host", "port", "dbname", "options")}
        return f"PostgreSQL ({', '.join(f'{name} {value}' for name, value in known.items() if value)})"

    async def open(self) -> None:
        """Connect, make the tables where there are none, and check them; see `Log.open`.

        Raises:
            LogUnavailable: the server does not answer.
            SchemaMismatch: the tables are of another shape or version, or gaps are switched on (see the message).
        """
        await self._open(asked=False)

    async def migrate(self) -> Sequence[int]:
        """Make the tables what this code knows, without opening the log; return the versions that were applied.

        Raises:
            LogUnavailable: the server does not answer.
            SchemaMismatch: the tables are of another shape, or newer than this code.
        """
        try:
            return await self._open(asked=True)
        finally:
            await self.close()

    async def _open(self, *, asked: bool) -> Sequence[int]:
        _refuse_gaps()
        writer = self._writer = PostgresSession(self._parameters)
        self._reader = PostgresSession(self._parameters)
        self._bell = PostgresSession(self._parameters, listen="postgres_listen_work")
        self._lent = PostgresTransactions(self._parameters, self._barrier)
        self._commits = GroupCommit(self, self._patience_seconds)
        try:
            return await self._ask(lambda: migrate(writer, asked=asked))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let the appends under way end, then close every connection; see `Log.close`."""
        await self._commits.close()
        if self._lent is not None:
            await self._lent.close()
        sessions = [session for session in (self._writer, self._reader, self._bell, *self._followers) if session]
        self._writer = self._reader = self._bell = None
        for session in sessions:
            await session.close()

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        """Add records to a run, all or nothing; durable when this returns; see `Log.append`.

        Raises:
            AppendConflict: the run is at another version, written by somebody else.
            LogUnavailable: the server did not answer for `patience_seconds`.
        """
        _opened(self._writer)
        await self._commits.append(run_id, expected_version, records, standing, ring)

    @property
    def backlog(self) -> Backlog:
        """What waits in this process to be written, or is being written."""
        return self._commits.backlog

    async def read(self, run_id: str, after_version: int = 0) -> list[Record]:
        """Return a run's records with versions above `after_version`, in order; see `Log.read`.

        Raises:
            LogUnavailable: the server did not answer for `patience_seconds`.
        """
        session = _opened(self._reader)
        return await self._ask(lambda: _read(session, run_id, after_version))

    async def follow(self, after_position: int = 0) -> AsyncIterator[list[Notification]]:
        """Yield all records of all runs in one order, and wait for more; see `Log.follow`."""
        session = PostgresSession(self._parameters, listen="postgres_listen")
        self._followers.add(session)
        try:
            while self._reader is not None:
                page = await self._next_page(session, after_position)
                if page:
                    after_position = page[-1].id
                    yield page
        finally:
            self._followers.discard(session)
            await session.close()

    def pulse(self, worker: str, lease_seconds: float) -> Pulse:
        """Return what renews the lease of `worker`; see `Log.pulse`."""
        return PostgresPulse(self._parameters, worker, lease_seconds)

    async def claimable(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return unfinished runs that nobody has; see `Log.claimable`."""
        roster = self._roster()
        return await self._ask(lambda: roster.claimable(known, limit))

    async def unknown(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return what `claimable` leaves out for want of knowledge; see `Log.unknown`."""
        roster = self._roster()
        return await self._ask(lambda: roster.unknown(known, limit))

    async def owned(self, worker: str) -> set[str]:
        """Return the unfinished runs that `worker` has; see `Log.owned`."""
        roster = self._roster()
        return await self._ask(lambda: roster.owned(worker))

    async def rung(self, worker: str) -> Mapping[str, int]:
        """Return which runs of `worker` were rung for, and how often; see `Log.rung`."""
        roster = self._roster()
        return await self._ask(lambda: roster.rung(worker))

    async def holding(self, run_id: str) -> Holding:
        """Return who has a run, and which slots it has; see `Log.holding`."""
        roster = self._roster()
        return await self._ask(lambda: roster.holding(run_id))

    async def queues(self, limit: int) -> list[Queue]:
        """Return what runs have and wait for; see `Log.queues`."""
        roster = self._roster()
        return await self._ask(lambda: roster.queues(limit))

    async def wake(self, now: datetime, limit: int) -> datetime | None:
        """Make waiting runs claimable that are due; see `Log.wake`."""
        roster = self._roster()
        return await self._ask(lambda: roster.wake(now, limit))

    async def release(self, worker: str) -> None:
        """Give up all runs of `worker`; see `Log.release`."""
        roster = self._roster()
        await self._ask(lambda: roster.release(worker))

    async def share(self, need: Need) -> Grant:
        """Share a limit with the other workers; see `Log.share`.

        A first try that was not answered may yet be carried out, until something else is written behind it: so the
        second one writes, whether anything changes or not.
        """
        limits = PostgresLimits(_opened(self._reader))
        tries = iter([need])
        return await self._ask(lambda: limits.share(next(tries, need._replace(is_certain=False))))

    async def shares(self) -> list[Sharing]:
        """Return who has what of which limit; see `Log.shares`."""
        limits = PostgresLimits(_opened(self._reader))
        return await self._ask(limits.shares)

    async def wait_for_work(self, seconds: float) -> None:
        """Wait until a run may have become claimable; see `Log.wait_for_work`."""
        await self._roster().wait(seconds)

    async def commit(self, batch: Sequence[Append]) -> Sequence[str]:
        """Write a batch in one call; see `Backend.commit`."""
        ((conflicted,),) = await _opened(self._writer).fetch(statement("postgres_append"), columns(batch))
        return list(conflicted)

    @asynccontextmanager
    async def transaction(self, *, plain: bool, timeout_seconds: float) -> AsyncIterator[Transaction]:
        """Lend a transaction; see `Transactional.transaction`."""
        _opened(self._reader)
        assert self._lent is not None
        async with self._lent.begun(plain=plain, timeout_seconds=timeout_seconds) as transaction:
            yield transaction

    async def enlist(self, connection: Any, start: Enlisted) -> Record | None:
        """Write a start through the caller's connection; see `Transactional.enlist`."""
        return await postgres_starts.enlist(connection, start)

    async def has_start(self, run_id: str) -> bool:
        """Tell whether a committed start of this run is there; see `Transactional.has_start`."""
        session = _opened(self._reader)
        return bool(await self._ask(lambda: session.fetch(statement("postgres_enlisted"), {"run_id": run_id})))

    async def take_starts(self, limit: int) -> Sequence[Taken]:
        """Move committed starts into the log; see `Transactional.take_starts`."""
        session = _opened(self._reader)
        return await self._ask(lambda: postgres_starts.take(session, limit))

    async def settle_start(self, run_id: str, *, keep: bool) -> None:
        """Drop a start that was refused, or set it aside; see `Transactional.settle_start`."""
        session = _opened(self._reader)
        await self._ask(lambda: postgres_starts.settle(session, run_id, keep=keep))

    async def _barrier(self) -> None:
        await _opened(self._reader).fetch(statement("postgres_barrier"))

    def _roster(self) -> PostgresRoster:
        return PostgresRoster(_opened(self._reader), _opened(self._bell))

    async def _ask(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await Patience(self._patience_seconds).ask(attempt)

    async def _next_page(self, session: PostgresSession, after_position: int) -> list[Notification]:
        """Return the next page, or after a while an empty one, or one that is empty because the log was closed."""
        parameters = {"after": Int8(after_position), **_BOUNDS}

        async def look() -> list[Notification]:
            if self._reader is None:
                return []
            rows = await session.fetch(statement("postgres_follow"), parameters)
            if not rows:
                await session.wait_for_news(self._poll_seconds)
            return [notification(row) for row in rows]

        # A follower has nobody to tell that the server is away, so it asks for ever.
        return await Patience(float("inf")).ask(look)


_BOUNDS = {"page_count": Int8(PAGE_COUNT), "page_bytes": Int8(PAGE_BYTES)}


async def _read(session: PostgresSession, run_id: str, after_version: int) -> list[Record]:
    records: list[Record] = []
    while True:
        after = Int8(after_version + len(records))
        rows = await session.fetch(statement("postgres_read"), {"run_id": run_id, "after": after, **_BOUNDS})
        records += [record(row) for row in rows]
        if is_last(rows):
            return records


def _opened(session: PostgresSession | None) -> PostgresSession:
    if session is None:
        raise LogUnavailable("the log is not open")
    return session


def _refuse_gaps() -> None:
    if os.environ.get("POSTGRES_ENABLE_DB_FUNCTIONS", "").strip().lower() not in _OFF:
        raise SchemaMismatch(
            "POSTGRES_ENABLE_DB_FUNCTIONS is on: it makes the eventsourcing library write without the log's lock, and "
            "followers would silently miss events; switch it off for every process that writes to this database"
        )
