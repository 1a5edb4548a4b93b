"""Delivers notices to hooks: one after the other in the order of the log, each at least once.

The process that delivers has a lock, which ends with it; the others stand by. A position is moved only after the hook
has returned, from where the delivery began: whoever has lost the lock without noticing repeats one notice at most, and
finds then that somebody else has moved the position. So a crash, or a lost reply, repeats; nothing loses.
"""

import asyncio
from dataclasses import replace
from itertools import count

from ..clock import Clock
from ..errors import LogCorrupt
from ..saga.codec import EventCodec
from ..saga.failures import describe
from ..saga.log.pages import Row
from ..saga.log.port import Log, Record
from .copies import Copy, MovedError, move, set_aside
from .database import Transaction, Worker
from .digest import Failure, failure
from .hook_rows import Since, asked_again, placed, redelivered
from .notices import FACT_TOPICS, QUIET_TOPICS, RunNotice, notice_of, passes_over
from .projection import Cell, RecordedEvent
from .pursuit import LOOK_SECONDS, FollowerState, Pursuit, Role
from .telling import Teller

__all__ = ["Delivery"]


class Delivery(Pursuit):
    """Follows the log for the hooks of one name.

    Args:
        log: where the events come from; open.
        worker: the database, in its thread.
        name: of the hooks.
        clock: tells the time.
        codec: decodes events.
        teller: enters the hooks.
        since: where to begin.
    """

    def __init__(
        self, log: Log, worker: Worker, name: str, clock: Clock, *, codec: EventCodec, teller: Teller, since: Since
    ) -> None:
        super().__init__(log, worker, name, clock)
        self.state = FollowerState(name, Role.STANDING_BY)  # until the lock is ours
        self._codec = codec
        self._teller = teller
        self._since = since

    # Whose turn it is

    async def _follow(self) -> None:
        """Deliver for as long as the lock is ours; stand by while it is not."""
        name = f"hooks-{self.state.name}"
        if not await self.worker.run(lambda database: database.lock(name)):
            await self._stand_by(await self._place())
            return
        try:
            await super()._follow()
        finally:
            await self.worker.run(lambda database: database.unlock())

    async def _stand_by(self, copy: Copy) -> None:
        """Wait a moment: the lock is not ours, or was lost without our noticing."""
        self._failure_count = 0
        applied = self.state.applied_count
        self.state = FollowerState(self.state.name, Role.STANDING_BY, copy.position, applied)
        await asyncio.sleep(LOOK_SECONDS)

    async def _place(self) -> Copy:
        name, since, clock = self.state.name, self._since, self._clock
        return await self.worker.run(lambda database: placed(database, name, since, clock))

    async def _is_as_it_was(self, copy: Copy) -> bool:
        try:
            await self._redeliver(copy)
        except MovedError:
            return False
        return await self._has_lock() and await super()._is_as_it_was(copy)

    async def _has_lock(self) -> bool:
        return await self.worker.run(lambda database: database.has_lock())

    # A page

    async def _apply(self, copy: Copy, rows: list[Row]) -> Copy | None:
        """Tell of what is in a page; move the position behind each event that was told of, and to the page's end."""
        try:
            for row in rows:
                if row[2] not in QUIET_TOPICS:
                    copy = await self._deliver(copy, row)
            if copy.position < rows[-1][4]:
                copy = await self._move(copy, rows[-1], None)
            await self._redeliver(copy)
        except MovedError:
            return None
        return copy

    async def _deliver(self, copy: Copy, row: Row) -> Copy:
        """Deliver the notice of one event, and return the copy behind it; the same copy if nobody is to be told.

        Raises:
            MovedError: somebody else has delivered it too, or may do so.
        """
        failed: Failure | None = None
        try:
            notice = await self._notice(row)
        except (LogCorrupt, ValueError) as unreadable:  # Nobody can be told what cannot be read: the others go on.
            failed = failure(row, unreadable)
        else:
            if notice is None:
                return copy
            failed = await self._told(notice, row)
        copy = await self._move(copy, row, failed)
        self._note(copy)
        self._leave()
        return copy

    async def _move(self, copy: Copy, row: Row, failed: Failure | None) -> Copy:
        def within(transaction: Transaction) -> Copy:
            now = self._clock.now()
            moved = move(transaction, copy, row, now)
            if failed is not None:
                set_aside(transaction, copy, failed, now)
            return moved

        return await self.worker.run(lambda database: database.write(within))

    async def _redeliver(self, copy: Copy) -> None:
        """Deliver the notices in quarantine that somebody has asked for, in their order."""
        row = await self._asked_again(copy, 0)
        while row is not None:
            try:
                notice = await self._notice(row)
                failed = None if notice is None else await self._told(notice, row)
            except (LogCorrupt, ValueError) as unreadable:
                failed = failure(row, unreadable)
            await self._redelivered(copy, row, failed)
            self._note(copy)
            self._leave()
            row = await self._asked_again(copy, row[4])

    async def _asked_again(self, copy: Copy, after: int) -> Row | None:
        return await self.worker.run(lambda database: database.read(lambda t: asked_again(t, copy, after)))

    async def _redelivered(self, copy: Copy, row: Row, failed: Failure | None) -> None:
        def within(transaction: Transaction) -> None:
            redelivered(transaction, copy, row[4], failed, self._clock.now())

        await self.worker.run(lambda database: database.write(within))

    # A notice

    async def _notice(self, row: Row) -> RunNotice | None:
        """Return what is to be told of an event, or None if nobody is to be told.

        Raises:
            LogUnavailable: no answer.
            LogCorrupt: an event cannot be read.
            ValueError: the run has no start.
        """
        run_id, version, topic, state, position = row
        event = self._codec.decode(Record(topic, state))
        started, failing = FACT_TOPICS
        wanted: dict[str, Cell] = {"run_id": run_id, "version": version, "started": started, "failing": failing}

        def facts(transaction: Transaction) -> list[tuple[str, bytes]]:
            return transaction.fetch("run_facts", wanted)

        found = await self.worker.run(lambda database: database.read(facts))
        known = [self._codec.decode(Record(of_topic, bytes(said))) for of_topic, said in found]
        notice = notice_of(self.state.name, RecordedEvent(position, run_id, version, event), known)
        if notice is None or not self._teller.is_told(notice) or passes_over(self.state.name, notice):
            return None
        return notice

    async def _told(self, notice: RunNotice, row: Row) -> Failure | None:
        """Tell the hook of a notice until it returns; return what it raised last if its attempts are used up.

        Raises:
            MovedError: the lock is not ours any more, so somebody else may tell.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for attempt in count(1):
            if not await self._has_lock():
                raise MovedError
            error = await self._teller.enter(notice)
            if error is None:
                return None
            pause = self._teller.pause_after(attempt, error, loop.time() - begun)
            if pause is None:
                return failure(row, error)
            self._leave()
            said = f"attempt {attempt} to tell of {notice.run_id} failed: {describe(error).said}"
            since = self.state.failing_since or self._clock.now()
            self.state = replace(self.state, role=Role.FAILING, error=said, failing_since=since)
            await asyncio.sleep(pause)
        raise AssertionError("there is always a next attempt")

    def _leave(self) -> None:
        """End, now that it is written down how the hook ended that was under way when we were told to end."""
        if self._teller.is_leaving:
            raise asyncio.CancelledError
