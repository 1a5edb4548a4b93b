"""What is shown of runs and events, and what of it is kept from those who may not see payloads. Pure.

Kept from them: inputs, outputs, payloads of signals, and the texts of errors, which are whatever a handler raised. What
people said (who, why) and the classes of errors are shown to all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...projections import AuditRun
from ...saga import events as e
from ...saga.events import Event, FailingReason
from ..show_json import run_json
from .json_text import stored_value

__all__ = ["VALUES", "event_shown", "has_text", "has_texts", "run_of_audit_shown", "run_shown"]

VALUES = ("input", "output", "payload")
"""The fields of events that hold what a user gave."""

_OF_PEOPLE = (FailingReason.CANCELLED, FailingReason.UNDONE)
_NOTES_OF_MACHINES = ("failing", "parked")


def event_shown(version: int, event: Event, *, payloads: bool) -> dict[str, Any]:
    """Return an event.

    Args:
        version: its number in the run.
        event: the event.
        payloads: show values and the texts of errors too.
    """
    shown: dict[str, Any] = {"version": version, "event": type(event).__name__, **event.model_dump(mode="json")}
    for name in VALUES:
        if name in shown and payloads:
            shown[name] = stored_value(shown[name])
        elif name in shown:
            del shown[name]
    if payloads:
        return shown
    is_of_people = isinstance(event, e.RunFailing) and event.reason in _OF_PEOPLE
    if "error" in shown and not is_of_people:
        del shown["error"]["message"]
    if isinstance(event, e.RunParked):
        del shown["detail"]
    return shown


def run_shown(run_id: str, events: Sequence[Event], *, payloads: bool) -> dict[str, Any]:
    """Return what the events of a run say about it, as `amends show --json` does."""
    shown = run_json(run_id, events, with_events=False)
    shown["event_count"] = len(events)
    if payloads:
        return shown
    for step in shown["steps"]:
        for attempt in (*step["attempts"], *step["undo_attempts"]):
            attempt["error"] = attempt["error"] and attempt["error"].partition(":")[0]
    is_of_people = any(isinstance(each, e.RunFailing) and each.reason in _OF_PEOPLE for each in events)
    for note in shown["notes"]:
        if note["kind"] in _NOTES_OF_MACHINES and not (note["kind"] == "failing" and is_of_people):
            note["text"] = note["text"].partition(":")[0]
    return shown


def has_texts(events: Iterable[Event]) -> bool:
    """Tell whether something of events is kept back as the text of an error."""
    return any(
        isinstance(event, e.RunParked)
        or (
            getattr(event, "error", None) is not None
            and not (isinstance(event, e.RunFailing) and event.reason in _OF_PEOPLE)
        )
        for event in events
    )


def has_text(run: AuditRun) -> bool:
    """Tell whether something of a run of the audit view is kept back as the text of an error."""
    return run_of_audit_shown(run, payloads=False) != run


def run_of_audit_shown(run: AuditRun, *, payloads: bool) -> AuditRun:
    """Return a run of the audit view."""
    if payloads:
        return run
    error = run.error if run.failing_reason in _OF_PEOPLE else None
    return replace(run, error=error, parked_detail=None)
