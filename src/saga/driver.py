"""Drives one run: feeds moments to `decide`, makes the events durable, then carries out what they oblige to.

Order is everything here. A moment is decided and folded at once, so the saga function may run ahead of the disk; but a
handler is entered, and a result is told, only when the events that it rests on are durable. All events that come up
while an append is under way go into the next one together.

Everything runs on the event loop's thread, and nothing between a moment and its folding awaits, so no lock is needed.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from ..errors import AppendConflict, CoordinatorClosed, LogUnavailable, ValueTooLarge
from . import deadline
from . import effects as fx
from . import events as e
from . import moments as m
from .asking import Asking, Settling
from .attempts import DoMoment, UndoMoment
from .awaited import Awaited
from .calling import Calling
from .catching_up import refold, written_by_others
from .decisions import decide, may_proceed
from .definition import Saga
from .effects import effect_of
from .events import Event, RunFailing, RunStatus, UnknownWhy
from .failures import describe
from .host import Host
from .letting_go import LetGo, Place, due_at, slots_held
from .log.port import FOR_EVER
from .observed_attempts import attempts_of
from .outbox import Batch, Outbox
from .replay import Replay
from .state import RunState, StepStatus, UndoStatus, evolve
from .under_way import UnderWay

OUTAGE_PAUSE_SECONDS = 1.0

_logger = logging.getLogger("amends.driver")

ENDS = frozenset((e.ActionSucceeded, e.ActionFailed, e.ActionUnknown))
WAITS = frozenset((e.TimerFired, e.SignalReceived, e.SignalAwaited, e.SlotTaken))


class Driver:
    """Drives one run until it ends, is parked, or is no longer ours.

    Args:
        host: what the coordinator's drivers share.
        state: the run as it stands in the log; of version 0 for a new one.
        saga: its function; None where it is only to be unwound.

    Attributes:
        acknowledged: done when the first append is durable; fails with what the append failed with.
        finished: done when the run has ended or is parked, or fails when it is no longer ours.
        due_at: when the run is due that this worker has let go of, because it only waits.
        heard_count: how often it was rung for the run, as far as was heard.
    """

    def __init__(self, host: Host, state: RunState, saga: Saga[Any, Any] | None) -> None:
        self.state = state
        self.acknowledged: Awaited[None] = Awaited()
        self.finished: Awaited[RunState] = Awaited()
        self.due_at: datetime | None = None
        self.heard_count = 0
        self._host, self._loop = host, host.loop
        self._outbox = outbox = Outbox(state)
        self._attempts = attempts_of(state, host, lambda: outbox.durable_version)
        self._wakeup: asyncio.Future[None] | None = None
        self._replay = Replay(state)
        self._settling = Settling(host.loop)
        self._place = Place(host.places)
        self._under_way = UnderWay(state, host, self._attempts, self)
        asking = Asking(self, self._replay, host.registry, self._settling, self._under_way)
        self._calling = Calling(self, saga, asking, self._settling, host)
        self._interrupted_undos = sorted(state.undoing)
        self._stopped = self._is_rung = self._draining = self._wakes_soon = False
        self._drained: Awaited[None] = Awaited()

    @property
    def takes_commands(self) -> bool:
        """Whether what a person says to the run can be said here."""
        return not (self.finished.done() or self._stopped or self._draining or self.state.at_rest)

    # What happens to the run

    def record(self, *events: Event) -> None:
        """Take events that are facts already: the start of the run, a claim.

        Raises:
            ValueTooLarge: one of them exceeds the limit; none is taken.
        """
        records = [self._host.codec.encode(event) for event in events]
        self._outbox.put(events, records)
        for event in events:
            evolve(self.state, event)
            self._notice(event)
        self._append_soon()

    def take(self, moment: m.Moment) -> None:
        """Decide what follows from `moment`, and from where the run then stands.

        Raises:
            ValueTooLarge: an event of it exceeds the limit; nothing has changed.
        """
        if self._stopped or (self._draining and not isinstance(moment, m.RESULTS)):
            return
        events = decide(self.state, moment, self._host.clock.now())
        if events:
            self.record(*events)
            self._outbox.decided(events[-1], moment)
        if events and may_proceed(self.state):
            self._proceed()
        elif not self._draining:
            self._calling.offer_verdict()

    def _proceed(self) -> None:
        """Decide what follows from where the run stands."""
        while not self._draining and may_proceed(self.state) and not self._under_way.holds_back:
            events = decide(self.state, m.PROCEED, self._host.clock.now())
            if not events:
                break
            self.record(*events)
        if not self._draining:
            self._calling.offer_verdict()

    async def durable(self) -> None:
        """Wait until all that has been taken so far is durable.

        Raises:
            AppendConflict: the run is no longer ours, so it never will be.
            CoordinatorClosed: the coordinator was closed first.
        """
        await self._outbox.durable(self.state.version)

    def _notice(self, event: Event) -> None:
        if type(event) is RunFailing:
            self._loop.call_soon(self.take_up, self._replay.take_all())
        elif type(event) in ENDS:
            path = cast("e.ActionSucceeded", event).step
            if path not in self.state.active:
                self._settling.wake(path)
        elif type(event) in WAITS:
            self._settling.wake_all()
            if type(event) is e.SlotTaken:
                self._calling.begin()

    # The loop

    async def drive(self) -> None:
        """Drive the run. Never raises; `acknowledged` and `finished` tell."""
        try:
            self._begin()
            while not self.finished.done():
                await self._due()
                if self._is_rung:
                    self._is_rung = False
                    await self._catch_up()
                    await self._see_slots()
                if self._outbox and not self.finished.done():
                    await self._flush()
                if self.due_at is not None and not self._outbox and not self._is_rung:
                    self._fail(LetGo())
        except (AppendConflict, LogUnavailable) as error:
            self._fail(error)
        except asyncio.CancelledError:
            self._fail(CoordinatorClosed("the coordinator was closed before the run ended; its events are kept"))
            raise
        except BaseException as error:  # A fault of ours. The run is taken up again, a bounded number of times.
            _logger.exception("the driver of run %s failed", self.state.run_id, extra={"run_id": self.state.run_id})
            self._fail(error)
        finally:
            self._place.lend(False)
            self._let_go()

    def recover(self) -> None:
        """Take up a run where its events leave it: what was under way then is unknown now, what waited waits on.

        Called once for a run that was read from the log, before anything else is asked of it. The steps of a run that
        goes forward are taken up one by one, when the saga function asks for them, so that a function that asks for
        something else is found out before any handler is entered.
        """
        for path in self._interrupted_undos:
            step = self.state.steps[path]
            if step.undo is UndoStatus.RUNNING and not self._under_way.goes_on(step):
                self.take(self._attempts.undo_crashed(step))
            elif step.undo_due_at is not None:
                self._carry_out(fx.WaitUntil(step.undo_due_at, m.UndoDue(path)))
        if self.state.failing is not None:
            self._under_way.call_off()
            self.take_up(self._replay.take_all())
        for wait in self.state.waits.open.values():
            if wait.due_at is not None:
                self._carry_out(fx.WaitUntil(wait.due_at, m.TimerDue(wait.path)))

    def take_up(self, paths: Iterable[str]) -> None:
        """Take up steps that were interrupted: an attempt that was under way is unknown now, what waited waits on."""
        for path in paths:
            step = self.state.steps[path]
            if step.status is StepStatus.RUNNING and not self._under_way.goes_on(step):
                self.take(self._attempts.crashed(step))
            elif step.status is StepStatus.WAITING and step.due_at is not None:
                self._carry_out(fx.WaitUntil(step.due_at, m.RetryDue(path)))

    def _begin(self) -> None:
        deadline.watch(self.state, self._under_way, self._host.clock, self.take)
        self._calling.begin()
        if not self._stopped:
            self._proceed()

    def _due(self) -> "asyncio.Future[None]":
        """Return what is done when there is something to append."""
        due: asyncio.Future[None] = self._loop.create_future()
        self._wakeup, self._wakes_soon = due, False
        if self._is_rung:
            self._wake()
        elif self._outbox:
            self._append_soon()
        else:
            self._note_drained()
        return due

    def _append_soon(self) -> None:
        """Let the saga function run ahead if it may ask for more; else wake the loop at once."""
        if self.state.status is not RunStatus.RUNNING:
            self._wake()
        elif self._wakeup is not None and not self._wakes_soon:
            self._wakes_soon = True
            self._calling.run_ahead(self._wake)

    def _wake(self) -> None:
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None and not wakeup.done():
            wakeup.set_result(None)

    async def _flush(self) -> None:
        until = self._lets_go_until()
        batch = self._outbox.next_batch(until)
        try:
            await self._append(batch)
        except AppendConflict:
            if not self.acknowledged.done():
                raise
            await self._catch_up()
            return
        self._outbox.appended(batch)
        self._host.observers.recorded(self.state, batch.events)
        self.acknowledged.settle(None)
        self._follow(batch.events)
        self.due_at = until if batch.lets_go else None
        if batch.asks:
            await self._see_slots()

    def _follow(self, events: Iterable[Event]) -> None:
        """Carry out what events oblige to that are durable now."""
        for event in events:
            if (effect := effect_of(event)) is not None:
                self._carry_out(effect)

    def _lets_go_until(self) -> datetime | None:
        busy = self._draining or self._under_way.has_attempts or self._host.stragglers.has_any(self.state.run_id)
        due = None if busy else due_at(self.state, self._host.clock.now())
        return due if due is not None and self._calling.is_idle else None

    async def _see_slots(self) -> None:
        """Learn whether the run has what it waits for."""
        if self.state.slots.next is not None and not self.finished.done():
            if (held := await slots_held(self._host, self.state)) is not None:
                self.take(held)
            else:
                self.due_at = FOR_EVER
        self._place.lend(self.state.slots.next is not None)

    # What others write to the run

    def look(self) -> None:
        """Look soon at what others have written to the run; a start or a claim under way finds out by itself."""
        if self.acknowledged.done():
            self._is_rung = True
            self._wake()

    async def _catch_up(self) -> None:
        """Fold what others have written to the run, and decide anew what was decided without knowing of it.

        Raises:
            AppendConflict: they have taken the run.
        """
        version = self._outbox.durable_version
        recorded = await written_by_others(self._host, self.state, version)
        if not recorded or self.finished.done():
            return
        theirs = refold(self.state, recorded, version)
        has_told, moments = self._outbox.rebase(self.state, version + len(theirs))
        if has_told and not self._draining:
            self._calling.begin_anew()
        for event in theirs:
            self._notice(event)
        for moment in moments:
            self._take_result(moment)
        self._under_way.reconcile()
        self._settling.wake_all()
        self._proceed()
        self._outbox.wait_for(self.state.version)
        self._follow(theirs)

    async def _append(self, batch: Batch) -> None:
        version = self._outbox.durable_version
        while True:
            try:
                await self._host.log.append(self.state.run_id, version, batch.records, batch.change)
            except LogUnavailable:
                if not self.acknowledged.done() or self.finished.done():
                    raise
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            else:
                return

    # What durable events oblige to

    def _carry_out(self, effect: fx.Effect) -> None:
        match effect:
            case fx.EnterAction(path, attempt):
                self._replay.when_asked(path, lambda: self._under_way.do(path, attempt))
            case fx.EnterUndo(path, attempt):
                self._under_way.undo(path, attempt)
            case fx.WaitUntil(at, moment):
                if isinstance(moment, m.TimerDue):
                    self._replay.when_asked(moment.path, lambda: self._under_way.wait(at, moment))
                else:
                    self._under_way.wait(at, moment)
            case fx.CallOff():
                self._calling.call_off()
                self._under_way.call_off()
            case fx.Rest():
                self._rest()

    def ended(self, moment: DoMoment | UndoMoment) -> None:
        """Take what came of an attempt; what it left running, if anything, is a straggler and no attempt any more."""
        try:
            self._take_result(moment)
        except Exception as error:
            self.broke_off(moment.path, error)
        self._note_drained()

    def _take_result(self, moment: m.Moment) -> None:
        """Take a moment; a result that is too large to be recorded makes its step unknown."""
        try:
            self.take(moment)
        except ValueTooLarge as error:
            if not isinstance(moment, m.AttemptSucceeded):
                raise
            self.take(m.AttemptUnknown(moment.path, moment.attempt, UnknownWhy.UNSTORABLE, describe(error), None))

    def broke_off(self, path: str, error: Exception) -> None:
        """A fault of ours in an attempt. The run is taken up again, a bounded number of times."""
        at = {"run_id": self.state.run_id, "step": path}
        _logger.error("an attempt of run %s could not be recorded", self.state.run_id, exc_info=error, extra=at)
        self._fail(error)
        self._wake()

    # The end

    def _rest(self) -> None:
        """Let whoever waits know, unless a command has meanwhile set the run going again."""
        if not self._outbox:
            self.finished.settle(self.state)

    async def drain(self) -> None:
        """Start nothing more, wait until the attempts under way have ended and are on record, and stop."""
        self._draining = True
        self._calling.call_off()
        self._under_way.withdraw()
        self._outbox.withdraw_starts()
        self._note_drained()
        await self._drained.wait()

    def _note_drained(self) -> None:
        if self._draining and self._wakeup and not (self._outbox or self._under_way.has_attempts):
            self._drained.settle(None)

    def lose(self) -> None:
        """Stop at once: somebody else has the run."""
        self._fail(AppendConflict(self.state.run_id, self._outbox.durable_version))
        self._let_go()  # Now: the loop may be waiting for an append, and an attempt for leave to enter its handler.
        self._wake()

    def _fail(self, error: BaseException) -> None:
        self.acknowledged.fail(error)
        self.finished.fail(error)
        self._outbox.fail(error)

    def _let_go(self) -> None:
        self._stopped = True
        self._drained.settle(None)
        self._calling.leave()
        self._under_way.stop()
