"""What the timeline says about a run, and how its text and picture show it."""

import pytest

from amends import RunStatus
from amends.console.timeline import End, Timeline, timeline
from amends.console.timeline_axis import ticks
from amends.console.timeline_layout import CHART, MAX_ROWS, RIGHT, Band, Layout, layout
from amends.saga import events as e
from tests.unit.recorded import BUSY, at, did, doing, failed, started, undoing, unwound_run


def steps(plan: Layout) -> list[Band]:
    return [band for band in plan.above if isinstance(band, Band)]


def unwound() -> Timeline:
    return timeline("run-1", unwound_run())


def test_rows_are_steps_in_the_order_in_which_they_began() -> None:
    """With their actions."""
    rows = [(row.step, row.action) for row in unwound().rows]
    assert rows == [("1", "create-user-in-db"), ("2", "send-welcome-email"), ("3", "update-crm-contact")]


def test_attempts_have_times_ends_and_errors() -> None:
    """In seconds since the run's start; the last one is not followed by another."""
    attempts = unwound().rows[2].attempts
    assert [(a.number, a.start, a.stop, a.end, a.retried) for a in attempts] == [
        (1, 0.066, 0.19, End.FAILED, True),
        (2, 0.4, 0.52, End.FAILED, True),
        (3, 0.86, 0.985, End.FAILED, False),
    ]
    assert attempts[0].error == "CrmUnavailable: 503 Service Unavailable: The CRM is down for maintenance"


def test_an_undo_is_in_the_row_of_its_step() -> None:
    """And nowhere else."""
    undo = [[(a.number, a.start, a.stop, a.end) for a in row.undo] for row in unwound().rows]
    assert undo == [[(1, 0.99, 1.05, End.COMPENSATED)], [], []]


def test_the_end_and_what_remains_are_the_runs_own() -> None:
    """Taken from the same fold as the engine's."""
    seen = unwound()
    assert (seen.status, seen.took, seen.failing_at) == (RunStatus.PARTIALLY_COMPENSATED, 1.055, 0.985)
    assert [row.standing for row in seen.rows] == [None, e.RemainingWhy.IRREVERSIBLE, None]


def test_an_attempt_under_way_reaches_to_the_last_event() -> None:
    """Nobody knows more than the log."""
    seen = timeline("run-1", [*started(), doing("1", "a", 0.5), doing("2", "b", 1.0), did("2", 3.0)])
    (attempt,) = seen.rows[0].attempts
    assert (attempt.start, attempt.stop, attempt.end) == (0.5, 3.0, End.RUNNING)
    assert seen.status is RunStatus.RUNNING


def test_an_unknown_attempt_says_so() -> None:
    """With the reason that was recorded."""
    lost = e.ErrorInfo(type="some.module.OutcomeUnknown", message="no answer")
    unknown = e.ActionUnknown(occurred_at=at(2), step="1", attempt=1, why=e.UnknownWhy.LOST, error=lost)
    (row,) = timeline("run-1", [*started(), doing("1", "a", 1), unknown]).rows
    assert (row.attempts[0].end, row.attempts[0].error) == (End.UNKNOWN, "OutcomeUnknown: no answer")


def test_people_and_workers_who_intervened_are_noted() -> None:
    """A second claim, a parked run, a resumption and a waiver, each with its time."""
    remaining = (e.Remaining(step="1", action="a", why=e.RemainingWhy.UNDO_FAILED),)
    history = [
        *started(),
        doing("1", "a", 1),
        did("1", 2),
        e.RunClaimed(occurred_at=at(3), worker="w2", epoch=2),
        e.RunFailing(occurred_at=at(4), reason=e.FailingReason.CANCELLED, error=BUSY, by="ann"),
        e.CompensationStarted(occurred_at=at(5), step="1", attempt=1, idempotency_key="k"),
        e.CompensationFailed(occurred_at=at(6), step="1", attempt=1, error=BUSY),
        e.RunParked(occurred_at=at(7), reason=e.ParkReason.UNDO_FAILED, detail="step 1", remaining=remaining),
        e.RunResumed(occurred_at=at(8), by="bob", reason="looked"),
        e.CompensationWaived(occurred_at=at(9), step="1", by="bob", reason="done by hand"),
    ]
    notes = [(note.at, note.kind) for note in timeline("run-1", history).notes]
    assert notes == [(3, "taken over"), (4, "failing"), (7, "parked"), (8, "resumed"), (9, "waived")]
    assert timeline("run-1", history).rows[0].waived == "bob: done by hand"


def test_clocks_that_disagree_never_draw_backwards() -> None:
    """The second worker's clock is behind the first one's."""
    seen = timeline("run-1", [*started(), doing("1", "a", 5), did("1", 3), doing("2", "b", -1)])
    assert [(a.start, a.stop) for row in seen.rows for a in row.attempts] == [(5, 5), (0, 5)]


def test_no_events_are_an_empty_run() -> None:
    """And not an error."""
    seen = timeline("run-1", [])
    assert (seen.rows, seen.took, seen.status) == ((), 0.0, RunStatus.RUNNING)


def test_below_the_line_the_last_step_is_first() -> None:
    """The mirror: nearest to the line on both sides."""
    plan = layout(unwound())
    assert [band.row.step for band in steps(plan)] == ["1", "2", "3"]
    assert [band.row.step for band in plan.below] == ["3", "2", "1"]
    assert max(band.middle for band in plan.above) < plan.line < min(band.middle for band in plan.below)


def test_a_run_that_did_not_fail_has_nothing_below() -> None:
    """There is nothing to mirror."""
    assert layout(timeline("run-1", [*started(), doing("1", "a", 1), did("1", 2)])).below == ()


def test_a_long_run_is_drawn_from_its_end() -> None:
    """And says how much is left out."""
    history = [event for n in range(1, 101) for event in (doing(str(n), "a", n), did(str(n), n + 0.5))]
    plan = layout(timeline("run-1", [*started(), *history]))
    assert (len(plan.above), steps(plan)[-1].row.step, plan.left_out) == (MAX_ROWS, "100", 100 - MAX_ROWS)


def test_a_caption_says_what_went_wrong() -> None:
    """Once, with a count, where it was the same each time."""
    other = e.ErrorInfo(type="KeyError", message="'x'")
    history = [
        *started(),
        doing("1", "a", 1),
        failed("1", 2, retry_at=3),
        doing("1", "a", 3, attempt=2),
        failed("1", 4, attempt=2, error=other),
        doing("2", "b", 1),
        failed("2", 2),
        *undoing("1", 5, 6),
    ]
    captions = [band.caption for band in steps(layout(timeline("run-1", history)))]
    assert captions == ["2 failures, the last: KeyError: 'x'", f"CrmUnavailable: {BUSY.message}"]
    assert steps(layout(unwound()))[2].caption.startswith("3 times CrmUnavailable: 503")


def test_the_axis_begins_where_what_is_drawn_begins() -> None:
    """Else a long run would stand at the right edge, behind an empty chart."""
    history = [event for n in range(1, 201) for event in (doing(str(n), "a", n), did(str(n), n + 0.5))]
    seen = timeline("run-1", [*started(), *history])
    plan = layout(seen)
    assert plan.begin == 200 - MAX_ROWS + 1
    assert plan.x(plan.begin) == plan.x(0) == CHART
    assert plan.x(seen.took) == RIGHT - 14
    assert layout(unwound()).begin == 0
    assert ticks(seen.took, plan.begin)[0].label == "165 s"


SPANS = (0.0, 1e-6, 0.0013, 0.002, 0.019, 0.1, 0.99, 1.0, 7.7, 61.0, 119.9, 120.0, 1371.0, 3600.0, 7300.0, 1.8e5, 2.6e6)


@pytest.mark.parametrize("span", SPANS)
def test_a_scale_has_round_ticks_for_any_span(span: float) -> None:
    """From a microsecond to a month; never many, no two alike, in one unit, and the first of them is 0."""
    found = ticks(span)
    assert 1 <= len(found) <= 9
    moments, labels = [tick.at for tick in found], [tick.label for tick in found]
    assert moments == sorted(set(moments))
    assert moments[-1] <= span + 1e-9
    assert labels[0] == "0"
    assert len(set(labels)) == len(labels)
    assert len({label.partition(" ")[2] for label in labels[1:]}) <= 1
    assert len(found) > 2 or not span


@pytest.mark.parametrize("begin", [35.1234, 3599.99, 1e5])
@pytest.mark.parametrize("span", SPANS[1:])
def test_a_scale_that_begins_late_has_labels_that_differ(begin: float, span: float) -> None:
    labels = [tick.label for tick in ticks(begin + span, begin)]
    assert 1 <= len(labels) == len(set(labels)) <= 9


def test_a_retry_is_told_as_one() -> None:
    """To resume is another command. The kind, which programs read, is the same."""
    history = [
        *started(),
        doing("1", "a", 0),
        failed("1", 1),
        e.RunResumed(occurred_at=at(1), by="ann", reason="mended", retries=("1",)),
        e.RunResumed(occurred_at=at(2), by="ann", reason="deployed"),
    ]
    notes = timeline("run-1", history).notes
    assert [(note.word, note.kind) for note in notes] == [("retried", "resumed"), ("resumed", "resumed")]
