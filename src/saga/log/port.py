"""What the engine asks of an event log, and nothing more: append, read, follow.

Three logs implement it (memory, SQLite, PostgreSQL) and one contract suite holds them to it. A log stores *records*:
a topic and opaque bytes. It knows nothing of what they mean; `saga/codec.py` does.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from eventsourcing.persistence import Notification


class Record(NamedTuple):
    """One stored event, as it lies in the table: a topic of at most 200 ASCII characters, and opaque bytes."""

    topic: str
    state: bytes


class Standing(NamedTuple):
    """How a run stands for those who look for work; committed together with the append that changes it.

    Attributes:
        saga: the run's saga.
        version: and its version, because not every worker may know it.
        owner: the token of the worker that has it; None for whoever claims it first.
        unwinding: it only goes backward, for which the saga's function is not needed.
        at_rest: ended or parked, so that nobody need claim it.
    """

    saga: str
    version: int
    owner: str | None = None
    unwinding: bool = False
    at_rest: bool = False


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

    async def append(self, run_id: str, expected_version: int, records: Sequence[Record]) -> None:
        """Add records to a run, all or nothing; durable when this returns.

        The records get the versions `expected_version + 1` onwards. A write of these same bytes at these same
        versions that is already there counts as this one (its reply was lost), so calling again with the same
        arguments after `LogUnavailable` is safe. A run has at most one append under way in this process.

        Args:
            run_id: the stream.
            expected_version: how many records the run has, 0 for a new one.
            records: at least one.

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

    def follow(self, after_position: int = 0) -> AsyncIterator[list[Notification]]:
        """Yield all records of all runs in one order, in batches that are never empty, and wait for more for ever.

        Positions (`Notification.id`) rise and may have gaps; no record ever appears behind a position that was
        already yielded. Ended by closing the iterator or the log.
        """
        ...
