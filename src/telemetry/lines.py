"""Runs in a service's own logging: a line for each durable event, and run and step in the lines of the handlers.

What stands in a line is chosen here, field by field: names, numbers and closed sets. Inputs, outputs, values of tags,
people's words and the texts of errors are never in one.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

from ..saga import events as e
from ..saga.observing import Attempt, Observer, Recorded

FIELDS = ("run_id", "saga", "step", "action", "attempt")

_LEVELS: dict[type[e.Event], int] = {
    e.RunStarted: logging.INFO,
    e.ActionFailed: logging.WARNING,
    e.ActionUnknown: logging.WARNING,
    e.RunFailing: logging.WARNING,
    e.CompensationFailed: logging.WARNING,
    e.CompensationWaived: logging.INFO,
    e.RunParked: logging.ERROR,
    e.RunResumed: logging.INFO,
    e.RunCompleted: logging.INFO,
    e.RunCompensated: logging.INFO,
    e.RunAbandoned: logging.WARNING,
    e.RunCommitted: logging.INFO,
    e.SignalReceived: logging.INFO,
}
"""All others are for debugging."""

_current: ContextVar[Attempt | None] = ContextVar("amends_attempt", default=None)


class RunLogger(Observer):
    """Logs each durable event, and lets `RunFields` know which attempt a line of a handler belongs to.

    A record has the fields `event`, `run_id`, `saga`, and where the event has them `step`, `action`, `attempt`,
    `reason` (only one of a closed set), `error_type`, `is_final` and `signal` (its name).

    Args:
        logger: where to; `amends.runs` unless given.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("amends.runs")

    @contextmanager
    def attempting(self, attempt: Attempt) -> Iterator[None]:
        """Let the lines that the handler logs carry run and step."""
        token = _current.set(attempt)
        try:
            yield
        finally:
            _current.reset(token)

    def recorded(self, recorded: Recorded) -> None:
        """Log one line."""
        level = _LEVELS.get(type(recorded.event), logging.DEBUG)
        if self._logger.isEnabledFor(level):
            fields = _fields(recorded)
            place = f" step {fields['step']} ({fields['action']})" if "step" in fields else ""
            blame = f": {fields['error_type']}" if "error_type" in fields else ""
            self._logger.log(level, "%s run %s%s%s", fields["event"], fields["run_id"], place, blame, extra=fields)


class RunFields(logging.Filter):
    """Gives each record the fields of the attempt in which it was logged; None where there is none.

    Add it to a handler of `logging`, and a `RunLogger` to the coordinator. It keeps no record back, and leaves alone
    the fields that a record has already.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `run_id`, `saga`, `step`, `action` and `attempt`."""
        attempt = _current.get()
        # What the engine logs of a run names it, and must not get the rest from an attempt that it was logged in.
        known = {} if attempt is None or hasattr(record, "run_id") else _fields_of(attempt)
        for name in FIELDS:
            if not hasattr(record, name):
                setattr(record, name, known.get(name))
        return True


def _fields_of(attempt: Attempt) -> dict[str, object]:
    run = attempt.run
    values = (run.run_id, run.saga, attempt.step, attempt.action, attempt.attempt)
    return dict(zip(FIELDS, values, strict=True))


def _fields(recorded: Recorded) -> dict[str, object]:
    event, run = recorded.event, recorded.run
    fields: dict[str, object] = {"event": type(event).__name__, "run_id": run.run_id, "saga": run.saga}
    if recorded.action is not None:
        fields |= {"step": getattr(event, "step", None), "action": recorded.action}
    if isinstance(attempt := getattr(event, "attempt", None), int):
        fields["attempt"] = attempt
    if isinstance(reason := getattr(event, "reason", getattr(event, "why", None)), Enum):
        fields["reason"] = str(reason)
    if isinstance(error := getattr(event, "error", None), e.ErrorInfo):
        fields["error_type"] = error.type
    if isinstance(event, e.SignalAwaited | e.SignalReceived):
        fields["signal"] = event.signal
    if isinstance(event, e.ActionFailed | e.ActionUnknown | e.CompensationFailed):
        fields["is_final"] = event.retry_at is None
    return fields
