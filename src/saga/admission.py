"""When attempts of limited actions may begin, for one run: decision record 034.

An attempt of a step waits for its permit before its start is decided upon, so that a worker that dies while thousands
wait leaves none of them unknown. An undo, or an attempt whose permit was of no use any more when it came to its
handler, waits there, before those whose start is not on record. Whoever has a permit gives it back when the attempt has
ended, with all that it has left running; but a handler that never ends does not keep it for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from .events import RunStatus
from .limits import Limits
from .pool import Permit, Waiter
from .state import RunState, Step, StepStatus
from .stragglers import Stragglers

__all__ = ["Admission", "NotAdmitted"]


class NotAdmitted(Exception):
    """An attempt was not entered, because this worker enters nothing more."""


class _Start(NamedTuple):
    """The start of an attempt, which is held back."""

    action: str
    waiter: Waiter
    is_new: bool
    dropped: Callable[[], None]


class Admission:
    """Holds back attempts of one run until there are permits for them.

    Args:
        state: the run.
        limits: where permits come from.
        stragglers: those of this worker.
        may_enter: returns when this worker's lease holds.
        broke_off: told of a fault of ours in a start that was held back.
    """

    def __init__(
        self,
        state: RunState,
        limits: Limits,
        stragglers: Stragglers,
        may_enter: Callable[[], Awaitable[None]],
        broke_off: Callable[[str, Exception], None],
    ) -> None:
        self._state = state
        self._limits = limits
        self._stragglers = stragglers
        self._may_enter = may_enter
        self._broke_off = broke_off
        self._starts: dict[str, _Start] = {}
        self._held: dict[str, Permit] = {}
        """Permits of attempts that are not entered yet, by step."""
        self._entered: dict[asyncio.Task[Any] | None, tuple[Permit, float]] = {}
        self._at_the_door: set[asyncio.Future[Permit]] = set()
        self._at_large: set[Permit] = set()
        """Permits of attempts that have ended and left something running."""
        self._is_over = False

    def limits(self, action: str) -> bool:
        """Whether attempts of an action wait for permits."""
        return self._limits.has(action)

    @property
    def has_starts(self) -> bool:
        """Whether any attempt waits before its start is decided upon."""
        return bool(self._starts)

    @property
    def has_new(self) -> bool:
        """Whether any step waits of which nothing is on record."""
        return any(start.is_new for start in self._starts.values())

    def is_new(self, path: str) -> bool:
        """Whether this step waits and nothing of it is on record."""
        start = self._starts.get(path)
        return start is not None and start.is_new

    # Before the start

    def start(
        self, path: str, action: str, decide: Callable[[], None], dropped: Callable[[], None], *, is_new: bool
    ) -> None:
        """Decide upon the start of an attempt when there is a permit for it, at once if there is one.

        Args:
            path: the step.
            action: its action.
            decide: decides; if no attempt follows from it, the permit goes to others.
            dropped: called if it is never decided upon, because the run does nothing new any more.
            is_new: nothing of the step is on record.
        """
        self.drop(path)
        if path in self._held:  # Its start was decided upon, and others have written to the run meanwhile.
            self._decide(path, decide)
            return
        given: list[Permit] = []
        waiter = self._limits.wait(action, given.append, first=False)
        if given:
            self._held[path] = given[0]
            self._decide(path, decide)
        else:
            waiter.given = partial(self._given, path, decide)
            self._starts[path] = _Start(action, waiter, is_new, dropped)

    def _given(self, path: str, decide: Callable[[], None], permit: Permit) -> None:
        del self._starts[path]
        self._held[path] = permit
        try:
            self._decide(path, decide)
        except Exception as error:  # Whoever has given the permit back is another run, and has no part in it.
            self._broke_off(path, error)

    def _decide(self, path: str, decide: Callable[[], None]) -> None:
        try:
            decide()
        finally:
            self._give_back_unless_needed(path)

    def drop(self, path: str) -> None:
        """Hold nothing back any more at this step."""
        start = self._starts.pop(path, None)
        if start is not None:
            self._limits.leave(start.action, start.waiter)
            start.dropped()

    def drop_new(self) -> None:
        """Drop what the saga function has asked for: it is called anew, and asks again."""
        for path in [path for path, start in self._starts.items() if start.is_new]:
            self.drop(path)

    def drop_all(self) -> None:
        """Drop whatever is held back: the run starts nothing any more."""
        for path in list(self._starts):
            self.drop(path)

    def reconcile(self) -> None:
        """Give back the permits of attempts that were not made after all: others have written to the run."""
        for path in list(self._held):
            self._give_back_unless_needed(path)

    def _give_back_unless_needed(self, path: str) -> None:
        step = self._state.steps.get(path)
        is_needed = step is not None and step.status is StepStatus.RUNNING and not self._is_over
        if path in self._held and not is_needed:
            self._limits.give_back(self._held.pop(path))

    # At the handler

    async def enter(self, step: Step, timeout_seconds: float | None) -> None:
        """Return when a handler of this step may be entered, at once.

        Args:
            step: the step.
            timeout_seconds: of the handler; what it leaves running keeps the permit for so long at most.

        Raises:
            NotAdmitted: this worker enters nothing more that it has no permit for.
        """
        if not self._limits.has(step.action):
            await self._may_enter()
            return
        task = asyncio.current_task()
        permit, _ = self._entered.pop(task, (None, 0.0))
        permit = permit or self._held.pop(step.path, None)
        try:
            while True:
                await self._may_enter()
                if permit is not None and self._limits.is_good(permit):
                    break
                if permit is not None:
                    outdated, permit = permit, None
                    self._limits.give_back(outdated)
                permit = await self._wait(step.action)
        except BaseException:
            if permit is not None:
                self._limits.give_back(permit)
            raise
        permit.has_begun = True
        self._entered[task] = (permit, timeout_seconds or 0.0)

    async def _wait(self, action: str) -> Permit:
        if self._is_over:
            raise NotAdmitted
        door: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()

        def given(permit: Permit) -> None:
            if door.done():
                self._limits.give_back(permit)  # Its task was cancelled, and has had no turn yet.
            else:
                door.set_result(permit)

        waiter = self._limits.wait(action, given, first=True)
        self._at_the_door.add(door)
        try:
            return await door
        except BaseException:
            self._limits.leave(action, waiter)
            if door.done() and not door.cancelled() and door.exception() is None:
                self._limits.give_back(door.result())
            raise
        finally:
            self._at_the_door.discard(door)

    def left(self, path: str, task: "asyncio.Task[Any] | None") -> None:
        """Give back what the attempt in this task has, when nothing that it has left running runs any more."""
        self._give_back_unless_needed(path)
        permit, seconds = self._entered.pop(task, (None, 0.0))
        if permit is None:
            return
        running = self._stragglers.of(self._state.run_id, path)
        if not running:
            self._limits.give_back(permit)
            return
        self._at_large.add(permit)
        asyncio.get_running_loop().call_later(seconds, self._end, permit)
        left = set(running)

        def ended(straggler: "asyncio.Future[Any]") -> None:
            left.discard(straggler)
            if not left:
                self._end(permit)

        for straggler in running:
            straggler.add_done_callback(ended)

    def _end(self, permit: Permit) -> None:
        if permit in self._at_large:
            self._at_large.discard(permit)
            self._limits.give_back(permit)

    def late(self, task: "asyncio.Task[Any]") -> None:
        """Wait no longer than so long for a handler that goes on in its task although its time is up."""
        _, seconds = self._entered.get(task, (None, 0.0))
        task.get_loop().call_later(seconds, self._give_up_on, task)

    def _give_up_on(self, task: "asyncio.Task[Any]") -> None:
        permit, _ = self._entered.pop(task, (None, 0.0))
        if permit is not None:
            self._limits.give_back(permit)

    # The end

    def withdraw(self) -> None:
        """Begin nothing more: the process is going, or the run is not ours any more."""
        self._is_over = True
        self.drop_all()
        for door in list(self._at_the_door):
            if not door.done():
                door.set_exception(NotAdmitted())
        self.reconcile()

    @property
    def goes_forward(self) -> bool:
        """Whether the run may start anything that is asked for."""
        return self._state.status is RunStatus.RUNNING and not self._is_over
