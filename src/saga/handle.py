"""A handle on a run: its result, its status, its events, and what a person may say to it."""

from typing import Any, Generic, Protocol, TypeVar, cast

from ..actions.values import ValueType
from ..errors import RunFailed, UnknownName
from .events import ErrorInfo, Event, FailingReason, ParkReason, RunStatus
from .ids import checked_step, checked_words
from .moments import Moment, Retry, SagaFailed, Waive
from .state import RunState

Out = TypeVar("Out")

_ANYTHING: ValueType[Any] = ValueType(Any, "output")
"""What a run returns whose saga is not known here."""


class Runs(Protocol):
    """What a handle asks of its coordinator."""

    async def state(self, run_id: str) -> RunState:
        """Return a run as it stands in the log."""
        ...

    async def events(self, run_id: str) -> list[Event]:
        """Return a run's events, in order."""
        ...

    async def at_rest(self, run_id: str) -> RunState:
        """Wait until a run has ended or is parked, and return it."""
        ...

    async def command(self, run_id: str, moment: Moment) -> RunState:
        """Carry out what a person says to a run, and return it as it then stands."""
        ...


class RunHandle(Generic[Out]):
    """A run of this log, wherever it is hosted.

    Attributes:
        run_id: the run.
    """

    def __init__(self, run_id: str, output: ValueType[Out] | None, runs: Runs) -> None:
        self.run_id = run_id
        self._output = output
        self._runs = runs

    def __repr__(self) -> str:
        return f"<RunHandle {self.run_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunHandle) and (self.run_id, self._runs) == (other.run_id, other._runs)

    def __hash__(self) -> int:
        return hash(self.run_id)

    async def result(self) -> Out:
        """Wait until the run has ended or is parked, and return the saga's output.

        Raises:
            RunFailed: it ended without a result, or is parked.
            UnknownName: the log has no such run.
            LogUnavailable: the database does not answer.
        """
        state = await self._runs.at_rest(self.run_id)
        if state.status is not RunStatus.COMPLETED:
            raise run_failed(state)
        return cast("Out", (self._output or _ANYTHING).decode(state.output or "null"))

    async def status(self) -> RunStatus:
        """Return how the run stands.

        Raises:
            UnknownName: the log has no such run.
            LogUnavailable: the database does not answer.
        """
        return (await self._runs.state(self.run_id)).status

    async def history(self) -> list[Event]:
        """Return the run's events, in order, as they are in the log.

        Raises:
            UnknownName: the log has no such run.
            LogUnavailable: the database does not answer.
            LogCorrupt: one of them cannot be read.
        """
        return await self._runs.events(self.run_id)

    async def cancel(self, *, by: str, reason: str) -> RunStatus:
        """Call the run off: nothing new is done, and what was done is undone. A run that unwinds or has ended stays so.

        Args:
            by: who says so.
            reason: why.

        Returns:
            How the run stands now.

        Raises:
            InvalidValue: `by` or `reason` is empty, too long or not storable text.
            UnknownName: the log has no such run.
            NotHosted: the run is under way in another process.
            LogUnavailable: the database does not answer.
        """
        error = ErrorInfo(type="Cancelled", message=checked_words("reason", reason))
        return await self._command(SagaFailed(FailingReason.CANCELLED, error, by=checked_words("by", by)))

    async def retry(self, *, by: str, reason: str) -> RunStatus:
        """Let a parked run try again what it could not do. A run that is not parked stays as it is.

        The arguments, the result and the errors are those of `cancel`.
        """
        return await self._command(Retry(checked_words("by", by), checked_words("reason", reason)))

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
        if step not in (await self._runs.state(self.run_id)).steps:
            raise UnknownName("step", step)
        return await self._command(Waive(step, checked_words("by", by), checked_words("reason", reason)))

    async def _command(self, moment: Moment) -> RunStatus:
        return (await self._runs.command(self.run_id, moment)).status


def run_failed(state: RunState) -> RunFailed:
    """Return the error that says how a run that has no result stands."""
    failing = state.failing
    reason = failing.error.said if failing else ""
    if failing and failing.reason is FailingReason.CANCELLED:
        reason = f"cancelled by {failing.by}: {failing.error.message}"
    if state.parked and state.parked.reason is not ParkReason.UNDO_FAILED:
        reason = state.parked.detail
    elif state.parked:
        reason = f"{reason}; {state.parked.detail}"
    return RunFailed(
        run_id=state.run_id,
        status=state.status,
        action=failing.action if failing else None,
        reason=reason,
        remaining=state.remaining,
    )
