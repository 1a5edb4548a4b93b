"""The runs that are steps of one run: starts them, waits for their end, and has them undone.

A step that is a run is under way from its start to that run's end, and its undo from the request to the end of that
run's unwind. Everything here may be done again after a crash: the run's id follows from the parent's and the step.
A parent that waits for its runs gives its place to others, so that parents can never keep their own children out.
"""

import asyncio
from typing import Any

from ..errors import AppendConflict, RunConflict, UnknownName
from .definition import Saga
from .events import ErrorInfo, FailingReason, RunStarted, RunStatus
from .failures import describe
from .host import Host
from .log.patience import until_answered
from .moments import AttemptFailed, AttemptSucceeded, SagaFailed, Undo, UndoFailed, UndoSucceeded
from .sameness import check_same
from .starting import start_for_anybody
from .state import RunState, Step

SAGA_PREFIX = "saga:"
"""What the action of a step that is a run begins with; the saga's name follows."""

PAUSE_SECONDS = (0.05, 5.0)
"""First and longest pause between two looks at a run that is parked."""


class Children:
    """The runs that are steps of one run.

    Args:
        state: the run.
        host: what the coordinator's drivers share.
    """

    def __init__(self, state: RunState, host: Host) -> None:
        self._state = state
        self._host = host
        self._sagas: dict[str, Saga[Any, Any]] = {}
        self._called_off = asyncio.Event()
        self._awaited_count = 0

    def asked(self, path: str, saga: Saga[Any, Any]) -> None:
        """Note which saga the function asks for at this path."""
        self._sagas[path] = saga

    def call_off(self) -> None:
        """Cancel those that are under way: the run does nothing new any more."""
        self._called_off.set()

    async def do(self, step: Step, attempt: int) -> AttemptSucceeded | AttemptFailed:
        """Start the run of a step, unless it was started before, and say how it ended."""
        assert step.child is not None
        try:
            child = step.child
            if not await until_answered(lambda: self._started(step, child)):
                return _failed(step, attempt, "Cancelled", "the run was called off before this step's run was started")
        except RunConflict as error:
            return AttemptFailed(step.path, attempt, describe(error), None)
        ended = await self._ended(step.child, is_work=True)
        if ended.status is RunStatus.COMPLETED:
            return AttemptSucceeded(step.path, attempt, ended.output or "null")
        return AttemptFailed(step.path, attempt, _why(ended), None, ended.remaining)

    async def undo(self, step: Step, attempt: int) -> UndoSucceeded | UndoFailed:
        """Have the run of a step undone, and say how that ended."""
        assert step.child is not None
        moment = Undo(by=f"run {self._state.run_id}", reason=f"its step {step.path} is undone")
        try:
            child = step.child
            await until_answered(lambda: self._host.runs.command(child, moment))
            ended = await self._ended(step.child, is_work=False)
        except UnknownName:
            return UndoSucceeded(step.path, attempt)  # It was never started.
        if ended.status in (RunStatus.COMPENSATED, RunStatus.PARTIALLY_COMPENSATED):
            return UndoSucceeded(step.path, attempt, ended.remaining)
        why = "was abandoned" if ended.status is RunStatus.ABANDONED else "is past its point of no return"
        return UndoFailed(step.path, attempt, _error("CommandRefused", f"run {step.child!r} {why}"), None)

    async def _started(self, step: Step, child: str) -> bool:
        """Start the run of a step; returns whether there is one. A failing run starts none."""
        saga = self._sagas.get(step.path)
        if saga is None or self._called_off.is_set():
            return bool(await self._host.log.read(child))
        state, host = self._state, self._host
        started = RunStarted(
            occurred_at=host.clock.now(),
            saga=saga.name,
            saga_version=saga.version,
            input=step.input,
            tags=state.tags,
            parent=state.run_id,
            trace=state.trace,
            locks=state.slots.keys or None,
        )
        try:
            await start_for_anybody(host, child, started)
        except AppendConflict:
            check_same(child, await host.runs.state(child), started)
        return True

    async def _ended(self, child: str, *, is_work: bool) -> RunState:
        """Wait for a run's end; one that is parked is waited for, and one that is called off is cancelled."""
        self._lend()
        try:
            pause, longest = PAUSE_SECONDS
            while True:
                state = await until_answered(lambda: self._at_rest(child, may_cancel=is_work))
                if state.status.ended:
                    return state
                await asyncio.sleep(pause)
                pause = min(longest, pause * 2)
        finally:
            self._take_back()

    async def _at_rest(self, child: str, *, may_cancel: bool) -> RunState:
        rests = asyncio.ensure_future(self._host.runs.at_rest(child))
        called_off = asyncio.ensure_future(self._called_off.wait())
        try:
            if may_cancel:
                await asyncio.wait({rests, called_off}, return_when=asyncio.FIRST_COMPLETED)
                if self._called_off.is_set():
                    await self._cancel(child)
            return await rests
        finally:
            rests.cancel()
            called_off.cancel()

    async def _cancel(self, child: str) -> None:
        error = _error("Cancelled", f"run {self._state.run_id!r}, of which it is a step, does nothing new any more")
        await self._host.runs.command(child, SagaFailed(FailingReason.CANCELLED, error, by=f"run {self._state.run_id}"))

    def _lend(self) -> None:
        self._awaited_count += 1
        if self._awaited_count == 1:
            self._host.places.release()

    def _take_back(self) -> None:
        self._awaited_count -= 1
        if not self._awaited_count:
            self._host.places.take()


def _failed(step: Step, attempt: int, kind: str, message: str) -> AttemptFailed:
    return AttemptFailed(step.path, attempt, _error(kind, message), None)


def _error(kind: str, message: str) -> ErrorInfo:
    return ErrorInfo(type=kind, message=message)


def _why(ended: RunState) -> ErrorInfo:
    """Return what the parent's saga gets for a run that ended without a result."""
    from .handle import run_failed

    return describe(run_failed(ended))
