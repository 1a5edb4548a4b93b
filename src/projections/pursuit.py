"""Follows the log for one reader: takes page after page, stands by, and never gives up.

What is done with a page is said by who derives from it: a projection applies it, hooks are told of what is in it.
"""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self, cast

from ..clock import Clock
from ..errors import LogUnavailable
from ..saga.failures import describe
from ..saga.log.following import Notification
from ..saga.log.pages import Row
from ..saga.log.patience import Patience
from ..saga.log.port import Log
from .copies import Copy, head, live_copy
from .database import Transaction, Worker

__all__ = ["FollowerState", "Pursuit", "Role"]

LOOK_SECONDS = 1.0
"""How often a follower that has nothing to do holds its copy to the log, and one that stands by looks."""

TAKEOVER_SECONDS = 3.0
"""How long a position may stand still behind the log before one who stands by tries to move it."""

PATIENCE_SECONDS = 10.0
"""How long somebody who waits for a projection goes on asking a database that does not answer."""

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0

_logger = logging.getLogger("amends.projections")


class Role(StrEnum):
    """What a follower is doing."""

    FOLLOWING = "following"
    STANDING_BY = "standing_by"
    """Another process applies the events."""
    FAILING = "failing"
    """Something is wrong; it tries again and again."""


@dataclass(frozen=True)
class FollowerState:
    """How a projection is followed in this process.

    Attributes:
        name: the projection's.
        role: what the follower is doing.
        position: how far it knows the projection to be.
        applied_count: events that it has applied itself, quarantined ones included.
        error: what is wrong, redacted and cut; None when nothing is.
        failing_since: since when (aware UTC), or None.
    """

    name: str
    role: Role = Role.FOLLOWING
    position: int = 0
    applied_count: int = 0
    error: str | None = None
    failing_since: datetime | None = None


class Pursuit(ABC):
    """Follows the log, and keeps its place in it.

    Args:
        log: where the events come from; open.
        worker: the database, in its thread.
        name: under which the place is kept.
        clock: tells the time.
    """

    def __init__(self, log: Log, worker: Worker, name: str, clock: Clock) -> None:
        self.worker = worker
        self.state = FollowerState(name)
        self._log = log
        self._clock = clock
        self._failure_count = 0

    @abstractmethod
    async def _place(self) -> Copy:
        """Return the live copy, which is made if there is none.

        Raises:
            LogUnavailable: no answer.
            ProjectionOutdated: it was made by another version of the projection.
            ProjectionAhead: it has events that the log does not have.
        """

    @abstractmethod
    async def _apply(self, copy: Copy, rows: list[Row]) -> Copy | None:
        """Do what is to be done with a page, and return the copy after it; None if somebody else has moved it."""

    async def begin(self) -> None:
        """Make what is missing; raises what `_place` raises."""
        await self._place()

    async def go_on(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow()
            except LogUnavailable as error:
                self._failed(error)
            except Exception as error:  # Never dies silently: it is reported, and tried again.
                self._failed(error)
                _logger.warning("%s does not get on: %s", self.state.name, self.state.error)
            if self._failure_count:
                longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failure_count, 10))
                await asyncio.sleep(random.uniform(longest / 2, longest))

    async def caught_up(self) -> None:
        """Return when what is in the log now has been applied."""
        patience = Patience(PATIENCE_SECONDS)
        target = await patience.ask(lambda: self.worker.run(lambda database: database.read(head)))
        while True:
            copy = await patience.ask(self._live)
            if copy is not None and copy.position >= target:
                return
            await asyncio.sleep(0.01)

    async def _follow(self) -> None:
        """Apply page after page; return when somebody else has moved or swapped the copy."""
        copy = await self._place()
        self._note(copy)
        pages = cast("AsyncGenerator[list[Notification]]", self._log.follow(copy.position))
        async with aclosing(pages), _Turns(pages) as turns:
            while True:
                page = await turns.take(LOOK_SECONDS)
                if page is None:
                    if not await self._is_as_it_was(copy):
                        return
                    continue
                moved = await self._apply(copy, [_row(each) for each in page])
                if moved is None:
                    await self._stand_by(copy)
                    return
                copy = moved
                self._note(copy, len(page))

    async def _is_as_it_was(self, copy: Copy) -> bool:
        """Look, while there is nothing to do, whether the copy is still ours to move, and fits the log."""
        now = await self._place()
        self._note(now)
        return (now.generation, now.position) == (copy.generation, copy.position)

    async def _stand_by(self, copy: Copy) -> None:
        """Return when the copy was swapped, or when nobody has moved it for a while although there is more to apply."""
        loop = asyncio.get_running_loop()
        seen, since = copy.position, loop.time()
        while True:
            now, last = await self.worker.run(lambda database: database.read(self._standing))
            if now is None or now.generation != copy.generation:
                return
            self.state = replace(self.state, role=Role.STANDING_BY, position=now.position)
            if now.position != seen or last <= now.position:
                seen, since = now.position, loop.time()
            elif loop.time() - since >= TAKEOVER_SECONDS:
                return
            await asyncio.sleep(LOOK_SECONDS / 2)

    def _standing(self, transaction: Transaction) -> tuple[Copy | None, int]:
        return live_copy(transaction, self.state.name), head(transaction)

    async def _live(self) -> Copy | None:
        return await self.worker.run(lambda database: database.read(lambda t: live_copy(t, self.state.name)))

    def _note(self, copy: Copy, count: int = 0) -> None:
        self._failure_count = 0
        self.state = FollowerState(
            self.state.name, position=copy.position, applied_count=self.state.applied_count + count
        )

    def _failed(self, error: Exception) -> None:
        self._failure_count += 1
        self.state = replace(
            self.state,
            role=Role.FAILING,
            error=describe(error).said,
            failing_since=self.state.failing_since or self._clock.now(),
        )


class _Turns:
    """Takes one page after the other from a generator, without cancelling it when one does not come in time."""

    def __init__(self, pages: AsyncGenerator[list[Notification]]) -> None:
        self._pages = pages
        self._next: asyncio.Task[list[Notification]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
            if not self._next.cancelled():
                self._next.exception()

    async def take(self, seconds: float) -> list[Notification] | None:
        """Return the next page, or None if none comes in time.

        Raises:
            LogUnavailable: the log was closed.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._step())
        done, _ = await asyncio.wait([self._next], timeout=seconds)
        if not done:
            return None
        page, self._next = self._next.result(), None
        return page

    async def _step(self) -> list[Notification]:
        try:
            return await anext(self._pages)
        except StopAsyncIteration:
            raise LogUnavailable("the log was closed") from None


def _row(notification: Notification) -> Row:
    run_id = cast("str", notification.originator_id)
    return run_id, notification.originator_version, notification.topic, notification.state, notification.id
