"""What a service wants to know while its runs are under way: traces, metrics and structured log lines.

`Observer` is the seam, and nothing here needs more than the standard library. OpenTelemetry is in
`amends.telemetry.otel`, with `amends[otel]`.
"""

from ..saga.observing import Attempt, Figures, ObservedRun, Observer, Recorded, Start
from .lines import RunFields, RunLogger

__all__ = ["Attempt", "Figures", "ObservedRun", "Observer", "Recorded", "RunFields", "RunLogger", "Start"]
