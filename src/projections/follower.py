"""Follows the log live and keeps projections up to date, whatever happens to the database.

One task and one connection for each projection. A task ends only when it is told to: an outage, a table that is gone
or an error that nobody thought of is reported, and tried again after a pause.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from ..clock import Clock, SystemClock
from ..errors import DefinitionError, UnknownName
from ..saga.codec import EventCodec
from ..saga.log.open import open_log
from ..saga.log.pages import Row
from ..saga.log.port import Log
from .applying import Applier
from .copies import Copy, place
from .database import Worker, open_database
from .projection import Projection, checked
from .pursuit import FollowerState, Pursuit

__all__ = ["Follower", "FollowerState"]


class _Application(Pursuit):
    """Keeps one projection up to date."""

    def __init__(self, log: Log, worker: Worker, applier: Applier, clock: Clock) -> None:
        super().__init__(log, worker, applier.projection.name, clock)
        self._applier = applier

    async def _place(self) -> Copy:
        return await self.worker.run(lambda database: place(database, self._applier.projection, self._clock))

    async def _apply(self, copy: Copy, rows: list[Row]) -> Copy | None:
        return await self.worker.run(lambda database: self._applier.apply(database, copy, rows))


class Follower:
    """Keeps projections up to date while it is entered: `async with Follower(url, Audit()): ...`.

    Any number of processes may follow one projection: one of them applies, the others stand by and take over.

    Args:
        url: of the log; not `memory://`.
        projections: what is kept up to date; at least one, each of another name.
        clock: tells when a position moved.

    Raises:
        DefinitionError: a projection is put together wrongly, or two have one name, or a cipher cannot be had.
        InvalidName: the URL is of no allowed form, or names a log in memory.
    """

    def __init__(self, url: str, *projections: Projection, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        codec = EventCodec.from_environment()
        names = [checked(projection).name for projection in projections]
        if not names or len(set(names)) < len(names):
            raise DefinitionError("a follower takes one or more projections, each of another name")
        self._log = open_log(url)
        self._clock = clock
        appliers = [Applier(projection, codec, clock) for projection in projections]
        self._pursuits = {
            applier.projection.name: _Application(self._log, Worker(open_database(url)), applier, clock)
            for applier in appliers
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Make the tables where there are none, and follow from now on.

        Raises:
            LogUnavailable: the database does not answer.
            SchemaMismatch: the log's tables are not the ones that this code knows, or gaps are switched on.
            ProjectionOutdated: tables were made by another version of a projection: rebuild it.
            ProjectionAhead: a projection has events that the log does not have: rebuild it.
        """
        try:
            for pursuit in self._pursuits.values():
                self._closing.push_async_callback(pursuit.worker.close)
            await self._log.open()
            self._closing.push_async_callback(self._log.close)
            for pursuit in self._pursuits.values():
                await pursuit.begin()
        except BaseException:
            await self._closing.aclose()
            raise
        for name, pursuit in self._pursuits.items():
            self._tasks.append(asyncio.create_task(pursuit.go_on(), name=f"amends follower {name}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop following; what is being applied is finished first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._closing.aclose()

    @property
    def states(self) -> Sequence[FollowerState]:
        """How each projection is followed in this process; `projection_statuses` tells how far it is anywhere."""
        return [pursuit.state for pursuit in self._pursuits.values()]

    async def caught_up(self, name: str | None = None) -> None:
        """Return when what is in the log now has been applied, by this process or another one.

        It waits for as long as it takes; give it a time limit of your own (`asyncio.timeout`).

        Args:
            name: of one projection; all of them, if left out.

        Raises:
            UnknownName: there is no projection of that name here.
            LogUnavailable: the database did not answer for 10 s.
        """
        if name is not None and name not in self._pursuits:
            raise UnknownName("projection", name, list(self._pursuits))
        for pursuit in self._pursuits.values() if name is None else [self._pursuits[name]]:
            await pursuit.caught_up()
