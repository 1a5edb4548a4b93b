"""Rows of the tables of limits, in both databases, and what they mean."""

import json
from collections.abc import Sequence
from typing import Any

from ...actions.rate import Rate
from .limits import Change, Held, Need, Sharing, Worker

__all__ = ["columns", "held", "sharing"]


def held(now_us: int, is_alive: int, workers: str, drawn: str) -> Held:
    """Return what a row of `..._share_read.sql` says."""
    rows = [_worker(*row) for row in json.loads(workers)]
    return Held(now_us, bool(is_alive), {row.worker: row for row in rows}, dict(json.loads(drawn)))


def sharing(row: Sequence[Any]) -> Sharing:
    """Return what a row of `..._shares.sql` says."""
    name, worker, size, rate_count, rate_us, taken, waiting = row
    return Sharing(name, worker, size, _rate(rate_count, rate_us), taken, waiting)


def columns(need: Need, change: Change) -> dict[str, Any]:
    """Return what is to be written, by the names of the columns."""
    worker = change.worker
    count, span = (worker.rate.count, round(worker.rate.per_seconds * 1e6)) if worker.rate else (None, None)
    return {
        **worker._asdict(),
        "limit": need.limit,
        "rate_count": count,
        "rate_us": span,
        "until_us": change.until_us,
        "token_count": change.token_count,
    }


def _worker(worker: str, size: int | None, count: int | None, span: int | None, *numbers: int) -> Worker:
    return Worker(worker, size, _rate(count, span), *numbers)


def _rate(count: int | None, span_us: int | None) -> Rate | None:
    return None if count is None or span_us is None else Rate(count, span_us / 1e6)
