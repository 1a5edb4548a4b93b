"""What a log in a database can do besides: lend a transaction, so that a user's rows and a run's records are one write.

A log that cannot (the one in memory) simply lacks these verbs, and whoever needs them is told when a coordinator is
built.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

from .port import Log, Record

__all__ = ["Enlisted", "Taken", "Transaction", "Transactional", "lending"]


class Enlisted(NamedTuple):
    """A start that is written in its caller's own transaction.

    Attributes:
        run_id: the run.
        saga: its saga.
        version: and its version.
        record: its first event.
    """

    run_id: str
    saga: str
    version: int
    record: Record


class Taken(NamedTuple):
    """A start that was to be moved into the log.

    Attributes:
        run_id: the run.
        record: its first event.
        refused: there is a run of that id, so it was not moved; it is still there.
    """

    run_id: str
    record: Record
    refused: bool


class Transaction(Protocol):
    """An open transaction of a log's database, lent to one handler. Left without a commit, it is rolled back."""

    @property
    def connection(self) -> Any:
        """What the handler writes through."""
        ...

    async def append(self, run_id: str, expected_version: int, records: Sequence[Record]) -> bool:
        """Add records to a run, as a part of the transaction.

        From here to the commit nobody else can append to the log, so both follow each other at once.

        Returns:
            Whether the run had `expected_version` records. If not, nothing was added, and the transaction goes on.

        Raises:
            Exception: of the database's driver; the transaction is lost, and nothing of it will ever be there.
        """
        ...

    async def commit(self) -> None:
        """Make everything durable that was written through the connection, the records among it.

        Raises:
            Exception: of the database's driver. Once `ended` has returned, the log says which way it went.
        """
        ...

    async def ended(self) -> None:
        """Return when the transaction is certainly over, at the database too.

        Raises:
            LogUnavailable: the database does not answer; ask again.
        """
        ...

    def cut(self) -> None:
        """End it at once, from the event loop's thread: it is never committed, and whoever uses it gets an error."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """A log that lends transactions."""

    def transaction(self, *, plain: bool, timeout_seconds: float) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction, when there is a place for one.

        Args:
            plain: it is for a plain function, in a thread of its own.
            timeout_seconds: how long the handler has. The database ends what is silent for longer.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    async def enlist(self, connection: Any, start: Enlisted) -> Record | None:
        """Write a start through the caller's connection, in the transaction that is open on it.

        Returns:
            None; or what is written already for this run id, and then nothing was.

        Raises:
            InvalidValue: the connection is of another kind or leads elsewhere, or no transaction is open on it.
            LogUnavailable: the database does not answer.
            SchemaMismatch: where it leads there is no table of starts.
        """
        ...

    async def has_start(self, run_id: str) -> bool:
        """Tell whether a committed start of this run waits to be moved, or was set aside."""
        ...

    async def take_starts(self, limit: int) -> Sequence[Taken]:
        """Move committed starts into the log, at most so many, oldest first, and return them.

        Each becomes the first event of its run, for whoever claims that, in the transaction in which it goes; however
        many do this at once, it is moved once.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    async def settle_start(self, run_id: str, *, keep: bool) -> None:
        """Drop a start that was refused, or set it aside, so that nobody tries to move it again."""
        ...


def lending(log: Log) -> Transactional | None:
    """Return the log if it lends transactions."""
    return log if isinstance(log, Transactional) else None
