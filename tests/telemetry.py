"""The real OpenTelemetry SDK, of one pretended process, with exporters that a test can read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from amends.telemetry.otel import OpenTelemetry

__all__ = ["Sdk", "parent_of"]


class Sdk:
    """The SDK as a service would set it up.

    Attributes:
        observer: what a coordinator is given.
        tracer: for spans of the service itself, and of its handlers.
    """

    def __init__(self, *, messages: bool = False, **keywords: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider(**keywords)
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        meters = MeterProvider([self._reader])
        self.observer = OpenTelemetry(tracer_provider=tracers, meter_provider=meters, messages=messages)
        self.tracer = tracers.get_tracer("the service")

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in that order."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only span of a name."""
        (span,) = self.named(name)
        return span

    @contextmanager
    def caller(self, name: str = "POST /signup") -> Iterator[str]:
        """Be in a span of the service; yields its trace id."""
        with self.tracer.start_as_current_span(name) as span:
            yield format_trace_id(span.get_span_context().trace_id)

    def metrics(self) -> dict[str, dict[tuple[str, ...], Any]]:
        """What the instruments say now: the value, or the count of a histogram, by the values of the attributes."""
        collected = self._reader.get_metrics_data()
        found: dict[str, dict[tuple[str, ...], Any]] = {}
        for resource in collected.resource_metrics if collected else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = found.setdefault(metric.name, {})
                    for point in metric.data.data_points:
                        key = tuple(str(value) for _, value in sorted((point.attributes or {}).items()))
                        points[key] = point.value if hasattr(point, "value") else point.count
        return found

    def instruments(self) -> dict[str, Any]:
        """The metrics themselves, by name."""
        collected = self._reader.get_metrics_data()
        scopes = [
            scope for resource in (collected.resource_metrics if collected else ()) for scope in resource.scope_metrics
        ]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def everything(self) -> str:
        """All that has left the process, as text."""
        collected = self._reader.get_metrics_data()
        return "\n".join([*(span.to_json() for span in self.spans), collected.to_json() if collected else ""])


def parent_of(span: ReadableSpan) -> str | None:
    """The span id of a span's parent."""
    return None if span.parent is None else format_span_id(span.parent.span_id)
