"""What the events say about each step: the step automaton, run over a history."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..saga import events as e

__all__ = ["UNDOABLE", "Trace", "trace"]

UNDOABLE = ("ok", "unknown")


@dataclass(slots=True)
class Trace:
    """What the events say about one step. Places are indexes into the events; -1 is never."""

    path: str
    action: str = ""
    irreversible: bool = False
    doing: str = "pending"
    """pending, running, backoff, held, ok, failed or unknown."""
    undoing: str = "none"
    """none, running, backoff, undone, failed or waived."""
    doubtful: bool = False
    is_run: bool = False
    """It is a run of its own."""
    is_partly_undone: bool = False
    """And not all of that was undone."""
    attempts: int = 0
    undo_attempts: int = 0
    latest_start: int = -1
    settled_at: int = -1
    undo_began: int = -1
    undo_ended: int = -1
    keys: set[str] = field(default_factory=set)
    undo_keys: set[str] = field(default_factory=set)
    breaches: list[str] = field(default_factory=list)

    @property
    def stands(self) -> bool:
        """Whether the step may have left an effect that nobody has undone."""
        may_stand = self.doing in UNDOABLE or (self.doing == "held" and self.doubtful)
        return may_stand and self.undoing not in ("undone", "waived")


def trace(events: Sequence[e.Event]) -> dict[str, Trace]:
    """Run every step's automaton over the events."""
    steps: dict[str, Trace] = {}
    for place, event in enumerate(events):
        advance = _ADVANCES.get(type(event))
        if advance is not None:
            path = event.step  # type: ignore[attr-defined]  # All of these have one.
            if path not in steps:
                steps[path] = Trace(path)
            advance(steps[path], event, place)
        elif type(event) is e.RunFailing:
            for step in steps.values():
                if step.doing in ("backoff", "held"):
                    _settle(step, "unknown" if step.doubtful else "failed", place)
    return steps


def _started(step: Trace, event: e.ActionStarted, place: int) -> None:
    before = ("pending",) if event.attempt == 1 else ("backoff", "held")
    if step.doing not in before or event.attempt != step.attempts + 1:
        step.breaches.append(f"attempt {event.attempt} began while it was {step.doing} after {step.attempts}")
    if (event.input is None) is (event.attempt == 1):
        step.breaches.append(f"attempt {event.attempt} has {'no' if event.input is None else 'an'} input")
    if event.attempt > 1 and (step.action, step.irreversible) != (event.action, event.irreversible):
        step.breaches.append(f"attempt {event.attempt} is of another action")
    step.action, step.irreversible = event.action, event.irreversible
    step.doing, step.attempts, step.latest_start = "running", event.attempt, place
    step.is_run = event.child is not None
    step.keys.add(event.idempotency_key)


def _attempt_ended(step: Trace, event: e.ActionSucceeded | e.ActionFailed | e.ActionUnknown, place: int) -> None:
    if step.doing != "running" or event.attempt != step.attempts:
        step.breaches.append(f"attempt {event.attempt} ended while it was {step.doing} in attempt {step.attempts}")
    if isinstance(event, e.ActionSucceeded):
        return _settle(step, "ok", place)
    step.doubtful = step.doubtful or isinstance(event, e.ActionUnknown)
    step.is_partly_undone = isinstance(event, e.ActionFailed) and bool(event.remaining)
    if event.retry_at is not None:
        step.doing = "backoff"
    elif event.parks:
        step.doing = "held"
    else:
        _settle(step, "unknown" if step.doubtful else "failed", place)
    return None


def _settle(step: Trace, doing: str, place: int) -> None:
    step.doing, step.settled_at = doing, place


def _undo_started(step: Trace, event: e.CompensationStarted, place: int) -> None:
    if step.undoing not in ("none", "backoff", "failed") or event.attempt != step.undo_attempts + 1:
        step.breaches.append(f"undo {event.attempt} began while its undoing was {step.undoing}")
    step.undoing, step.undo_attempts = "running", event.attempt
    step.undo_began = place if step.undo_began < 0 else step.undo_began
    step.undo_keys.add(event.idempotency_key)


def _undo_ended(step: Trace, event: e.ActionCompensated | e.CompensationFailed, place: int) -> None:
    if step.undoing != "running" or event.attempt != step.undo_attempts:
        step.breaches.append(f"undo {event.attempt} ended while its undoing was {step.undoing}")
    if isinstance(event, e.ActionCompensated):
        step.undoing, step.undo_ended, step.is_partly_undone = "undone", place, bool(event.remaining)
    else:
        step.undoing = "failed" if event.retry_at is None else "backoff"


def _waived(step: Trace, event: e.CompensationWaived, place: int) -> None:  # noqa: ARG001 - as the others
    if step.undoing != "failed":
        step.breaches.append(f"waived while its undoing was {step.undoing}")
    step.undoing, step.undo_ended = "waived", place


_ADVANCES: dict[type[e.Event], Callable[[Trace, Any, int], None]] = {
    e.ActionStarted: _started,
    e.ActionSucceeded: _attempt_ended,
    e.ActionFailed: _attempt_ended,
    e.ActionUnknown: _attempt_ended,
    e.CompensationStarted: _undo_started,
    e.ActionCompensated: _undo_ended,
    e.CompensationFailed: _undo_ended,
    e.CompensationWaived: _waived,
}
