"""One run as JSON for machines. The shape is documented in the reference, and only grows."""

from collections.abc import Sequence
from typing import Any

from ..saga.events import Event
from .timeline import Attempt, Row, timeline
from .timeline_waits import Wait


def run_json(run_id: str, events: Sequence[Event], *, with_events: bool) -> dict[str, Any]:
    """Return what the events say about the run; times are seconds since its start.

    Args:
        run_id: the run.
        events: from its first.
        with_events: add the events themselves, which hold inputs and outputs.
    """
    found = timeline(run_id, events)
    shown: dict[str, Any] = {
        "run_id": found.run_id,
        "saga": found.saga,
        "version": found.version,
        "status": found.status.value,
        "started_at": found.started_at.isoformat() if found.started_at else None,
        "took_seconds": round(found.took, 6),
        "parent": found.parent,
        "tags": dict(found.tags),
        "deadline": found.deadline.isoformat() if found.deadline else None,
        "committed_at_seconds": round(found.pivots[0].at, 6) if found.pivots else None,
        "steps": [_step(row) for row in found.rows],
        "waits": [_wait(wait) for wait in found.waits],
        "notes": [{"at_seconds": round(note.at, 6), "kind": note.kind, "text": note.text} for note in found.notes],
        "remaining": [remaining.model_dump(mode="json") for remaining in found.remaining],
    }
    if with_events:
        shown["events"] = [
            {"version": version, "event": type(event).__name__, **event.model_dump(mode="json")}
            for version, event in enumerate(events, start=1)
        ]
    return shown


def _step(row: Row) -> dict[str, Any]:
    return {
        "step": row.step,
        "action": row.action,
        "irreversible": row.irreversible,
        "child": row.child,
        "attempts": [_attempt(attempt) for attempt in row.attempts],
        "undo_attempts": [_attempt(attempt) for attempt in row.undo],
        "standing": row.standing.value if row.standing else None,
        "waived": row.waived or None,
    }


def _wait(wait: Wait) -> dict[str, Any]:
    return {
        "step": wait.step,
        "signal": wait.signal,
        "slot": wait.slot,
        "start_seconds": round(wait.start, 6),
        "took_seconds": round(wait.took, 6),
        "end": wait.end.value,
        "due_at": wait.due_at.isoformat() if wait.due_at else None,
        "by": wait.by or None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "start_seconds": round(attempt.start, 6),
        "took_seconds": round(attempt.took, 6),
        "end": attempt.end.value,
        "error": attempt.error or None,
        "retried": attempt.retried,
    }
