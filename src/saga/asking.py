"""Asks for steps and waits on behalf of the saga function, and waits until they have settled.

A step begins when it is asked for, at once, and what comes of it is the driver's business: whoever stops waiting for a
step stops nothing else.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, NoReturn, Protocol

from ..actions.values import JsonText, ValueType
from ..errors import InvalidValue, LockRefused, SignalTimedOut, UnknownName, ValueTooLarge
from . import slots
from .admission import Admission
from .asked import Asked, AskedCommit, AskedLock, AskedRun, AskedStep, AskedWait
from .children import SAGA_PREFIX, Children
from .events import FailingReason
from .failures import describe
from .ids import child_run_id
from .moments import CommitAsked, Diverged, LockAsked, Moment, SagaFailed, StepAsked, WaitAsked
from .outcomes import action_error, named
from .registry import Registry
from .replay import COMMIT, Replay
from .state import RunState, StepStatus
from .waits import Wait, WaitStatus


class _Called(NamedTuple):
    """What a step calls: an action, or another saga as a run of its own."""

    name: str
    input: ValueType[Any]
    value: Any
    irreversible: bool = False
    child: str | None = None


_OVER = "the run does nothing new any more"

_NOT_ALONE = "something else of the run is under way; take locks before what runs side by side, or after it"


class Settling:
    """Who waits for which step or wait to settle."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: dict[str, list[tuple[asyncio.Future[None], asyncio.Task[Any] | None]]] = {}

    def waiter(self, path: str) -> "asyncio.Future[None]":
        """Return what is done when the step may have settled; look whether it has."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.setdefault(path, []).append((waiter, asyncio.current_task()))
        return waiter

    def wake(self, path: str) -> None:
        """Let those who wait for the step look."""
        for waiter, _ in self._waiters.pop(path, ()):
            if not waiter.done():
                waiter.set_result(None)

    def waiting(self) -> set[asyncio.Task[Any]]:
        """Return the tasks that wait, and have not been woken."""
        return {task for waiters in self._waiters.values() for waiter, task in waiters if task and not waiter.done()}

    def wake_all(self) -> None:
        """Let everybody look: what has settled, or is no more, is not known one by one."""
        for path in list(self._waiters):
            self.wake(path)


class HasChildren(Protocol):
    """Whoever has what begins the runs that are steps of a run, and what holds back its attempts."""

    admission: Admission | None

    @property
    def children(self) -> Children: ...  # noqa: D102


class Drives(Protocol):
    """What is asked of the driver."""

    state: RunState

    def take(self, moment: Moment) -> None:
        """Decide what follows from `moment`."""
        ...

    def take_up(self, paths: Iterable[str]) -> None:
        """Take up steps that were interrupted."""
        ...


class Asking:
    """Asks for the steps of one run; what its `Run` holds.

    Args:
        driver: drives the run.
        replay: the recorded steps that are not asked for yet.
        registry: the actions that this coordinator was given.
        settling: is woken by the driver.
        under_way: has what begins the runs that are steps of this one.
    """

    def __init__(
        self, driver: Drives, replay: Replay, registry: Registry, settling: Settling, under_way: HasChildren
    ) -> None:
        self._under_way = under_way
        self._admission = under_way.admission
        self._driver = driver
        self._state = driver.state
        self.replay = replay
        self._registry = registry
        self._settling = settling
        self._taken_up = driver.state.version > 0
        self._too_large: dict[str, ValueTooLarge] = {}

    async def one(self, asked: Asked) -> Any:
        """Return what came of a step or a wait, from the log if it is there, else by beginning it."""
        self._begin(asked)
        await self._settled(asked.path)
        return self._output(asked)

    async def all(self, several: Sequence[Asked]) -> tuple[Any, ...]:
        """Ask for all of them now, in order, and return what came of them when all have settled. See `Run.all`."""
        refusals = [self._refusal(asked) for asked in several]
        for asked, refusal in zip(several, refusals, strict=True):
            if refusal is None:
                await self._settled(asked.path)
        outputs = []
        for asked, refusal in zip(several, refusals, strict=True):
            if refusal is None:
                outputs.append(self._output(asked))
            elif not isinstance(refusal, asyncio.CancelledError):
                raise refusal
        if len(outputs) < len(several):
            raise asyncio.CancelledError(_OVER)
        return tuple(outputs)

    def settled_at(self, path: str) -> datetime | None:
        """Return when the step or the wait at this path settled."""
        step = self._state.steps.get(path)
        if step is not None:
            return step.settled_at
        wait = self._state.waits.all.get(path)
        return None if wait is None else wait.settled_at

    def _refusal(self, asked: Asked) -> BaseException | None:
        """Ask; returns what is raised over it, because what is behind it is asked for all the same."""
        try:
            self._begin(asked)
        except BaseException as error:
            return error
        return None

    def _begin(self, asked: Asked) -> None:
        self._check_locks(asked)
        match asked:
            case AskedStep(path, action, value):
                self._check_known(path, self._registry.action, action)
                called = _Called(action.name, action.input, value, action.irreversible)
                self._begin_step(path, called)
            case AskedRun(path, saga, value):
                self._check_known(path, self._registry.saga, saga)
                self._under_way.children.asked(path, saga)
                child = child_run_id(self._state.run_id, path)
                self._begin_step(path, _Called(f"{SAGA_PREFIX}{saga.name}", saga.input, value, child=child))
            case AskedWait(path, signal, _, seconds):
                self._begin_other(path, Wait(path, signal, None).label, WaitAsked(path, signal, seconds))
            case AskedLock(path, key):
                self._begin_other(path, Wait(path, None, None, key=key).label, LockAsked(path, key))
            case AskedCommit(path):
                self._begin_other(path, COMMIT, CommitAsked(path))

    def _check_locks(self, asked: Asked) -> None:
        """Refuse a lock that is asked for out of order, and anything that is asked for beside a lock."""
        state, path = self._state, asked.path
        if self._knows(path) or state.failing is not None:
            return
        if isinstance(asked, AskedLock):
            if state.active or state.waits.open or self.has_waiting:
                self._refuse(f"lock {asked.key!r} (step {path}): {_NOT_ALONE}")
            why = slots.refusal(state.slots, asked.key)
            if why is not None:
                raise LockRefused(f"lock {asked.key!r} (step {path}): {why}")
        elif state.slots.awaited is not None:
            beside = f"step {path} is asked for beside it; await run.lock by itself"
            self._refuse(f"lock {state.slots.awaited!r}: {beside}")

    def _refuse(self, why: str) -> NoReturn:
        """Fail the run, also if its function catches this: called anew a moment later, it might get the lock."""
        error = LockRefused(why)
        self._driver.take(SagaFailed(FailingReason.SAGA_RAISED, describe(error)))
        raise error

    def _begin_other(self, path: str, label: str, moment: WaitAsked | LockAsked | CommitAsked) -> None:
        self._follow(self.replay.ask_for(path, label))
        known = self._state.commits if isinstance(moment, CommitAsked) else self._state.waits.all
        if path not in known:
            self._driver.take(moment)
        if not self._knows(path):
            raise asyncio.CancelledError(_OVER)

    def _knows(self, path: str) -> bool:
        """Whether the run knows of what is at this path, as it stands now."""
        state = self._state
        return path in state.steps or path in state.waits.all or path in state.commits

    def _begin_step(self, path: str, called: "_Called") -> None:
        try:
            self._ask(path, called, called.input.encode(called.value))
        except InvalidValue as error:
            raise named(error, path, called.name) from None
        if path in self._state.steps:
            self._driver.take_up(self.replay.take(path))
        elif not self._waits(path):
            raise self._too_large.pop(path, None) or asyncio.CancelledError(_OVER)

    def _ask(self, path: str, called: "_Called", text: JsonText) -> None:
        self._follow(self.replay.ask(path, called.name, called.input, text))
        if path not in self._state.steps:
            asked = StepAsked(path, called.name, text, called.irreversible, called.child)
            admission = self._admission
            if admission is None or not (admission.limits(called.name) and admission.goes_forward):
                self._driver.take(asked)
            else:
                begin, dropped = partial(self._begin_held, asked), partial(self._settling.wake, path)
                admission.start(path, called.name, begin, dropped, is_new=True)

    def _begin_held(self, asked: StepAsked) -> None:
        """Begin a step that there is a permit for; whoever waits for it is told what is wrong with it."""
        try:
            self._driver.take(asked)
        except ValueTooLarge as error:
            self._too_large[asked.path] = error
        if asked.path not in self._state.steps:
            self._settling.wake(asked.path)

    def _waits(self, path: str) -> bool:
        """Whether the step at this path waits for its permit, with nothing of it on record."""
        return self._admission is not None and self._admission.is_new(path)

    @property
    def has_waiting(self) -> bool:
        """Whether any step was asked for of which nothing is on record yet."""
        return self._admission is not None and self._admission.has_new

    def begin_anew(self) -> None:
        """Forget what was asked for and is not on record: the function is called anew, and asks again."""
        if self._admission is not None:
            self._admission.drop_new()

    def _follow(self, divergence: str | None) -> None:
        if divergence is not None:
            self._driver.take(Diverged(divergence))
            raise asyncio.CancelledError("the run is parked")

    def _check_known(self, path: str, look_up: Callable[[Any], object], wanted: object) -> None:
        """Refuse an action or saga that this coordinator was not given; a run that was taken up waits for a person.

        To undo it, only because this worker lacks an action that others have, would be the wrong way out of a deploy.
        """
        try:
            look_up(wanted)
        except UnknownName as error:
            if not self._taken_up:
                raise
            self._driver.take(Diverged(f"step {path}: {error}"))
            raise asyncio.CancelledError("the run is parked") from None

    async def _settled(self, path: str) -> None:
        state = self._state
        while path in state.active or path in state.waits.open or (self._admission and self._waits(path)):
            await self._settling.waiter(path)
        if self._too_large and path in self._too_large:
            raise self._too_large.pop(path)
        if not self._knows(path):
            raise asyncio.CancelledError(_OVER)  # It was asked for, but the run had been called off before.

    def _output(self, asked: Asked) -> Any:
        if isinstance(asked, AskedCommit):
            return None
        if isinstance(asked, AskedLock):
            return self._locked(asked)
        if isinstance(asked, AskedWait):
            return self._told(asked)
        step = self._state.steps[asked.path]
        if step.status is StepStatus.SUCCEEDED and step.output is not None:
            output = asked.saga.output if isinstance(asked, AskedRun) else asked.action.output
            return output.decode(step.output)
        raise action_error(step)

    def _locked(self, asked: AskedLock) -> None:
        if self._state.waits.all[asked.path].status is WaitStatus.OPEN:
            raise asyncio.CancelledError(_OVER)

    def _told(self, asked: AskedWait) -> Any:
        """Return what ended a wait: the payload of the signal, or nothing where it was a time."""
        wait = self._state.waits.all[asked.path]
        if wait.status is WaitStatus.SIGNALLED:
            return asked.payload.decode(wait.payload or "null")
        if wait.status is WaitStatus.OPEN:
            raise asyncio.CancelledError(_OVER)
        if asked.signal is None:
            return None
        raise SignalTimedOut(asked.signal, asked.path)
