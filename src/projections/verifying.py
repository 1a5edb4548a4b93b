"""Holds the log against its seals, and names the first event that is not as it was sealed."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from ..errors import UnknownName
from ..saga.log.pages import Row
from .chain import Breach, BreachKind, Head, Link, Seal, broken, link_run
from .database import Database, Transaction, Worker, open_database
from .sealing import last_head, link_of

__all__ = ["KeptHead", "Verification", "VerifyProgress", "verify", "verify_run"]


class KeptHead(NamedTuple):
    """A head that was kept elsewhere: what `Sealer.seal` returned once.

    Attributes:
        position: of the last event that it covers.
        chain: 64 hexadecimal digits.
    """

    position: int
    chain: str


class Verification(NamedTuple):
    """What came of holding the log, or a run, against what was sealed.

    Attributes:
        breach: the first thing that is not as it was sealed; None if all is.
        event_count: events that are as they were sealed, up to the breach if there is one.
        unsealed_count: events that no seal covers yet.
        head: the last head that was verified.
    """

    breach: Breach | None
    event_count: int
    unsealed_count: int
    head: KeptHead


class VerifyProgress(NamedTuple):
    """How far it is.

    Attributes:
        position: all up to this one is verified.
        end: the position of the last seal.
        event_count: events that were verified.
    """

    position: int
    end: int
    event_count: int


async def verify(
    url: str, *, kept: KeptHead | None = None, progress: Callable[[VerifyProgress], object] | None = None
) -> Verification:
    """Hold the whole log against its seals, and the seals against each other.

    Args:
        url: of the log; not `memory://`.
        kept: a head that was kept elsewhere, against which the seals are held, too. Without it, somebody who can write
            to the database can forge events and seals together.
        progress: called after each seal, in the caller's event loop.

    Raises:
        InvalidName: the URL is of no such form, or names a log in memory.
        LogUnavailable: the database does not answer.
        SchemaMismatch: there is no log.
    """
    worker = Worker(open_database(url))
    try:
        return await _verify(worker, kept, progress or _nobody)
    finally:
        await worker.close()


async def verify_run(url: str, run_id: str) -> Verification:
    """Hold the events of one run against the run's chain: quick, but it says only that something is wrong with the run.

    Raises:
        InvalidName: the URL is of no such form, or names a log in memory.
        LogUnavailable: the database does not answer.
        SchemaMismatch: there is no log.
        UnknownName: there is no such run, neither in the log nor among what was sealed.
    """
    worker = Worker(open_database(url))
    try:
        return await worker.run(lambda database: database.read(lambda transaction: _verify_run(transaction, run_id)))
    finally:
        await worker.close()


def _nobody(_: VerifyProgress) -> None:
    """Nobody wants to know."""


async def _verify(worker: Worker, kept: KeptHead | None, progress: Callable[[VerifyProgress], object]) -> Verification:
    walk = _Walk(kept)
    end = await worker.run(lambda database: database.read(last_head))
    while walk.head.position < end.position:
        seals = await worker.run(lambda database: database.read(walk.next_seals))
        for sealed in seals:
            breach = await worker.run(partial(walk.take, sealed))
            if breach is not None:
                return Verification(breach, walk.event_count, 0, walk.kept_head)
            progress(VerifyProgress(walk.head.position, end.position, walk.event_count))
        if not seals:
            break  # Seals were removed while we looked.
    if kept is not None and not walk.met_kept:
        return Verification(Breach(BreachKind.SEAL_CHANGED, kept.position), walk.event_count, 0, walk.kept_head)
    unsealed = await worker.run(lambda database: database.read(walk.count_behind))
    return Verification(None, walk.event_count, unsealed, walk.kept_head)


class _Walk:
    """A walk over the seals, from the first.

    Args:
        kept: a head that one of them has to have.

    Attributes:
        head: of the last seal that is as it was.
        event_count: events that are.
        met_kept: the seal with the head that was kept has come by.
    """

    def __init__(self, kept: KeptHead | None) -> None:
        self.head = Head()
        self.event_count = 0
        self.met_kept = kept is None or kept.position == 0
        self._kept = kept
        self._rows: list[Row] = []
        self._position = 0

    @property
    def kept_head(self) -> KeptHead:
        """The head, as it is kept elsewhere."""
        return KeptHead(self.head.position, self.head.chain.hex())

    def next_seals(self, transaction: Transaction) -> list[Seal]:
        """Return the next few seals."""
        return [
            Seal(Head(position, bytes(chain)), bytes(marks))
            for position, chain, marks in transaction.fetch("seals", {"after": self.head.position})
        ]

    def take(self, sealed: Seal, database: Database) -> Breach | None:
        """Go over what a seal covers, and return what is wrong with it."""
        breach = broken(self.head, sealed, self._up_to(sealed.head.position, database))
        if breach is None and self._kept is not None and sealed.head.position == self._kept.position:
            self.met_kept = True
            if sealed.head.chain.hex() != self._kept.chain.lower():
                breach = Breach(BreachKind.SEAL_CHANGED, sealed.head.position)
        if breach is None:
            self.head, self.event_count = sealed.head, self.event_count + sealed.event_count
        elif breach.kind is not BreachKind.SEAL_CHANGED:
            self.event_count += sum(position < breach.position for position, _ in sealed)
        return breach

    def count_behind(self, transaction: Transaction) -> int:
        """Return how many events there are behind the last seal."""
        ((count,),) = transaction.fetch("count_behind", {"position": self.head.position})
        return int(count)

    def _up_to(self, position: int, database: Database) -> Iterator[Row]:
        """Yield the rows of the log that were not yielded yet, up to this position; it is read page by page."""
        while True:
            if not self._rows:
                self._rows = database.page(self._position)[::-1]
            if not self._rows or self._rows[-1][4] > position:
                return
            row = self._rows.pop()
            self._position = row[4]
            yield row


def _verify_run(transaction: Transaction, run_id: str) -> Verification:
    linked, found, count, behind, last = link_of(transaction, run_id), Link(), 0, 0, 0
    while rows := transaction.run_page(run_id, found.version + behind):
        sealed = [row for row in rows if linked is not None and row[1] <= linked.version]
        found = link_run(found, sealed)
        count += len(sealed)
        behind += len(rows) - len(sealed)
        last = rows[-1][4]
    if linked is None and not behind:
        raise UnknownName("run", run_id)
    linked = linked or Link()
    breach = None if linked == found else Breach(BreachKind.CHANGED, last, run_id)
    return Verification(breach, count, behind, KeptHead(found.version, found.chain.hex()))
