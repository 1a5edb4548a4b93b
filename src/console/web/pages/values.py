"""Inputs, outputs, payloads and errors of one step, or of a whole run, as texts to be shown. Pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ....saga import events as e
from ....saga.events import ErrorInfo, Event
from ...plain import plain_lines
from ..json_text import stored_value

__all__ = ["RUN", "Value", "values_of"]

RUN = "run"
"""What stands in the place of a step for the run itself."""

VALUE_LIMIT = 65_536
"""How many characters of a value are shown; the API has the whole."""

MAX_VALUES = 50


@dataclass(frozen=True, slots=True)
class Value:
    """A value, or an error.

    Attributes:
        heading: what it is.
        text: lines to be shown as they are.
        is_cut: there is more of it.
    """

    heading: str
    text: str
    is_cut: bool = False


def values_of(events: Iterable[Event], step: str) -> Sequence[Value]:
    """Return the values of a step, or of the run for `RUN`, in the order in which they came; the last 50."""
    found = (_of_run(event) if step == RUN else _of_step(event, step) for event in events)
    return [value for value in found if value is not None][-MAX_VALUES:]


def _of_run(event: Event) -> Value | None:
    match event:
        case e.RunStarted():
            return _json("Input", event.input)
        case e.SignalReceived():
            return _json(f"Signal {event.signal}, by {event.by}", event.payload)
        case e.RunFailing():
            return _error("What made it fail", event.error)
        case e.RunCompleted():
            return _json("Output", event.output)
    return None


def _of_step(event: Event, step: str) -> Value | None:
    if getattr(event, "step", None) != step:
        return None
    match event:
        case e.ActionStarted() if event.input is not None:
            return _json("Input", event.input)
        case e.ActionSucceeded():
            return _json("Output", event.output)
        case e.ActionFailed() | e.ActionUnknown():
            end = "failed" if isinstance(event, e.ActionFailed) else "is unknown"
            return _error(f"Attempt {event.attempt} {end}", event.error)
        case e.CompensationFailed():
            return _error(f"Attempt {event.attempt} to undo it failed", event.error)
    return None


def _json(heading: str, text: str) -> Value:
    if len(text) > VALUE_LIMIT * 4:
        return _value(heading, text)
    try:
        return _value(heading, json.dumps(stored_value(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):  # What somebody else has written need not be JSON that can be read.
        return _value(heading, text)


def _error(heading: str, error: ErrorInfo) -> Value:
    return _value(heading, f"{error.type}: {error.message}")


def _value(heading: str, text: str) -> Value:
    return Value(heading, plain_lines(text, VALUE_LIMIT), is_cut=len(text) > VALUE_LIMIT)
