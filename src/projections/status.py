"""How far projections and hooks are, for whoever asks: in this process or in another one, followed or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from ..clock import Clock, SystemClock
from ..errors import LogCorrupt, ProjectionAhead, UnknownName
from ..saga.codec import EventCodec
from ..saga.log.port import Record
from .copies import Copy, State, copies, exists, head, live_copy, verify
from .cursors import checked_limit, checked_position
from .database import Transaction, Worker, open_database
from .hook_rows import Since, go_on_from
from .projection import Cell

__all__ = ["ProjectionStatus", "Projections", "Quarantined"]


@dataclass(frozen=True)
class ProjectionStatus:
    """How far a projection is.

    Attributes:
        name: its name.
        version: of the projection that made its tables.
        generation: rises with each rebuild.
        position: all events up to this one are applied.
        head: the last position of the log.
        lag_positions: how many positions it is behind; positions may have gaps, so the events may be fewer.
        lag_seconds: how old the first event is that is not applied; 0.0 if there is none.
        moved_at: when the position last moved (aware UTC).
        is_stalled: it is behind, and has not moved for the time that was asked for.
        is_ahead: it has events that the log does not have; rebuild it.
        quarantined_count: events that it could not apply.
        building_position: how far a rebuild is that is under way, or was killed; None if there is none.
        is_hook: it is no projection, but hooks of that name.
    """

    name: str
    version: int
    generation: int
    position: int
    head: int
    lag_positions: int
    lag_seconds: float
    moved_at: datetime
    is_stalled: bool
    is_ahead: bool
    quarantined_count: int
    building_position: int | None
    is_hook: bool = False


@dataclass(frozen=True)
class Quarantined:
    """An event that a projection could not apply, or of which a hook could not be told.

    It stays so until the projection is rebuilt with code that can, or the hook is told again (`deliver_again`).

    Attributes:
        projection: its name.
        position: of the event in the log.
        run_id: its run.
        version: its number in the run.
        topic: as it lies in the log, cut to 200 characters.
        error_type: what was raised.
        error: its text, redacted and cut to 500 characters.
        try_count: how often it was tried; a rebuild tries it once more. For hooks: how often its attempts were used up.
        failed_at: when it was last tried (aware UTC).
    """

    projection: str
    position: int
    run_id: str
    version: int
    topic: str
    error_type: str
    error: str
    try_count: int
    failed_at: datetime


class Projections:
    """Tells of the projections of a log while it is entered: `async with Projections(url) as projections: ...`.

    Args:
        url: of the log; not `memory://`.
        clock: tells how late it is.

    Raises:
        InvalidName: the URL is of no allowed form, or names a log in memory.
        DefinitionError: a cipher cannot be had.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._worker = Worker(open_database(url))
        self._codec = EventCodec.from_environment()
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> Self:
        """Begin; the connection is made when it is first needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connection."""
        await self._worker.close()

    async def statuses(self, *, stalled_after_seconds: float = 30.0) -> Sequence[ProjectionStatus]:
        """Return how far each projection is, by name.

        Args:
            stalled_after_seconds: how long one that is behind may stand still.

        Raises:
            LogUnavailable: the database does not answer.
            SchemaMismatch: there is no log.
        """

        def look(transaction: Transaction) -> list[ProjectionStatus]:
            if not exists(transaction):
                return []
            names = [name for (name,) in transaction.fetch("projection_names")]
            found = [self._status(transaction, name, stalled_after_seconds) for name in names]
            return [status for status in found if status is not None]

        return await self._worker.run(lambda database: database.read(look))

    async def status(self, name: str, *, stalled_after_seconds: float = 30.0) -> ProjectionStatus:
        """Return how far one projection is.

        Raises:
            UnknownName: nothing was ever projected under that name.
            LogUnavailable: the database does not answer.
            SchemaMismatch: there is no log.
        """

        def look(transaction: Transaction) -> ProjectionStatus | None:
            return self._status(transaction, name, stalled_after_seconds)

        found = await self._worker.run(lambda database: database.read(look))
        if found is None:
            raise UnknownName("projection", name)
        return found

    async def quarantined(self, name: str, *, after_position: int = 0, limit: int = 100) -> Sequence[Quarantined]:
        """Return a page of the events that a projection could not apply, in the order of the log.

        Args:
            name: the projection's.
            after_position: of the last one of the page before.
            limit: at most so many, 1 to 1,000.

        Raises:
            InvalidValue: the limit or the position cannot be.
            LogUnavailable: the database does not answer.
        """
        wanted: dict[str, Cell] = {
            "name": name,
            "after": checked_position(after_position),
            "limit": checked_limit(limit),
        }

        def look(transaction: Transaction) -> list[dict[str, Any]]:
            return transaction.records("quarantined", wanted) if exists(transaction) else []

        rows = await self._worker.run(lambda database: database.read(look))
        return [Quarantined(projection=name, **row) for row in rows]

    async def deliver_again(self, name: str, *, position: int | None = None) -> int:
        """Ask for notices in quarantine to be delivered again, by whichever process delivers for the hooks.

        Args:
            name: of the hooks.
            position: of one notice; all of them if left out.

        Returns:
            How many were asked for that were not asked for already.

        Raises:
            UnknownName: there are no hooks of that name.
            InvalidValue: the position cannot be.
            LogUnavailable: the database does not answer.
        """
        wanted = None if position is None else checked_position(position)

        def ask(transaction: Transaction) -> int:
            _hooks(transaction, name)
            return transaction.execute("ask_again", {"name": name, "position": wanted, "now": self._clock.now()})

        return await self._worker.run(lambda database: database.write(ask))

    async def go_on_from(self, name: str, where: Since | int) -> int:
        """Let hooks go on from another place in the log: after it was restored, or to tell of the past once more.

        Args:
            name: of the hooks.
            where: they are told of what is behind this position, or from now on, or of everything.

        Returns:
            The position.

        Raises:
            UnknownName: there are no hooks of that name.
            InvalidValue: the log has no event at that position.
            LogUnavailable: the database does not answer.
        """
        where = where if isinstance(where, Since) else checked_position(where)

        def go(transaction: Transaction) -> int:
            return go_on_from(transaction, _hooks(transaction, name), where, self._clock.now())

        return await self._worker.run(lambda database: database.write(go))

    def _status(self, transaction: Transaction, name: str, stalled_after_seconds: float) -> ProjectionStatus | None:
        found = {copy.state: copy for copy in copies(transaction, name)}
        live, building = found.get(State.LIVE), found.get(State.BUILDING)
        if live is None:
            return None
        last, now = head(transaction), self._clock.now()
        lag_seconds = self._lag_seconds(transaction, live, now)
        still_seconds = (now - live.moved_at).total_seconds()
        ((quarantined_count,),) = transaction.fetch("quarantined_count", live.key)
        return ProjectionStatus(
            name=name,
            version=live.version,
            generation=live.generation,
            position=live.position,
            head=last,
            lag_positions=max(0, last - live.position),
            lag_seconds=lag_seconds,
            moved_at=live.moved_at,
            is_stalled=last > live.position and min(lag_seconds, still_seconds) >= stalled_after_seconds,
            is_ahead=_is_ahead(transaction, live),
            quarantined_count=quarantined_count,
            building_position=building and building.position,
            is_hook=live.is_of_hooks,
        )

    def _lag_seconds(self, transaction: Transaction, copy: Copy, now: datetime) -> float:
        """Return the age of the first event that is not applied, by the clock of whoever wrote it."""
        rows = transaction.fetch("next_event", {"position": copy.position})
        if not rows:
            return 0.0
        ((topic, state),) = rows
        try:
            since = self._codec.decode(Record(topic, state)).occurred_at
        except LogCorrupt:
            since = copy.moved_at
        return max(0.0, (now - since).total_seconds())


def _hooks(transaction: Transaction, name: str) -> Copy:
    found = live_copy(transaction, name)
    if found is None or not found.is_of_hooks:
        raise UnknownName("hooks", name)
    return found


def _is_ahead(transaction: Transaction, copy: Copy) -> bool:
    try:
        verify(transaction, copy)
    except ProjectionAhead:
        return True
    return False
