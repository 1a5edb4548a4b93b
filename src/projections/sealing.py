"""Seals the log: keeps, page by page, what is needed to find out later that somebody has changed it.

It costs the write path nothing: whoever seals reads what has been committed, as a follower does. Between an event and
its seal there is a gap, in which a change is not found out; who seals every second leaves a second.

What may be forged is everything in one database. A head that was kept elsewhere cannot be.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Self

from ..clock import Clock, SystemClock
from ..saga.log.pages import Row
from .chain import Head, Link, Seal, link_run, seal_page
from .copies import head
from .database import Database, Transaction, Worker, open_database
from .projection import Table
from .statements import statement

__all__ = ["SealProgress", "Sealer", "last_head", "link_of"]

_LINKS = Table("amends_run_links", ("run_id",))


class SealProgress(NamedTuple):
    """How far the log is sealed.

    Attributes:
        position: all events up to this one are sealed.
        chain: how the log's chain stands there: 64 hexadecimal digits. Keep them elsewhere, with the position.
        end: the last position of the log, as it was seen when this began.
        sealed_count: events that this call has sealed.
    """

    position: int
    chain: str
    end: int
    sealed_count: int


class Sealer:
    """Seals what is in a log while it is entered: `async with Sealer(url) as sealer: await sealer.seal()`.

    Any number of processes may do this at once: a page is sealed by one of them.

    Args:
        url: of the log; not `memory://`.
        clock: tells when a page was sealed.

    Raises:
        InvalidName: the URL is of no allowed form, or names a log in memory.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._worker = Worker(open_database(url))
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> Self:
        """Begin; the connection is made when it is first needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connection; a page that is being sealed is finished first."""
        await self._worker.close()

    async def seal(self, progress: Callable[[SealProgress], object] | None = None) -> SealProgress:
        """Seal what is in the log now, and return how the log's chain stands then.

        Args:
            progress: called after each page, in the caller's event loop; what it raises ends this, and nothing is lost.

        Raises:
            LogUnavailable: the database does not answer; ask again.
            SchemaMismatch: there is no log.
        """
        count, run = 0, self._worker.run
        end = await run(lambda database: database.read(head))
        standing = await run(lambda database: database.read(last_head))
        while standing.position < end:
            sealed = await run(lambda database: _seal_next(database, self._clock))
            if sealed is None:
                break
            standing, count = sealed.head, count + sealed.event_count
            if progress is not None:
                progress(SealProgress(standing.position, standing.chain.hex(), end, count))
        return SealProgress(standing.position, standing.chain.hex(), end, count)


def last_head(transaction: Transaction) -> Head:
    """Return how the log's chain stands behind its last seal."""
    ((exist,),) = transaction.fetch("seals_exist")
    rows = transaction.fetch("last_seal") if exist else []
    return Head(rows[0][0], bytes(rows[0][1])) if rows else Head()


def link_of(transaction: Transaction, run_id: str) -> Link | None:
    """Return how a run's chain was sealed; None if no event of it was."""
    ((exist,),) = transaction.fetch("seals_exist")
    rows = transaction.fetch("run_link", {"run_id": run_id}) if exist else []
    return Link(rows[0][0], bytes(rows[0][1])) if rows else None


def _seal_next(database: Database, clock: Clock) -> Seal | None:
    """Seal the next page; None if there is none. Begins anew where another process was faster."""
    while True:
        before = database.read(last_head)
        rows = database.page(before.position)
        if not rows:
            return None
        sealed = seal_page(before, rows)
        stored = database.write(_storing(before, sealed, rows, clock))
        if stored:
            return sealed


def _storing(before: Head, sealed: Seal, rows: Sequence[Row], clock: Clock) -> Callable[[Transaction], bool]:
    of_runs = {run_id: list(of) for run_id, of in groupby(sorted(rows, key=itemgetter(0, 1)), key=itemgetter(0))}

    def store(transaction: Transaction) -> bool:
        ((exist,),) = transaction.fetch("seals_exist")
        if not exist:
            transaction.run([statement("seals_schema", transaction.kind)])
        transaction.fetch("seals_lock")
        if last_head(transaction) != before:
            return False
        known = {run_id: Link(version, bytes(chain)) for run_id, version, chain in _links(transaction, of_runs)}
        linked = [(run_id, *link_run(known.get(run_id, Link()), of)) for run_id, of in of_runs.items()]
        transaction.upsert(_LINKS, _LINKS.name, ("run_id", "version", "chain"), linked)
        transaction.execute(
            "add_seal",
            {
                "position": sealed.head.position,
                "chain": sealed.head.chain,
                "marks": sealed.marks,
                "sealed_at": clock.now(),
            },
        )
        return True

    return store


def _links(transaction: Transaction, run_ids: Iterable[str]) -> list[Any]:
    return transaction.fetch("run_links", {"run_ids": json.dumps(list(run_ids))})
