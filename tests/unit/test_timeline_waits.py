"""Waits, signals, points of no return and late undoing in the timeline: as values, text, JSON and a picture."""

from collections.abc import Sequence

import pytest
from hypothesis import given

from amends import RunStatus
from amends.console.paint import Paint
from amends.console.show_json import run_json
from amends.console.timeline import timeline
from amends.console.timeline_svg import timeline_svg
from amends.console.timeline_text import timeline_text
from amends.console.timeline_waits import WaitEnd
from amends.saga import events as e
from amends.saga.state import fold
from amends.saga.waits import WaitStatus
from tests.unit.recorded import BUSY, ZERO, at, did, doing, started, undoing
from tests.unit.test_timeline_svg import drawn, words
from tests.walks import walks


def sleeps(step: str, start: float, due: float) -> e.Event:
    return e.TimerSet(occurred_at=at(start), step=step, due_at=at(due))


def awaits(step: str, signal: str, start: float, due: float | None = None) -> e.Event:
    return e.SignalAwaited(occurred_at=at(start), step=step, signal=signal, due_at=None if due is None else at(due))


def fires(step: str, when: float) -> e.Event:
    return e.TimerFired(occurred_at=at(when), step=step)


def told(signal: str, when: float, by: str = "ada") -> e.Event:
    return e.SignalReceived(occurred_at=at(when), signal=signal, payload='"secret"', by=by, key=f"{by}{when}")


def claimed(when: float, epoch: int = 2, *, lapsed: bool = False) -> e.Event:
    return e.RunClaimed(occurred_at=at(when), worker="w2", epoch=epoch, lapsed=lapsed)


UNDONE = e.RunFailing(
    occurred_at=at(20), reason=e.FailingReason.UNDONE, error=e.ErrorInfo(type="Undone", message="left"), by="eve"
)

APPROVAL: Sequence[e.Event] = [
    *started(),
    doing("1", "reserve", 0),
    did("1", 1),
    sleeps("2", 1, 4),
    claimed(4),
    fires("2", 4),
    awaits("3", "approved", 4, 99),
    told("approved", 8),
    claimed(8, 3),
    e.RunCommitted(occurred_at=at(8), step="4"),
    doing("5", "charge", 8),
    did("5", 10),
    e.RunCompleted(occurred_at=at(10), output="null"),
]


def text_of(events: Sequence[e.Event]) -> str:
    return timeline_text(timeline("run", events), Paint(enabled=False))


def test_the_text_of_a_run_that_waits() -> None:
    """Waits are dots, a signal is a mark with who gave it, and a wake-up is nothing to shout about."""
    assert text_of(APPROVAL).splitlines() == [
        "run  onboard-user v1",
        "  1  reserve             ████                                1.00 s  succeeded",
        "  2  sleeps                 ··········                       3.00 s  over",
        "  3  waits for approved              ·············◆          4.00 s  told by ada",
        "  4  point of no return                           ┃                  at 8.00 s",
        "  5  charge                                       ███████    2.00 s  succeeded",
        "  goes on at 4.00 s  with worker w2",
        "  signal at 8.00 s  approved by ada",
        "  goes on at 8.00 s  with worker w2",
        "  completed after 10.00 s",
    ]


def test_the_json_of_a_run_that_waits() -> None:
    """The same, with names that only grow; and no payload."""
    shown = run_json("run", APPROVAL, with_events=False)
    assert shown["committed_at_seconds"] == 8
    assert shown["waits"][1] == {
        "step": "3",
        "signal": "approved",
        "slot": None,
        "start_seconds": 4.0,
        "took_seconds": 4.0,
        "end": "signalled",
        "due_at": at(99).isoformat(),
        "by": "ada",
    }
    assert "secret" not in str(shown)


def test_the_picture_of_a_run_that_waits() -> None:
    """A wait is a line of dots with its end beside it; the point of no return has its name."""
    said = words(drawn("run", APPROVAL))
    assert {"waits for approved", "told by ada", "sleeps", "over", "point of no return", "approved by ada"} <= set(said)
    assert not any(text.startswith("Goes on") or "taken over" in text.lower() for text in said)


@pytest.mark.parametrize(
    ("claim", "kind"),
    [(claimed(5), "goes on"), (claimed(5, lapsed=True), "taken over")],
)
def test_only_what_was_taken_from_somebody_is_taken_over(claim: e.Event, kind: str) -> None:
    """A run that only waited was nobody's; an owner that had fallen silent is something to know."""
    notes = timeline("run", [*started(), sleeps("1", 1, 5), claim]).notes
    assert [note.kind for note in notes] == [kind]


def test_a_claim_in_the_middle_of_work_is_a_take_over() -> None:
    notes = timeline("run", [*started(), doing("1", "a", 0), claimed(3)]).notes
    assert [note.kind for note in notes] == ["taken over"]


def test_a_wait_that_is_not_over_says_so() -> None:
    """With until when; and the last line says since when, because nothing has happened since."""
    deadline = e.RunStarted(occurred_at=ZERO, saga="s", saga_version=1, input="{}", deadline=at(3600))
    text = text_of([deadline, awaits("1", "paid", 2, 60)])
    assert "still waiting until 2026-03-01 12:01:00 UTC" in text
    assert text.splitlines()[-1] == "  running: waits for paid since 2026-03-01 12:00:02 UTC"
    assert timeline("run", [deadline]).deadline == at(3600)


def test_a_signal_that_came_before_its_wait_ends_it_at_once() -> None:
    """And says who had given it; one that comes while nobody waits is a note alone."""
    seen = timeline("run", [*started(), told("paid", 1, "bob"), told("paid", 2, "eve"), awaits("1", "paid", 3)])
    (wait,) = seen.waits
    assert (wait.end, wait.by, wait.took) == (WaitEnd.SIGNALLED, "bob", 0)
    assert [note.text for note in seen.notes] == ["paid by bob", "paid by eve"]


def test_a_completed_run_that_is_undone_says_who_wanted_it() -> None:
    """It has its unwind below the line, as any other."""
    events = [*APPROVAL[:-4], doing("5", "charge", 8), did("5", 9), APPROVAL[-1], UNDONE, claimed(20, 4)]
    events += [*undoing("5", 20, 21), *undoing("1", 21, 22), e.RunCompensated(occurred_at=at(22))]
    seen = timeline("run", events)
    assert (seen.failing_at, seen.status) == (20, RunStatus.COMPENSATED)
    (note,) = [note for note in seen.notes if note.kind == "undone"]
    assert note.text == "on request, after it had completed: eve: left"
    assert "undone in 1.00 s" in words(drawn("run", events))


def test_an_abandoned_run_says_by_whom_and_what_stands() -> None:
    left = (e.Remaining(step="1", action="reserve", why=e.RemainingWhy.ABANDONED),)
    abandoned = e.RunAbandoned(occurred_at=at(5), by="bob", reason="no use", remaining=left)
    text = text_of([*started(), doing("1", "reserve", 0), did("1", 1), awaits("2", "paid", 1), abandoned])
    assert "abandoned at 5.00 s  by bob: no use" in text
    assert "waits for paid" in text
    assert "given up" in text
    assert "remains  1 reserve (abandoned)" in text


def test_a_run_past_its_deadline_has_a_line_for_it() -> None:
    events = [
        e.RunStarted(occurred_at=ZERO, saga="s", saga_version=1, input="{}", deadline=at(2)),
        awaits("1", "paid", 0),
        e.RunFailing(occurred_at=at(3), reason=e.FailingReason.DEADLINE, error=BUSY),
        e.RunCompensated(occurred_at=at(4)),
    ]
    assert "deadline" in words(drawn("run", events))


@given(events=walks())
def test_the_waits_of_a_timeline_are_those_of_the_fold(events: list[e.Event]) -> None:
    """In whatever order things happen, and whatever a person says in between; and all of it can be drawn."""
    seen, state = timeline("run", events), fold("run", events)
    ends = {WaitStatus.FIRED: WaitEnd.TIMED_OUT, WaitStatus.SIGNALLED: WaitEnd.SIGNALLED}
    for wait, known in zip(seen.waits, state.waits.all.values(), strict=True):
        still = WaitEnd.WAITING if known.path in state.waits.open else WaitEnd.LEFT
        assert (wait.step, wait.end) == (known.path, ends.get(known.status, still))
        assert bool(wait.by) is (wait.end is WaitEnd.SIGNALLED)
    assert len(seen.pivots) == sum(isinstance(event, e.RunCommitted) for event in events)
    assert text_of(events)
    assert timeline_svg(seen)
    assert run_json("run", events, with_events=True)


def test_a_run_may_be_told_something_before_it_begins() -> None:
    """While it waits for the limits of its saga."""
    begun = e.RunStarted(
        occurred_at=ZERO, saga="s", saga_version=1, input="{}", limits=(e.Limit(name="saga s", size=1),)
    )
    told = e.SignalReceived(occurred_at=at(1), signal="go", payload="null", by="ada", key="k")
    taken = e.SlotTaken(occurred_at=at(2), name="saga s", step="0.1")
    for events in ([begun, told], [begun, told, taken]):
        assert "saga s" in timeline_text(timeline("run", events), Paint(enabled=False))
