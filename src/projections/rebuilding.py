"""Builds a projection anew beside the one that is read, and swaps the two in one transaction.

Writers, followers and readers go on meanwhile. A rebuild that is killed leaves its copy and its position, and the next
one goes on from there. Nobody ever sees a copy that is half built.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

from ..clock import Clock, SystemClock
from ..errors import DefinitionError, LogError, LogUnavailable, ProjectionAhead, RebuildUnderWay
from ..saga.codec import EventCodec
from ..saga.log.open import open_log
from ..saga.log.pages import PAGE_BYTES, Row, is_last
from ..saga.log.patience import Patience
from .applying import Applier
from .copies import Copy, MovedError, State, copies, create, head, verify
from .database import Database, Transaction, Worker, open_database
from .projection import Projection, checked
from .swap import discard, swapped

__all__ = ["RebuildProgress", "rebuild"]

T = TypeVar("T")

ROWS_A_BATCH = 4_000
"""About how many events share a transaction, if they are small."""


LOCK_ATTEMPTS = 5
LOCK_PAUSE_SECONDS = 0.2


class RebuildProgress(NamedTuple):
    """How far a rebuild is.

    Attributes:
        projection: its name.
        start_position: where this process began: 0, or where a rebuild that was killed had got to.
        position: all events up to this one are applied.
        head: the last position of the log, as it was seen last; it moves while others write.
        applied_count: events that this process has applied, quarantined ones included.
        quarantined_count: events that the new copy could not apply.
        seconds: how long this process has taken so far.
        swapped: the new copy is the one that is read.
    """

    projection: str
    start_position: int
    position: int
    head: int
    applied_count: int
    quarantined_count: int
    seconds: float
    swapped: bool


async def rebuild(
    url: str,
    projection: Projection,
    *,
    progress: Callable[[RebuildProgress], object] | None = None,
    patience_seconds: float = 60.0,
    clock: Clock | None = None,
) -> RebuildProgress:
    """Build a projection anew from the first event on, swap it in, and drop the old copy.

    Args:
        url: of the log; not `memory://`.
        projection: as it is to be from now on. A follower that still has another version of it stops applying.
        progress: called after each batch, in the caller's event loop; what it raises ends the rebuild, which can be
            taken up again.
        patience_seconds: how long a database that does not answer is asked again.
        clock: tells when the position moved.

    Raises:
        DefinitionError: the projection is put together wrongly, or a cipher cannot be had.
        InvalidName: the URL is of no allowed form, or names a log in memory.
        LogUnavailable: the database did not answer for so long; what is built so far is kept.
        RebuildUnderWay: another process is rebuilding it.
        SchemaMismatch: the log's tables are not the ones that this code knows, or the projection's own SQL is wrong.
    """
    clock = clock or SystemClock()
    applier = Applier(checked(projection), EventCodec.from_environment(), clock)
    worker, log = Worker(open_database(url)), open_log(url)
    try:
        await log.open()  # checks the tables, and refuses what would open gaps
        await log.close()
        await _lock(worker, projection.name)
        return await _Rebuild(worker, applier, clock, patience_seconds).run(progress or _nobody)
    finally:
        await worker.close()


async def _lock(worker: Worker, name: str) -> None:
    """Take the lock; a server notices only after a moment that the process that had it was killed."""
    for _ in range(LOCK_ATTEMPTS):
        if await worker.run(lambda database: database.lock(f"rebuild-{name}")):
            return
        await asyncio.sleep(LOCK_PAUSE_SECONDS)
    raise RebuildUnderWay(name)


def _nobody(_: RebuildProgress) -> None:
    """Nobody wants to know."""


class _Rebuild:
    """One rebuild in this process.

    Args:
        worker: the database, with the lock of the rebuild.
        applier: of the projection.
        clock: tells the time.
        patience_seconds: how long a database that does not answer is asked again.
    """

    def __init__(self, worker: Worker, applier: Applier, clock: Clock, patience_seconds: float) -> None:
        self._worker = worker
        self._applier = applier
        self._clock = clock
        self._patience = Patience(patience_seconds)
        self._head = 0
        self._applied_count = 0

    async def run(self, progress: Callable[[RebuildProgress], object]) -> RebuildProgress:
        """Build, swap, drop."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        copy = start = await self._ask(self._begin)

        async def tell(*, swapped: bool = False) -> RebuildProgress:
            now, set_aside = copy, await self._ask(partial(_quarantined, copy=copy))
            done = RebuildProgress(
                now.name,
                start.position,
                now.position,
                self._head,
                self._applied_count,
                set_aside,
                loop.time() - began,
                swapped,
            )
            progress(done)
            return done

        await tell()
        while True:
            reached = await self._ask(partial(self._step, copy=copy))
            copy = reached or copy
            if reached is None:
                swap = await self._ask(partial(self._swap, copy=copy))
                if swap is not None:
                    break
            await tell()
        copy = swap
        await self._ask(lambda database: database.write(lambda t: discard(t, copy.name, State.DROPPED)))
        return await tell(swapped=True)

    async def _ask(self, work: Callable[[Database], T]) -> T:
        return await self._patience.ask(lambda: self._worker.run(work))

    def _begin(self, database: Database) -> Copy:
        """Return the copy that a rebuild before this one has left, if it is of use, or a new one."""
        projection = self._applier.projection

        def begin(transaction: Transaction) -> Copy:
            transaction.prepare()
            self._head = head(transaction)
            discard(transaction, projection.name, State.DROPPED)
            left = _building(transaction, projection.name)
            if left is not None and left.version == projection.version and _fits(transaction, left):
                return left
            discard(transaction, projection.name, State.BUILDING)
            return create(transaction, projection, State.BUILDING, self._clock.now())

        return database.write(begin)

    def _step(self, database: Database, copy: Copy) -> Copy | None:
        """Apply the next rows and return the copy after them; None at the end of the log."""
        rows: list[Row] = []
        while len(rows) < ROWS_A_BATCH and sum(len(row[3]) for row in rows) < PAGE_BYTES:
            page = database.page(rows[-1][4] if rows else copy.position)
            rows += page
            if is_last(page):
                break
        if not rows:
            return None
        self._head = max(rows[-1][4], database.read(head))
        moved = self._applier.apply(database, copy, rows)
        if moved is None:
            # A reply was lost and the batch was written after all, or our lock was, and somebody else goes on.
            moved = database.read(lambda transaction: _building(transaction, copy.name))
            if moved is None or moved.generation != copy.generation:
                raise RebuildUnderWay(copy.name)
        else:
            self._applied_count += len(rows)
        return moved

    def _swap(self, database: Database, copy: Copy) -> Copy | None:
        try:
            return database.write(lambda transaction: swapped(transaction, copy, self._applier))
        except LogUnavailable:
            raise
        except (LogError, DefinitionError, MovedError):
            if not database.page(copy.position):
                raise
            return None  # the last events hold one that is refused: it is found and quarantined outside


def _building(transaction: Transaction, name: str) -> Copy | None:
    return next((copy for copy in copies(transaction, name) if copy.state is State.BUILDING), None)


def _fits(transaction: Transaction, copy: Copy) -> bool:
    try:
        verify(transaction, copy)
    except ProjectionAhead:
        return False
    return True


def _quarantined(database: Database, copy: Copy) -> int:
    ((count,),) = database.read(lambda transaction: transaction.fetch("quarantined_count", copy.key))
    return int(count)
