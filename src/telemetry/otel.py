"""OpenTelemetry: spans and metrics of the runs of a coordinator. Needs `amends[otel]`, which is the API alone.

Which spans there are and who is whose parent is in `tracing.py`, the metrics are in `metrics.py`, and why both are as
they are in decision record 029.
"""

from contextlib import AbstractContextManager

try:
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import TracerProvider, get_tracer
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"amends.telemetry.otel needs {missing.name}: pip install 'amends[otel]'", name=missing.name
    ) from None

from ..saga.observing import Attempt, Observer, ReadFigures, Recorded, Start
from .metrics import Metrics
from .tracing import Tracing

__all__ = ["OpenTelemetry"]


class OpenTelemetry(Observer):
    """Turns what happens to runs into spans and metrics. Never an input, an output or the value of a tag.

    Args:
        tracer_provider: of whom the tracer is asked; the global one unless given.
        meter_provider: likewise.
        messages: put the texts of errors into spans as well, redacted and cut as they are in the log. They are whatever
            a handler raised, and may hold what it was given.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        messages: bool = False,
    ) -> None:
        self._tracing = Tracing(get_tracer("amends", tracer_provider=tracer_provider), messages=messages)
        self._metrics = Metrics(get_meter("amends", meter_provider=meter_provider))

    def opened(self, figures: ReadFigures) -> None:
        """Read the coordinator's figures from now on, whenever metrics are collected."""
        self._metrics.opened(figures)

    def closed(self, figures: ReadFigures) -> None:
        """Read them no more."""
        self._metrics.closed(figures)

    def starting(self, start: Start) -> AbstractContextManager[str | None]:
        """Make the span of a start, whose context is recorded with the run."""
        return self._tracing.starting(start)

    def attempting(self, attempt: Attempt) -> AbstractContextManager[None]:
        """Make the span of an attempt, which is the parent of the spans that the handler makes."""
        return self._tracing.attempting(attempt, self._metrics.attempted)

    def recorded(self, recorded: Recorded) -> None:
        """Count the event, and make the span of what it ends."""
        self._metrics.recorded(recorded)
        self._tracing.recorded(recorded)
