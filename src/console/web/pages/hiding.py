"""The events of a run without what only those may see who have the right to payloads. Pure.

Kept back are the texts of errors and what the parking of a run said, which are whatever a handler raised. Inputs,
outputs and payloads of signals stand in no timeline; `values.py` shows them to those who may see them.
"""

from collections.abc import Iterable
from typing import Any

from ....saga import events as e
from ....saga.events import Event, FailingReason

__all__ = ["without_texts"]

_OF_PEOPLE = (FailingReason.CANCELLED, FailingReason.UNDONE)


def without_texts(events: Iterable[Event]) -> list[Event]:
    """Return the events, with the classes of errors but without their texts; what people said stays."""
    return [_without(event) for event in events]


def _without(event: Event) -> Event:
    changed: dict[str, Any] = {}
    is_of_people = isinstance(event, e.RunFailing) and event.reason in _OF_PEOPLE
    error = getattr(event, "error", None)
    if isinstance(error, e.ErrorInfo) and not is_of_people:
        changed["error"] = error.model_copy(update={"message": ""})
    if isinstance(event, e.RunParked):
        changed["detail"] = ""
    return event.model_copy(update=changed) if changed else event
