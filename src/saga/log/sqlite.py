"""A log in an SQLite file: one machine, any number of processes, no server.

One connection writes and one reads, each in a thread of its own. A batch is one `BEGIN IMMEDIATE` transaction: it
takes the write lock before it looks at a version, so what it saw still holds when it writes.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from . import sqlite_starts
from .following import Bell, Notification, tail
from .limits import Grant, Need, Sharing
from .pages import PAGE_BYTES, PAGE_COUNT, Row, is_last, notification, record
from .patience import Patience
from .port import Backlog, Claimable, Holding, Pulse, Queue, Record, Standing
from .sqlite_connection import SQLiteConnection, transaction
from .sqlite_limits import SQLiteLimits
from .sqlite_pulse import SQLitePulse
from .sqlite_roster import SQLiteRoster, note
from .sqlite_schema import migrate
from .sqlite_transactions import SQLiteTransactions
from .statements import statement
from .transactions import Enlisted, Taken, Transaction
from .writer import Append, GroupCommit

__all__ = ["SQLiteLog"]

T = TypeVar("T")


class SQLiteLog:
    """A `Log` in the file at `path`, in the table format of the eventsourcing library.

    Args:
        path: the database file; created, readable for its owner alone, if it is not there. Its directory must exist.
        patience_seconds: how long a locked or full file is asked again before `LogUnavailable` is raised.
        poll_seconds: how soon `follow` sees what other processes have written; its own writes it sees at once.

    Attributes:
        path: the database file.
    """

    def __init__(self, path: Path | str, *, patience_seconds: float = 10.0, poll_seconds: float = 0.05) -> None:
        self._patience_seconds = patience_seconds
        self._poll_seconds = poll_seconds
        self.path = Path(path)
        self._writer = SQLiteConnection(self.path, "amends sqlite writer")
        self._reader = SQLiteConnection(self.path, "amends sqlite reader")
        self._commits = GroupCommit(self, patience_seconds)
        self._turn = asyncio.Lock()
        self._lent = SQLiteTransactions(self.path, self._turn, patience_seconds)
        self._bell = Bell()
        self._bell.break_off()
        self._roster = SQLiteRoster(self._reader, self._writer)
        self._limits = SQLiteLimits(self._reader, self._writer)

    def __repr__(self) -> str:
        return f"SQLite ({self.path})"

    async def open(self) -> None:
        """Create the file and the tables where there are none, and check them; see `Log.open`.

        Raises:
            LogUnavailable: the file cannot be opened, or stays locked.
            SchemaMismatch: the tables are of another shape or version.
        """
        await self._open(asked=False)

    async def migrate(self) -> Sequence[int]:
        """Make the tables what this code knows, without opening the log; return the versions that were applied.

        Raises:
            LogUnavailable: the file cannot be opened, or stays locked.
            SchemaMismatch: the tables are of another shape, or newer than this code.
        """
        try:
            return await self._open(asked=True)
        finally:
            await self.close()

    async def _open(self, *, asked: bool) -> Sequence[int]:
        self._writer.start()
        self._reader.start()
        self._commits = GroupCommit(self, self._patience_seconds)
        self._turn = asyncio.Lock()
        self._lent = SQLiteTransactions(self.path, self._turn, self._patience_seconds)
        self._bell.mend()
        self._roster.bell.mend()
        try:
            return await self._ask(lambda: self._writer.run(partial(migrate, asked=asked)))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let the appends under way end, then close the connections; see `Log.close`."""
        await self._commits.close()
        await self._lent.close()
        self._bell.break_off()
        self._roster.bell.break_off()
        await self._reader.stop()
        await self._writer.stop()

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
            LogUnavailable: the file stayed locked or full.
        """
        self._writer.check_started()
        await self._commits.append(run_id, expected_version, records, standing, ring)

    @property
    def backlog(self) -> Backlog:
        """What waits in this process to be written, or is being written."""
        return self._commits.backlog

    async def read(self, run_id: str, after_version: int = 0) -> list[Record]:
        """Return a run's records with versions above `after_version`, in order; see `Log.read`.

        Raises:
            LogUnavailable: the file stayed locked.
        """
        work = partial(_read_run, run_id=run_id, after_version=after_version)
        return await self._ask(lambda: self._reader.run(work))

    def follow(self, after_position: int = 0) -> AsyncIterator[list[Notification]]:
        """Yield all records of all runs in one order, and wait for more; see `Log.follow`."""
        return tail(self._bell, self._read_page, after_position, self._poll_seconds)

    def pulse(self, worker: str, lease_seconds: float) -> Pulse:
        """Return what renews the lease of `worker`; see `Log.pulse`."""
        return SQLitePulse(self.path, worker, lease_seconds)

    async def claimable(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return unfinished runs that nobody has; see `Log.claimable`."""
        return await self._ask(lambda: self._roster.claimable(known, limit))

    async def unknown(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return what `claimable` leaves out for want of knowledge; see `Log.unknown`."""
        return await self._ask(lambda: self._roster.unknown(known, limit))

    async def owned(self, worker: str) -> set[str]:
        """Return the unfinished runs that `worker` has; see `Log.owned`."""
        return await self._ask(lambda: self._roster.owned(worker))

    async def rung(self, worker: str) -> Mapping[str, int]:
        """Return which runs of `worker` were rung for, and how often; see `Log.rung`."""
        return await self._ask(lambda: self._roster.rung(worker))

    async def holding(self, run_id: str) -> Holding:
        """Return who has a run, and which slots it has; see `Log.holding`."""
        return await self._ask(lambda: self._roster.holding(run_id))

    async def queues(self, limit: int) -> list[Queue]:
        """Return what runs have and wait for; see `Log.queues`."""
        return await self._ask(lambda: self._roster.queues(limit))

    async def wake(self, now: datetime, limit: int) -> datetime | None:
        """Make waiting runs claimable that are due; see `Log.wake`."""
        return await self._ask(lambda: self._roster.wake(now, limit))

    async def release(self, worker: str) -> None:
        """Give up all runs of `worker`; see `Log.release`."""
        await self._ask(lambda: self._roster.release(worker))

    async def share(self, need: Need) -> Grant:
        """Share a limit with the other workers; see `Log.share`."""
        return await self._ask(lambda: self._limits.share(need))

    async def shares(self) -> list[Sharing]:
        """Return who has what of which limit; see `Log.shares`."""
        return await self._ask(self._limits.shares)

    async def wait_for_work(self, seconds: float) -> None:
        """Wait until a run may have become claimable; see `Log.wait_for_work`."""
        self._reader.check_started()
        await self._roster.wait(seconds)

    async def commit(self, batch: Sequence[Append]) -> list[str]:
        """Write a batch in one transaction; see `Backend.commit`."""
        async with self._turn:
            conflicted, has_rung = await self._writer.run(partial(_commit, batch=batch))
        self._bell.ring()
        if has_rung:
            self._roster.bell.ring()
        return conflicted

    @asynccontextmanager
    async def transaction(self, *, plain: bool, timeout_seconds: float) -> AsyncIterator[Transaction]:  # noqa: ARG002
        """Lend a transaction, with the file's write lock; see `Transactional.transaction`.

        The connection is the same for plain and for async handlers. What ends a handler that is silent is the engine.
        """
        self._reader.check_started()
        async with self._lent.begun() as transaction:
            yield transaction
        self._bell.ring()

    async def enlist(self, connection: Any, start: Enlisted) -> Record | None:
        """Write a start through the caller's connection; see `Transactional.enlist`."""
        return sqlite_starts.enlist(connection, start, self.path)

    async def has_start(self, run_id: str) -> bool:
        """Tell whether a committed start of this run is there; see `Transactional.has_start`."""
        return await self._ask(lambda: self._reader.run(partial(sqlite_starts.has, run_id=run_id)))

    async def take_starts(self, limit: int) -> Sequence[Taken]:
        """Move committed starts into the log; see `Transactional.take_starts`."""
        if not await self._ask(lambda: self._reader.run(sqlite_starts.has_any)):
            return []
        async with self._turn:
            taken = await self._ask(lambda: self._writer.run(partial(sqlite_starts.take, limit=limit, write=_write)))
        self._bell.ring()
        self._roster.bell.ring()
        return taken

    async def settle_start(self, run_id: str, *, keep: bool) -> None:
        """Drop a start that was refused, or set it aside; see `Transactional.settle_start`."""
        await self._ask(lambda: self._writer.run(partial(sqlite_starts.settle, run_id=run_id, keep=keep)))

    async def _ask(self, attempt: Callable[[], Awaitable[T]]) -> T:
        self._reader.check_started()
        return await Patience(self._patience_seconds).ask(attempt)

    async def _read_page(self, after_position: int) -> list[Notification]:
        rows = await self._reader.run(partial(_page, name="sqlite_follow", after=after_position))
        return [notification(row) for row in rows]


def _commit(connection: sqlite3.Connection, batch: Sequence[Append]) -> tuple[list[str], bool]:
    with transaction(connection):
        return _write(connection, batch)


def _write(connection: sqlite3.Connection, batch: Sequence[Append]) -> tuple[list[str], bool]:
    """Write a batch; returns the runs that are at another version, and whether anybody was rung for."""
    conflicted = [append.run_id for append in batch if _version(connection, append.run_id) != append.expected_version]
    written = [append for append in batch if append.run_id not in conflicted]
    connection.executemany(statement("sqlite_insert"), [row for append in written for row in _rows(append)])
    standings = {append.run_id: append.standing for append in written if append.standing is not None}
    has_rung = note(connection, standings, [append.ring for append in written if append.ring is not None])
    return conflicted, has_rung


def _version(connection: sqlite3.Connection, run_id: str) -> int:
    (version,) = connection.execute(statement("sqlite_version"), (run_id,)).fetchone()
    return int(version)


def _rows(append: Append) -> Iterator[tuple[str, int, str, bytes]]:
    for version, (topic, state) in enumerate(append.records, append.expected_version + 1):
        yield append.run_id, version, topic, state


def _read_run(connection: sqlite3.Connection, run_id: str, after_version: int) -> list[Record]:
    records: list[Record] = []
    while True:
        rows = _page(connection, "sqlite_read", after=after_version + len(records), run_id=run_id)
        records += [record(row) for row in rows]
        if is_last(rows):
            return records


def _page(connection: sqlite3.Connection, name: str, after: int, run_id: str | None = None) -> list[Row]:
    bounds = {"after": after, "run_id": run_id, "page_count": PAGE_COUNT, "page_bytes": PAGE_BYTES}
    return connection.execute(statement(name), bounds).fetchall()
