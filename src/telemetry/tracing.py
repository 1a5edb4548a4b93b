"""The spans of a run. Each is begun and ended by one process, and has a parent that was really exported.

`start`, the span of the call that started the run, is the parent of all others: its context is in `RunStarted`, so
whichever worker hosts the run continues the trace. `do` and `undo` are attempts, open while a handler is entered.
`step` and `compensate` stand for all attempts of one, `run` for the whole run. These know their ends only afterwards,
are made then, from the recorded times, and so are nobody's parent.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..saga.events import ErrorInfo
from ..saga.failures import describe
from ..saga.observing import Attempt, ObservedRun, Recorded, Start
from .ends import RunEnd, StepEnd, run_end, step_end

Attributes = Mapping[str, str | int]

_W3C = TraceContextTextMapPropagator()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tracing:
    """Makes the spans.

    Args:
        tracer: of whom they are asked.
        messages: put the texts of errors into them.
    """

    def __init__(self, tracer: Tracer, *, messages: bool) -> None:
        self._tracer = tracer
        self._messages = messages

    @contextmanager
    def starting(self, start: Start) -> Iterator[str | None]:
        """Make the span of a start, a child of the caller's; yields its context.

        For a run that was there already, the span links to where that began.
        """
        attributes: Attributes = {
            "amends.run_id": start.run_id,
            "amends.saga": start.saga,
            "amends.saga_version": start.saga_version,
        }
        span = self._tracer.start_span(f"start {start.saga}", kind=SpanKind.PRODUCER, attributes=attributes)
        own = _traceparent(span) or _traceparent(get_current_span())  # Without an SDK a span may be nothing at all.
        try:
            yield own
        finally:
            if start.error is not None:
                self._blame(span, describe(start.error))
            elif start.trace is not None and start.trace != own:
                span.add_link(get_current_span(_context(start.trace)).get_span_context())
            span.end()

    @contextmanager
    def attempting(self, attempt: Attempt, ended: Callable[[Attempt], None]) -> Iterator[None]:
        """Make the span of an attempt, the current one for the handler; `ended` is called within it, at its end."""
        began = _nanoseconds(attempt.began_at)
        parent = _context(attempt.run.trace)
        span = self._tracer.start_span(
            f"{'undo' if attempt.undoes else 'do'} {attempt.action}",
            parent,
            SpanKind.CONSUMER,
            _attributes(attempt.run, attempt.step, attempt.action) | {"amends.attempt": attempt.attempt},
            start_time=began,
        )
        # Never on top of the context at hand: that is of whoever started the run here, or of nobody, by chance.
        is_real = span.get_span_context().is_valid
        token = attach(set_span_in_context(span, Context()) if is_real else parent)
        try:
            yield
        finally:
            try:
                ended(attempt)
            finally:
                detach(token)
                at = began + round(attempt.seconds * 1e9)
                span.set_attribute("amends.outcome", attempt.outcome.value)
                self._blame(span, attempt.error, at)
                span.end(at)

    def recorded(self, recorded: Recorded) -> None:
        """Make the span of what the event ends."""
        if (step := step_end(recorded)) is not None:
            if step.attempts > 1:  # The span of a single attempt says it all.
                self._step(recorded, step)
        elif (end := run_end(recorded.run, recorded.event)) is not None:
            self._run(recorded.run, end)

    def _step(self, recorded: Recorded, end: StepEnd) -> None:
        path: str = getattr(recorded.event, "step", "")
        action = recorded.action or ""
        span = self._tracer.start_span(
            f"{'compensate' if end.undoes else 'step'} {action}",
            _context(recorded.run.trace),
            attributes=_attributes(recorded.run, path, action)
            | {"amends.attempts": end.attempts, "amends.outcome": end.outcome.value},
            start_time=_nanoseconds(end.began_at),
        )
        at = _nanoseconds(max(end.began_at, end.ended_at))
        self._blame(span, end.error, at)
        span.end(at)

    def _run(self, run: ObservedRun, end: RunEnd) -> None:
        span = self._tracer.start_span(
            f"run {run.saga}",
            _context(run.trace),
            attributes=_attributes(run) | {"amends.status": end.status.value},
            start_time=_nanoseconds(end.began_at),
        )
        if end.reason is not None:
            span.set_attribute("error.type", end.reason)
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(max(end.began_at, end.ended_at)))

    def _blame(self, span: Span, error: ErrorInfo | None, at: int | None = None) -> None:
        if error is None:
            return
        text = error.message if self._messages else None
        span.set_attribute("error.type", error.type)
        span.set_status(Status(StatusCode.ERROR, text))
        exception = {"exception.type": error.type}
        span.add_event("exception", exception if text is None else exception | {"exception.message": text}, at)


def _attributes(run: ObservedRun, step: str | None = None, action: str | None = None) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "amends.run_id": run.run_id,
        "amends.saga": run.saga,
        "amends.saga_version": run.saga_version,
    }
    if step is not None and action is not None:
        attributes |= {"amends.step": step, "amends.action": action}
    return attributes


def _traceparent(span: Span) -> str | None:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    return carrier.get("traceparent")


@lru_cache(maxsize=4_096)
def _context(trace: str | None) -> Context:
    """Return the context of a run; an empty one, never the one at hand, where none is recorded or it is no good."""
    return _W3C.extract({"traceparent": trace}, Context()) if trace else Context()


def _nanoseconds(at: datetime) -> int:
    """Return the time as OpenTelemetry has it, without the rounding of a float of that size."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000
