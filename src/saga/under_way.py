"""What is under way for one run: attempts that were entered, and timers that were set.

Both begin because a durable event obliges to it, and end in a moment for the driver.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from ..errors import CoordinatorClosed
from .admission import Admission, NotAdmitted
from .attempts import Attempts, DoMoment, Tell, UndoMoment
from .children import Children
from .host import Host
from .moments import RetryDue, TimerDue, UndoDue
from .state import RunState, Step, UndoStatus
from .transacting import Settled

T = TypeVar("T")

LONGEST_SECONDS = 3_600.0
"""How long a timer sleeps before it looks at the clock again, which may have been set."""

Entry = Callable[[Step, int, Tell], Coroutine[Any, Any, DoMoment | UndoMoment | Settled | None]]


class Told(Protocol):
    """Whoever is told what came of it."""

    def ended(self, moment: DoMoment | UndoMoment) -> None:
        """An attempt has ended, or has become a straggler."""
        ...

    def look(self) -> None:
        """What came of an attempt is in the log already."""
        ...

    def take(self, moment: RetryDue | UndoDue | TimerDue) -> None:
        """A time has come."""
        ...

    def broke_off(self, path: str, error: Exception) -> None:
        """A fault of ours in an attempt."""
        ...


class UnderWay:
    """The attempts, child runs and timers of one run.

    Args:
        state: the run.
        host: what the coordinator's drivers share.
        attempts: enters handlers.
        told: is told what came of them.
    """

    def __init__(self, state: RunState, host: Host, attempts: Attempts, told: Told) -> None:
        self._state = state
        self._loop = host.loop
        self._clock = host.clock
        self._attempts = attempts
        self._host = host
        self._children: Children | None = None
        self._is_called_off = False
        self._told: Told | None = told
        self._entered: dict[str, asyncio.Task[None]] = {}
        """The attempts under way, by step; without those that became stragglers."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.admission: Admission | None = None
        """Where attempts of limited actions wait; most workers have none such, and need nothing made for them."""
        if host.limits is not None:
            self.admission = Admission(state, host.limits, host.stragglers, host.may_enter, told.broke_off)
            attempts.admission = self.admission

    @property
    def has_attempts(self) -> bool:
        """Whether any attempt is under way, or waits to be."""
        return bool(self._entered) or (self.admission is not None and self.admission.has_starts)

    @property
    def holds_back(self) -> bool:
        """Whether a step was asked for of which nothing is on record, because it waits for its permit."""
        return self.admission is not None and self.admission.goes_forward and self.admission.has_new

    @property
    def children(self) -> Children:
        """The runs that are steps of this one; most have none, and need nothing made for them."""
        if self._children is None:
            self._children = Children(self._state, self._host)
            if self._is_called_off:
                self._children.call_off()
        return self._children

    def call_off(self) -> None:
        """Cancel the runs that are steps of this one, which does nothing new any more."""
        self._is_called_off = True
        if self.admission is not None:
            self.admission.drop_all()
        if self._children is not None:
            self._children.call_off()

    def withdraw(self) -> None:
        """Begin nothing more that waits to be begun."""
        if self.admission is not None:
            self.admission.withdraw()

    def reconcile(self) -> None:
        """Give back what attempts had that are not made after all."""
        if self.admission is not None:
            self.admission.reconcile()

    def do(self, path: str, attempt: int) -> None:
        """Enter the handler of a step, or begin the run that it is."""
        self._enter(self._do, path, attempt)

    def undo(self, path: str, attempt: int) -> None:
        """Enter the undo of a step, or have the run undone that it is."""
        self._enter(self._undo, path, attempt)

    def goes_on(self, step: Step) -> bool:
        """Go on with a step that was under way, if it is a run of its own: whoever hosted it, that cannot crash."""
        if step.child is None:
            return False
        if step.undo is UndoStatus.RUNNING:
            self.undo(step.path, step.undo_attempts)
        else:
            self.do(step.path, step.attempts)
        return True

    async def _do(self, step: Step, attempt: int, tell: Tell) -> DoMoment | Settled | None:
        if step.child is None:
            return await self._attempts.do(step, attempt, tell)
        return await self.children.do(step, attempt)

    async def _undo(self, step: Step, attempt: int, tell: Tell) -> UndoMoment | Settled | None:
        if step.child is None:
            return await self._attempts.undo(step, attempt, tell)
        return await self.children.undo(step, attempt)

    def wait(self, at: datetime, moment: RetryDue | UndoDue | TimerDue) -> None:
        """Tell `moment` at this time."""
        if self._told is not None:
            action = self._state.steps[moment.path].action if isinstance(moment, RetryDue) else ""
            is_held = self.admission is not None and self.admission.limits(action)
            self.call(at, moment.path, self._begin if is_held else self._told.take, moment)

    def _begin(self, moment: RetryDue | UndoDue | TimerDue) -> None:
        """Tell of a further attempt when there is a permit for it."""
        if self._told is not None and self.admission is not None:
            decide, action = partial(self._told.take, moment), self._state.steps[moment.path].action
            self.admission.start(moment.path, action, decide, lambda: None, is_new=False)

    def call(self, at: datetime, key: str, call: Callable[[T], None], argument: T) -> None:
        """Call something at this time, unless `stop` comes first. Each key has one timer.

        The loop's clock and the wall's may drift apart, or the wall's be set: it is never called early by the wall's.
        """

        def look() -> None:
            if self._clock.now() < at:
                self.call(at, key, call, argument)
            else:
                call(argument)

        delay = (at - self._clock.now()) / timedelta(seconds=1)
        self._timers[key] = self._loop.call_later(min(max(0.0, delay), LONGEST_SECONDS), look)

    def stop(self) -> None:
        """Cancel what is under way: the run is not ours any more, or has ended."""
        self._told = None  # Without this circle, the driver goes when it has ended, not when garbage is collected.
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._entered.values():
            task.cancel()
        self.withdraw()

    def _enter(self, entry: Entry, path: str, attempt: int) -> None:
        self._entered[path] = self._loop.create_task(self._attempt(entry, path, attempt))

    async def _attempt(self, entry: Entry, path: str, attempt: int) -> None:
        try:
            moment = await entry(self._state.steps[path], attempt, self._ended)
        except (NotAdmitted, CoordinatorClosed):  # Closing ends the wait for a child; whoever is next waits for it.
            self._entered.pop(path, None)
            if self._told is not None:
                self._told.look()
        except Exception as error:
            if self._told is not None:
                self._told.broke_off(path, error)
        else:
            if moment is not None:
                self._ended(moment)
        finally:
            if self.admission is not None:
                self.admission.left(path, asyncio.current_task())

    def _ended(self, moment: DoMoment | UndoMoment | Settled) -> None:
        task = self._entered.pop(moment.path, None)
        if self.admission is not None and task is not None and task is not asyncio.current_task():
            self.admission.late(task)
        if self._told is None:
            return
        if isinstance(moment, Settled):
            self._told.look()
        else:
            self._told.ended(moment)
