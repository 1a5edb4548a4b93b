"""What the engine asks of an event log, and nothing more: append, read, follow.

Three logs implement it (memory, SQLite, PostgreSQL) and one contract suite holds them to it. A log stores *records*:
a topic and opaque bytes. It knows nothing of what they mean; `saga/codec.py` does.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from eventsourcing.persistence import Notification

from .limits import Grant, Need, Sharing

FOR_EVER = datetime.max.replace(tzinfo=UTC)
"""When a run is due that waits for something that has no time limit."""


class Record(NamedTuple):
    """One stored event, as it lies in the table: a topic of at most 200 ASCII characters, and opaque bytes."""

    topic: str
    state: bytes


class Backlog(NamedTuple):
    """What waits in this process to be written, or is being written: how far the database lags behind the runs.

    A run waits for its append before it goes on, so the backlog is bounded by what is in flight. One that stays at its
    bound says that the database is the limit.

    Attributes:
        append_count: appends, at most one a run.
        size_bytes: their records together.
        commit_count: transactions so far, attempts that were not answered included.
    """

    append_count: int
    size_bytes: int
    commit_count: int


class Slot(NamedTuple):
    """What a run has, or waits for, of something that only so many runs may have at once: a lock, or a limit.

    Attributes:
        name: of what; those who ask for the same name are in one queue, in the order in which they asked.
        size: how many may have one at once; 0: the run has it, however many others do. Where those in one queue differ,
            each goes by its own, and nobody overtakes the first who has to wait.
    """

    name: str
    size: int


class Holding(NamedTuple):
    """Who has a run, and which slots the run has.

    Attributes:
        owner: the token of its worker; None if nobody has it, or it is at rest.
        slots: names of those that it has, without those that it waits for.
    """

    owner: str | None
    slots: frozenset[str]


class Queue(NamedTuple):
    """Who has, and who waits for, what only so many runs may have at once.

    Attributes:
        name: of what.
        size: how many may have one, by those who asked.
        held: how many have one.
        waiting: how many wait.
        runs: the first few of those that have one.
    """

    name: str
    size: int
    held: int
    waiting: int
    runs: tuple[str, ...]


class Standing(NamedTuple):
    """How a run stands for those who look for work; committed together with the append that changes it.

    Attributes:
        saga: the run's saga.
        version: and its version, because not every worker may know it.
        owner: the token of the worker that has it; None for whoever claims it first.
        unwinding: it only goes backward, for which the saga's function is not needed.
        at_rest: ended or parked, so that nobody need claim it.
        due_at: it waits, has no owner, and need not be claimed before (aware UTC, by the clocks of the workers).
        outside: somebody else than its owner says so: the owner stays, whoever that is.
        slots: all that the run has and waits for, from here on: what it has no more goes to those who have waited
            longest, and for them it rings. None: it has none, and never had.
        queued_until: if it does not have all of its slots, it waits instead, has no owner, and is due then.
    """

    saga: str
    version: int
    owner: str | None = None
    unwinding: bool = False
    at_rest: bool = False
    due_at: datetime | None = None
    outside: bool = False
    slots: tuple[Slot, ...] | None = None
    queued_until: datetime | None = None

    @property
    def is_for_anybody(self) -> bool:
        """Whether the run is left to whoever claims it first, and that now."""
        return self.owner is None and not self.at_rest and self.due_at is None and not self.outside

    def queued(self) -> "Standing":
        """Return how a run stands that does not have all of its slots."""
        return self._replace(owner=None, due_at=self.queued_until)


class Claimable(NamedTuple):
    """An unfinished run that nobody has, or whose owner has fallen silent.

    Attributes:
        run_id: the run.
        saga: its saga.
        version: and its version.
        unwinding: it only goes backward.
        lapsed: it has an owner, and that one's lease has lapsed.
    """

    run_id: str
    saga: str
    version: int
    unwinding: bool
    lapsed: bool


class Pulse(Protocol):
    """Renews one worker's lease. Synchronous, on a connection of its own, to be called from a thread of its own."""

    def beat(self) -> None:
        """Set the worker's heartbeat to the database's present. Takes a few seconds at most.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
        ...


class Log(Protocol):
    """An append-only log of records, one stream a run, versions 1, 2, 3 ... without gaps."""

    async def open(self) -> None:
        """Connect, create the tables where there are none, and check that they are the ones this code knows.

        Safe when many processes do it at once on an empty database.

        Raises:
            LogUnavailable: the database does not answer.
            SchemaMismatch: there are tables of another shape.
        """
        ...

    async def close(self) -> None:
        """Let the appends under way end, then let go of every connection and thread. Safe to call twice."""
        ...

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        """Add records to a run, all or nothing; durable when this returns.

        The records get the versions `expected_version + 1` onwards. A write of these same bytes at these same
        versions that is already there counts as this one (its reply was lost), so calling again with the same
        arguments after `LogUnavailable` is safe. A run has at most one append under way in this process.

        Args:
            run_id: the stream.
            expected_version: how many records the run has, 0 for a new one.
            records: at least one.
            standing: how the run stands from here on, if that changes; kept in the same transaction.
            ring: a run whose owner is to look at what others have written, in the same transaction: if it waits, it
                becomes claimable, if it is owned, `rung` counts one more, and workers are woken.

        Raises:
            AppendConflict: the run is at another version, written by somebody else.
            LogUnavailable: the database did not answer for `patience_seconds`; nobody knows whether it was written.
        """
        ...

    async def read(self, run_id: str, after_version: int = 0) -> list[Record]:
        """Return a run's records with versions above `after_version`, in order; an unknown run has none.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    @property
    def backlog(self) -> Backlog:
        """What waits in this process to be written, or is being written; nothing, where nothing ever waits."""
        ...

    def follow(self, after_position: int = 0) -> AsyncIterator[list[Notification]]:
        """Yield all records of all runs in one order, in batches that are never empty, and wait for more for ever.

        Positions (`Notification.id`) rise and may have gaps; no record ever appears behind a position that was
        already yielded. Ended by closing the iterator or the log.
        """
        ...

    # Who has which run. Times are the database's; nothing here is a safeguard, the version of each stream is.

    def pulse(self, worker: str, lease_seconds: float) -> Pulse:
        """Return what renews the lease of `worker`, a token made at each boot."""
        ...

    async def claimable(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return unfinished runs that nobody has, or whose owner's lease has lapsed, oldest first.

        Args:
            known: names and versions of the sagas that the caller knows; of a run that unwinds, the name is enough.
            limit: at most so many.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    async def unknown(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return what `claimable` leaves out only because the caller does not know the saga or its version."""
        ...

    async def owned(self, worker: str) -> set[str]:
        """Return the unfinished runs that `worker` has."""
        ...

    async def rung(self, worker: str) -> Mapping[str, int]:
        """Return the unfinished runs that `worker` has and that were ever rung for, and how often."""
        ...

    async def holding(self, run_id: str) -> Holding:
        """Return who has a run, and which slots it has; both as they were at one moment.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    async def queues(self, limit: int) -> list[Queue]:
        """Return what runs have and wait for, what most wait for first.

        Args:
            limit: at most so many.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    async def wake(self, now: datetime, limit: int) -> datetime | None:
        """Make waiting runs claimable that are due at `now`, the longest due first; return when the next one is due.

        Args:
            now: aware UTC, by the caller's clock; of waits, unlike leases, clocks of workers decide.
            limit: at most so many.

        Returns:
            When the next one is due, which may be past if there were more than `limit`; None if none will be.
        """
        ...

    async def release(self, worker: str) -> None:
        """Give up all runs of `worker`, and its lease; whoever waits for work is woken."""
        ...

    async def wait_for_work(self, seconds: float) -> None:
        """Return when a run may have become claimable (started for nobody, released, rung), or the time is up."""
        ...

    # Limits of actions, which workers share. Only workers whose leases hold count.

    async def share(self, need: Need) -> Grant:
        """Tell what a worker needs of a limit, and return what it may have of it from now on.

        Over all workers whose leases hold, `taken` never exceeds the limit, but for what is in use anyway: `used` is
        counted whatever the answer is. To a worker whose lease does not hold nothing is given, and nothing is written.
        A call that was not answered may have been carried out, once; it must not be carried out after a later one.
        What is decided is for `limits.answered` to say; a log reads, calls it, and writes if nobody else has meanwhile.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    async def shares(self) -> list[Sharing]:
        """Return who has what of which limit, of the workers whose leases hold, by limit and worker.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...
