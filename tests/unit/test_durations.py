"""How long runs and steps take, from what the audit view has of them."""

from typing import Any

from amends.projections import Durations
from amends.projections.audit_durations import durations
from tests.unit.recorded import at


def row(name: str | None, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "started_at": at(start), "ended_at": at(end), "has_failed": False, **more}


def test_the_figures_are_those_of_the_spans() -> None:
    spans = durations([row("buy", 0, number) for number in range(1, 102)])
    assert spans == [Durations("buy", 101, 0, 51.0, 96.0, 101.0)]


def test_one_span_is_all_figures() -> None:
    assert durations([row("buy", 1, 3)]) == [Durations("buy", 1, 0, 2.0, 2.0, 2.0)]


def test_names_are_told_apart_and_failures_counted() -> None:
    rows = [row("sell", 0, 1), row("buy", 0, 1, has_failed=True), row("buy", 0, 3, has_failed=1), row(None, 0, 1)]
    found = durations(rows)
    assert [(each.name, each.ended_count, each.failed_count) for each in found] == [
        ("?", 1, 0),
        ("buy", 2, 2),
        ("sell", 1, 0),
    ]


def test_a_run_that_was_undone_later_took_until_it_had_completed() -> None:
    """The time until somebody had it undone says nothing about the saga."""
    assert durations([row("buy", 0, 900, completed_at=at(2))])[0].longest_seconds == 2.0


def test_clocks_that_differ_make_no_negative_span() -> None:
    assert durations([row("buy", 5, 3)])[0].longest_seconds == 0.0
