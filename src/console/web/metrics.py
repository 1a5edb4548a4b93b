"""What Prometheus reads at `/metrics`: how often what was asked, how long it took, and what the coordinator has to do.

Labels are routes of the table, methods and statuses: a closed set, whatever is asked for. No run, no name.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from ...errors import CoordinatorClosed
from ...saga.coordinator import Coordinator

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one console.

    Args:
        coordinator: of whose runs.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self._requests = Counter("amends_http_requests", "Requests", labels, registry=self._registry)
        self._seconds = Histogram(
            "amends_http_request_seconds", "Until the answer began", ("route", "method"), registry=self._registry
        )
        self._registry.register(_OfCoordinator(coordinator))

    def counted(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def text(self) -> bytes:
        """Return all of them, as Prometheus reads them."""
        return generate_latest(self._registry)


class _OfCoordinator(Collector):
    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def collect(self) -> Iterable[Metric]:
        try:
            _, hosting = self._coordinator.runs.opened()
        except CoordinatorClosed:
            return
        figures = hosting.figures()
        for name, said, value in (
            ("amends_hosted_runs", "Runs that are hosted in this process", figures.hosted_count),
            ("amends_log_waiting_appends", "Appends that wait for the database", figures.backlog.append_count),
            ("amends_log_waiting_bytes", "Bytes that wait for the database", figures.backlog.size_bytes),
            ("amends_log_commits", "Transactions so far", figures.backlog.commit_count),
        ):
            yield GaugeMetricFamily(name, said, value)
