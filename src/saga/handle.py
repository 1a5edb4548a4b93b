"""A handle on a run: its result, its status, its events, and what a person may say to it."""

import os
from typing import Any, Generic, TypeVar, cast

from ..actions.action import checked_name
from ..actions.values import ValueType
from ..errors import CommandRefused, RunFailed, UnknownName
from .decisions import works_under_locks
from .events import ErrorInfo, Event, FailingReason, ParkReason, RunStatus
from .ids import checked_step, checked_words
from .moments import Abandon, Moment, Resume, Retry, SagaFailed, Undo, Waive
from .runs import Runs
from .state import RunState
from .undo_plan import COMMITTED, UndoPlan, undo_refused

Out = TypeVar("Out")

_ANYTHING: ValueType[Any] = ValueType(Any, "output")
"""What a run returns whose saga is not known here."""


class RunHandle(Generic[Out]):
    """A run of this log, wherever it is hosted.

    Attributes:
        run_id: the run.
        runs: what it asks; for tools.
    """

    def __init__(self, run_id: str, output: ValueType[Out] | None, runs: Runs) -> None:
        self.run_id = run_id
        self.runs = runs
        self._output = output

    def __repr__(self) -> str:
        return f"<RunHandle {self.run_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunHandle) and (self.run_id, self.runs) == (other.run_id, other.runs)

    def __hash__(self) -> int:
        return hash(self.run_id)

    async def result(self) -> Out:
        """Wait until the run has ended or is parked, and return the saga's output.

        Raises:
            RunFailed: it ended without a result, or is parked.
            UnknownName: the log has no such run.
            LogUnavailable: the database does not answer.
        """
        state = await self.runs.at_rest(self.run_id)
        if state.status is not RunStatus.COMPLETED:
            raise run_failed(state)
        return cast("Out", (self._output or _ANYTHING).decode(state.output or "null"))

    async def status(self) -> RunStatus:
        """Return how the run stands.

        Raises:
            UnknownName: the log has no such run.
            LogUnavailable: the database does not answer.
        """
        return (await self.runs.state(self.run_id)).status

    async def history(self) -> list[Event]:
        """Return the run's events, in order, as they are in the log.

        Raises:
            UnknownName: the log has no such run.
            LogUnavailable: the database does not answer.
            LogCorrupt: one of them cannot be read.
        """
        return await self.runs.events(self.run_id)

    async def cancel(self, *, by: str, reason: str) -> RunStatus:
        """Call the run off: nothing new is done, and what was done is undone. A run that unwinds or has ended stays so.

        Where the last step succeeds at this moment, the log decides which came first, the same for everybody.

        Args:
            by: who says so.
            reason: why.

        Returns:
            How the run stands now.

        Raises:
            InvalidValue: `by` or `reason` is empty, too long or not storable text.
            UnknownName: the log has no such run.
            CommandRefused: the run is past its point of no return.
            LogUnavailable: the database does not answer.
        """
        error = ErrorInfo(type="Cancelled", message=checked_words("reason", reason))
        moment = SagaFailed(FailingReason.CANCELLED, error, by=checked_words("by", by))
        state = await self.runs.command(self.run_id, moment)
        if state.commits and not state.status.ended:
            raise CommandRefused(self.run_id, state.status, f"{COMMITTED}; abandon ends it where it stands")
        return state.status

    async def signal(self, name: str, payload: object = None, *, by: str, key: str | None = None) -> None:
        """Tell the run something that its saga waits for (`Run.wait_for`), from any process.

        It may come before the saga waits for it: it is kept. When this returns, it is durable.

        Args:
            name: letters, digits and `_.:-`, at most 128.
            payload: what the saga gets; anything that JSON can hold, checked against the type that the saga declares.
            by: who says so.
            key: what this signal is known by; one with the same key is taken once. Made if missing, so that asking
                again after `LogUnavailable` without one may tell it twice.

        Raises:
            InvalidValue: the payload does not fit or cannot be stored; or `by` or `key` is empty, too long or no text.
            DefinitionError: the name is not of the allowed form.
            UnknownName: the log has no such run; or its saga declares its signals, and this is none of them.
            SignalConflict: the run has received another signal of this key.
            CommandRefused: the run has ended, or unwinds.
            LogUnavailable: nobody knows whether it was told; ask again with the same key.
        """
        key = os.urandom(16).hex() if key is None else checked_words("key", key, limit=200)
        checked_name("signal", name)
        await self.runs.signal(self.run_id, name, payload, by=checked_words("by", by), key=key)

    async def retry(self, *, by: str, reason: str) -> RunStatus:
        """Let a parked run try again what it could not do. A run that is not parked stays as it is.

        The arguments, the result and the errors are those of `cancel`.
        """
        return await self._command(Retry(checked_words("by", by), checked_words("reason", reason)))

    async def resume(self, *, by: str, reason: str) -> RunStatus:
        """Let a parked run go on because its code or its surroundings were mended, without trying steps again.

        For runs that are parked because their code had changed, because workers died over them, or because their saga
        raised past its point of no return. A run that is parked over a step needs `retry` or `waive`, and stays as it
        is. The arguments, the result and the errors are those of `cancel`.
        """
        return await self._command(Resume(checked_words("by", by), checked_words("reason", reason)))

    async def abandon(self, *, by: str, reason: str) -> RunStatus:
        """End the run where it stands: nothing more is done, and nothing is undone.

        What stands is named in the event and by `RunFailed.remaining`. Attempts that are under way are stopped
        waiting for, and nobody records what comes of them; runs that are steps of it go on. A run that has ended
        stays as it is. The arguments and the result are those of `cancel`, and so are the errors.

        Raises:
            CommandRefused: it has locks, and a run that is a step of it works under them.
        """
        state = await self.runs.command(self.run_id, Abandon(checked_words("by", by), checked_words("reason", reason)))
        if not state.status.ended:
            under = ", ".join(works_under_locks(state))
            why = f"it has locks, and {under} works under them as a step of it; cancel or abandon that run first"
            raise CommandRefused(self.run_id, state.status, why)
        return state.status

    async def undo_plan(self) -> UndoPlan:
        """Return what `undo` would undo, in what order, and what it could not, also of runs that are steps of it.

        Raises:
            UnknownName: the log has no such run.
            CommandRefused: `undo` would raise it, and not for a point of no return, which the plan itself tells of.
            LogUnavailable: the database does not answer.
        """
        state = await self.runs.state(self.run_id)
        why = undo_refused(state)
        if why is not None and not state.commits:
            raise CommandRefused(self.run_id, state.status, why)
        return await self.runs.undo_plan(state)

    async def undo(self, *, by: str, reason: str) -> RunStatus:
        """Have a completed run undone: its steps are compensated as if it had failed at its end.

        The arguments are those of `cancel`. A run that unwinds or was undone stays so.

        Returns:
            How the run stands now: a worker that knows its actions undoes it.

        Raises:
            InvalidValue: `by` or `reason` is empty, too long or not storable text.
            UnknownName: the log has no such run.
            CommandRefused: it has not ended yet (cancel it), was abandoned, or passed its point of no return.
            LogUnavailable: the database does not answer.
        """
        moment = Undo(checked_words("by", by), checked_words("reason", reason))
        state = await self.runs.command(self.run_id, moment)
        why = undo_refused(state)
        if why is not None:
            raise CommandRefused(self.run_id, state.status, why)
        return state.status

    async def waive(self, step: str, *, by: str, reason: str) -> RunStatus:
        """Say that a step whose undo failed needs no more undoing, so that the rest can go on.

        Args:
            step: its path.
            by: who says so.
            reason: why; both are on record.

        Returns:
            How the run stands now. A run that is not parked, or a step whose undo has not failed, stays as it is.

        Raises:
            UnknownName: the log has no such run.
            LogUnavailable: the database does not answer.
        """
        step = checked_step(step)
        if step not in (await self.runs.state(self.run_id)).steps:
            raise UnknownName("step", step)
        return await self._command(Waive(step, checked_words("by", by), checked_words("reason", reason)))

    async def _command(self, moment: Moment) -> RunStatus:
        return (await self.runs.command(self.run_id, moment)).status


def run_failed(state: RunState) -> RunFailed:
    """Return the error that says how a run that has no result stands."""
    failing = state.failing
    reason = failing.error.said if failing else ""
    if failing and failing.reason is FailingReason.CANCELLED:
        reason = f"cancelled by {failing.by}: {failing.error.message}"
    if failing and failing.reason is FailingReason.UNDONE:
        reason = f"undone at the request of {failing.by}: {failing.error.message}"
    if state.parked and state.parked.reason is not ParkReason.UNDO_FAILED:
        reason = state.parked.detail
    elif state.parked:
        reason = f"{reason}; {state.parked.detail}"
    if state.abandoned:
        reason = f"abandoned by {state.abandoned.by}: {state.abandoned.reason}"
    return RunFailed(
        run_id=state.run_id,
        status=state.status,
        action=failing.action if failing else None,
        reason=reason,
        remaining=state.remaining,
    )
