"""How long runs and steps take, by saga and by action: figures over the newest of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Any

from .audit_search import times
from .database import Transaction
from .projection import Cell

__all__ = ["AuditDurations", "Durations", "read_durations"]

RUN_LIMIT = 1_000
"""How many runs are looked at: what a page can afford, whatever the size of the log."""

STEP_LIMIT = 20_000


@dataclass(frozen=True)
class Durations:
    """How long something takes.

    Attributes:
        name: of the saga, or of the action.
        ended_count: how many that have ended were looked at.
        failed_count: how many of them failed: runs that did not complete, steps that failed for good.
        median_seconds: half of them took no longer.
        p95_seconds: of twenty, nineteen took no longer.
        longest_seconds: none took longer.
    """

    name: str
    ended_count: int
    failed_count: int
    median_seconds: float
    p95_seconds: float
    longest_seconds: float


@dataclass(frozen=True)
class AuditDurations:
    """How long runs and their steps take, by name.

    Attributes:
        sagas: from the start of a run to its end; of one that was undone after it had completed, to its completion.
        actions: from the first attempt of a step to the end of its last one, with the waits between them.
    """

    sagas: Sequence[Durations]
    actions: Sequence[Durations]


def read_durations(transaction: Transaction, since: datetime | None, until: datetime | None) -> AuditDurations:
    """Look at the newest 1,000 runs of a range of time.

    Raises:
        InvalidValue: a time has no time zone.
    """
    asked = times(since=since, until=until)
    wanted: dict[str, Cell] = {**asked, "limit": RUN_LIMIT}
    runs = transaction.records("audit_run_spans", wanted, frozenset(asked))
    steps = transaction.records("audit_step_spans", {**wanted, "step_limit": STEP_LIMIT}, frozenset(asked))
    return AuditDurations(durations(runs), durations(steps))


def durations(rows: Iterable[dict[str, Any]]) -> Sequence[Durations]:
    """Return the figures of rows with a name, a start and an end, by name. Pure."""
    spans: defaultdict[str, list[float]] = defaultdict(list)
    failed: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        name, end = row["name"] or "?", row.get("completed_at") or row["ended_at"]
        spans[name].append(max(0.0, (end - row["started_at"]) / timedelta(seconds=1)))
        failed[name] += bool(row["has_failed"])
    return [_figures(name, sorted(spans[name]), failed[name]) for name in sorted(spans)]


def _figures(name: str, spans: list[float], failed_count: int) -> Durations:
    cuts = quantiles(spans, n=20, method="inclusive") if len(spans) > 1 else spans * 19
    return Durations(name, len(spans), failed_count, cuts[9], cuts[18], spans[-1])
