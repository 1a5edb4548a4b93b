"""What an event obliges the engine to do, once it is durable. Values, made from events, carried out by the driver."""

from datetime import datetime

from . import events as e
from .events import Event
from .moments import RetryDue, TimerDue, UndoDue, value


@value
class EnterAction:
    """Enter the action's handler for this attempt."""

    path: str
    attempt: int


@value
class EnterUndo:
    """Enter the undo's handler for this attempt."""

    path: str
    attempt: int


@value
class WaitUntil:
    """Come back with `moment` at this time (aware UTC)."""

    at: datetime
    moment: RetryDue | UndoDue | TimerDue


@value
class CallOff:
    """Stop the saga function: nothing that it asks for is done any more."""


@value
class Rest:
    """The run has ended or is parked: tell whoever waits, and let go of it."""


Effect = EnterAction | EnterUndo | WaitUntil | CallOff | Rest


_WITHOUT = frozenset(
    (
        *(e.RunStarted, e.RunClaimed, e.ActionSucceeded, e.ActionCompensated, e.CompensationWaived, e.RunResumed),
        *(e.TimerFired, e.SignalReceived, e.RunCommitted, e.LockAwaited, e.SlotTaken),
    )
)
"""Events that oblige to nothing."""


def effect_of(event: Event) -> Effect | None:
    """Return what `event` obliges the engine to do."""
    if type(event) in _WITHOUT:
        return None
    match event:
        case e.ActionStarted():
            return EnterAction(event.step, event.attempt)
        case e.RunCompleted() | e.RunCompensated() | e.RunParked() | e.RunAbandoned():
            return Rest()
        case e.CompensationStarted():
            return EnterUndo(event.step, event.attempt)
        case e.ActionFailed(retry_at=at) | e.ActionUnknown(retry_at=at) if at is not None:
            return WaitUntil(at, RetryDue(event.step))
        case e.CompensationFailed(retry_at=at) if at is not None:
            return WaitUntil(at, UndoDue(event.step))
        case e.TimerSet(due_at=at) | e.SignalAwaited(due_at=at) if at is not None:
            return WaitUntil(at, TimerDue(event.step))
        case e.RunFailing():
            return CallOff()
    return None
