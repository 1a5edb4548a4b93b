"""The checker of histories bites: each invariant finds the history that breaks it, and a good one breaks none."""

from collections.abc import Callable

import pytest

from amends.saga import events as e
from tests.checker import Entry, check_history, check_ledger
from tests.unit.recorded import at, did, doing, failed, started, undoing

Events = list[e.Event]


def failing(second: float) -> e.Event:
    return e.RunFailing(
        occurred_at=at(second), reason=e.FailingReason.SAGA_RAISED, error=e.ErrorInfo(type="", message="")
    )


def compensated(*remaining: e.Remaining) -> e.Event:
    return e.RunCompensated(occurred_at=at(99), remaining=remaining)


def completed(*unresolved: str) -> e.Event:
    return e.RunCompleted(occurred_at=at(99), output="null", unresolved=unresolved)


def two_undone() -> Events:
    """Two steps, one after the other, both undone."""
    done = [doing("1", "a", 1), did("1", 2), doing("2", "b", 3), did("2", 4)]
    return [*started(), *done, failing(5), *undoing("2", 6, 7), *undoing("1", 8, 9), compensated()]


def without(events: Events, *places: int) -> Events:
    return [event for place, event in enumerate(events) if place not in places]


def unknown(step: str, second: float) -> e.Event:
    return e.ActionUnknown(
        occurred_at=at(second), step=step, attempt=1, why=e.UnknownWhy.LOST, error=e.ErrorInfo(type="", message="")
    )


def swapped(events: Events, one: int, other: int) -> Events:
    events = list(events)
    events[one], events[other] = events[other], events[one]
    return events


def retried(key: str) -> Events:
    """One step that fails once, its second attempt with this key."""
    again = doing("1", "a", 3, attempt=2).model_copy(update={"idempotency_key": key, "input": None})
    return [*started(), doing("1", "a", 1), failed("1", 2, retry_at=3), again, did("1", 4, attempt=2), completed()]


def parked(*remaining: e.Remaining) -> Events:
    events = two_undone()[:8]
    stop = e.CompensationFailed(occurred_at=at(7), step="2", attempt=1, error=e.ErrorInfo(type="", message=""))
    park = e.RunParked(occurred_at=at(8), reason=e.ParkReason.UNDO_FAILED, detail="why", remaining=remaining)
    return [*events, stop, park]


FIRST = e.Remaining(step="1", action="a", why=e.RemainingWhy.HELD_BACK)
SECOND = e.Remaining(step="2", action="b", why=e.RemainingWhy.UNDO_FAILED)

BROKEN: dict[str, tuple[str, Callable[[], Events]]] = {
    "an event twice": ("nothing_twice", lambda: [*two_undone()[:4], *two_undone()[3:]]),
    "two starts": ("one_start_and_one_end", lambda: [*started(), *two_undone()]),
    "no start": ("one_start_and_one_end", lambda: two_undone()[1:]),
    "two ends": ("one_start_and_one_end", lambda: [*two_undone(), completed()]),
    "something after the end": ("one_start_and_one_end", lambda: [*two_undone(), failing(100)]),
    "a skipped attempt": (
        "steps_follow_the_automaton",
        lambda: [*started(), doing("1", "a", 1, attempt=2), did("1", 2, attempt=2), completed()],
    ),
    "an end without a beginning": ("steps_follow_the_automaton", lambda: [*started(), did("1", 2), completed()]),
    "an end of another attempt": (
        "steps_follow_the_automaton",
        lambda: [*started(), doing("1", "a", 1), did("1", 2, attempt=2), completed()],
    ),
    "an undo that ended before it began": ("steps_follow_the_automaton", lambda: swapped(two_undone(), 7, 8)),
    "two successes": (
        "one_success_a_step",
        lambda: [*started(), doing("1", "a", 1), did("1", 2), did("1", 3), completed()],
    ),
    "something new in a failing run": ("nothing_new_when_failing", lambda: swapped(two_undone(), 4, 6)),
    "an undo before the other branch ended": ("undo_only_when_all_is_settled", lambda: swapped(two_undone(), 5, 7)),
    "an undo before the failure": ("undo_only_when_all_is_settled", lambda: swapped(two_undone(), 6, 7)),
    "a step that was not undone": ("what_is_undone", lambda: without(two_undone(), 9, 10)),
    "an unknown step that was not undone": (
        "what_is_undone",
        lambda: [*started(), doing("1", "a", 1), unknown("1", 2), failing(3), compensated()],
    ),
    "a failed step that was undone": (
        "what_is_undone",
        lambda: [*started(), doing("1", "a", 1), failed("1", 2), failing(3), *undoing("1", 4, 5), compensated()],
    ),
    "undone in forward order": (
        "the_unwind_is_the_mirror",
        lambda: [*two_undone()[:7], *undoing("1", 6, 7), *undoing("2", 8, 9), compensated()],
    ),
    "undone side by side": ("the_unwind_is_the_mirror", lambda: swapped(two_undone(), 8, 9)),
    "completed with a step under way": (
        "ends_say_what_is_so",
        lambda: [*started(), doing("1", "a", 1), completed()],
    ),
    "completed, but undone": ("ends_say_what_is_so", lambda: [*two_undone()[:-1], completed()]),
    "an unknown step kept silent": (
        "ends_say_what_is_so",
        lambda: [*started(), doing("1", "a", 1), unknown("1", 2), completed()],
    ),
    "compensated with something irreversible": (
        "ends_say_what_is_so",
        lambda: [*started(), doing("1", "a", 1, irreversible=True), did("1", 2), failing(3), compensated()],
    ),
    "a remainder that is none": ("ends_say_what_is_so", lambda: [*two_undone()[:-1], compensated(FIRST)]),
    "parked without the rest": ("parked_says_why_and_what", lambda: parked(SECOND)),
    "an epoch twice": ("epochs_rise", lambda: [*two_undone()[:2], two_undone()[1], *two_undone()[2:]]),
    "another key for the second attempt": ("keys_are_stable", lambda: retried("another")),
}


@pytest.mark.parametrize(("invariant", "make"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_history_is_found(invariant: str, make: Callable[[], Events]) -> None:
    """By the invariant that it breaks, among others."""
    assert invariant in {breach.split(":")[0] for breach in check_history(make())}


@pytest.mark.parametrize(
    "events",
    [two_undone(), two_undone()[:-3], retried("key-1"), parked(FIRST, SECOND), [*started(), completed()]],
    ids=["undone", "under way", "retried", "parked", "empty"],
)
def test_a_good_history_breaks_nothing(events: Events) -> None:
    """Also one that is not over yet."""
    assert check_history(events) == []


def entry(kind: str, step: str, attempt: int = 1, key: str = "") -> Entry:
    return Entry(kind, "run", "a", step, attempt, key or f"{'key' if kind == 'do' else 'undo'}-{step}")


@pytest.mark.parametrize(
    ("ledger", "sound"),
    [
        ([entry("do", "1"), entry("do", "2"), entry("undo", "2")], True),
        ([entry("do", "3")], False),
        ([entry("do", "1", attempt=2)], False),
        ([entry("do", "1", key="another")], False),
        ([entry("do", "1"), entry("do", "1")], False),
        ([entry("undo", "1"), entry("undo", "1")], False),
        ([entry("probe", "9", key="any")], True),
    ],
)
def test_the_ledger_is_held_against_the_log(ledger: list[Entry], sound: bool) -> None:
    """No entry without its started event, and at most one for each."""
    assert (check_ledger(two_undone(), ledger) == []) is sound
