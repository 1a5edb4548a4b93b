"""What a recorded event ends, and how: a step, the undoing of one, or a run."""

from datetime import datetime
from typing import NamedTuple, cast

from ..actions.call import Outcome
from ..saga import events as e
from ..saga.events import ErrorInfo, FailingReason, RunStatus
from ..saga.observing import ObservedRun, Recorded


class StepEnd(NamedTuple):
    """A step is settled, or its undo is: by success, by failure for good, or because nobody will ever know.

    Attributes:
        undoes: it is the undo.
        attempts: how many it took.
        outcome: how the last one ended.
        error: what that raised.
        began_at: when the first attempt began.
        ended_at: when the last one had ended.
    """

    undoes: bool
    attempts: int
    outcome: Outcome
    error: ErrorInfo | None
    began_at: datetime
    ended_at: datetime


class RunEnd(NamedTuple):
    """A run has ended, or is parked.

    Attributes:
        status: how it stands.
        reason: why it did not complete, one of a closed set; None if it did.
        began_at: its start. Of a run that had completed and is undone, when somebody asked for that: what lies between
            is nobody's work, and its completion was an end of its own.
        ended_at: since when.
    """

    status: RunStatus
    reason: str | None
    began_at: datetime
    ended_at: datetime


Settling = e.ActionSucceeded | e.ActionFailed | e.ActionUnknown | e.ActionCompensated | e.CompensationFailed

_OUTCOMES: dict[type[e.Event], Outcome] = {
    e.ActionSucceeded: Outcome.SUCCEEDED,
    e.ActionFailed: Outcome.FAILED,
    e.ActionUnknown: Outcome.UNKNOWN,
    e.ActionCompensated: Outcome.SUCCEEDED,
    e.CompensationFailed: Outcome.FAILED,
}


def outcome_of(event: e.Event) -> Outcome | None:
    """Return how the attempt ended whose end this event is, or None for any other event."""
    return _OUTCOMES.get(type(event))


def step_end(recorded: Recorded) -> StepEnd | None:
    """Return what a recorded event says of a step that is settled by it."""
    outcome = outcome_of(recorded.event)
    if outcome is None or recorded.began_at is None:
        return None
    event, error = cast("Settling", recorded.event), None
    if not isinstance(event, e.ActionSucceeded | e.ActionCompensated):
        error = event.error
        if event.retry_at is not None or (isinstance(event, e.ActionUnknown) and event.parks):
            return None
    undoes = isinstance(event, e.ActionCompensated | e.CompensationFailed)
    return StepEnd(undoes, event.attempt, outcome, error, recorded.began_at, event.occurred_at)


def run_end(run: ObservedRun, event: e.Event) -> RunEnd | None:
    """Return what an event says of a run that has come to rest with it."""
    began_at = run.started_at
    if run.failing is FailingReason.UNDONE and run.failing_at is not None:
        began_at = run.failing_at
    match event:
        case e.RunCompleted():
            return RunEnd(RunStatus.COMPLETED, None, began_at, event.occurred_at)
        case e.RunCompensated(remaining=remaining):
            status = RunStatus.PARTIALLY_COMPENSATED if remaining else RunStatus.COMPENSATED
            return RunEnd(status, run.failing and str(run.failing), began_at, event.occurred_at)
        case e.RunParked(reason=reason):
            return RunEnd(RunStatus.PARKED, str(reason), began_at, event.occurred_at)
        case e.RunAbandoned():
            return RunEnd(RunStatus.ABANDONED, RunStatus.ABANDONED.value, began_at, event.occurred_at)
    return None
