"""The words of a story: every kind of event has some of its own."""

import pytest

from amends.saga import events as e
from amends.testing.phrases import _HAD, Phrases
from tests.unit.recorded import ZERO, at
from tests.unit.test_timeline_waits import UNDONE, awaits, fires, sleeps, told

LEFT = (e.Remaining(step="1", action="reserve", why=e.RemainingWhy.ABANDONED),)


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (sleeps("2", 1, 4), "the run sleeps at 2, until 12:00:04"),
        (awaits("3", "paid", 1), "the run waits for 'paid' at 3"),
        (awaits("3", "paid", 1, 5), "the run waits for 'paid' at 3, until 12:00:05 at most"),
        (fires("2", 4), "the wait at 2 is over: its time is up"),
        (told("paid", 5), "ada tells the run 'paid'"),
        (e.RunCommitted(occurred_at=ZERO, step="4"), "the run passes its point of no return at 4"),
        (UNDONE, "eve has the completed run undone: left"),
        (
            e.RunAbandoned(occurred_at=at(1), by="bob", reason="no use", remaining=LEFT),
            "bob abandons the run (no use), and what stands is reserve (abandoned)",
        ),
        (
            e.RunAbandoned(occurred_at=at(1), by="bob", reason="no use"),
            "bob abandons the run (no use), and what stands is nothing",
        ),
    ],
)
def test_what_is_waited_for_and_what_people_say_is_told(event: e.Event, sentence: str) -> None:
    assert Phrases([]).event(event) == sentence


def test_every_event_has_its_words() -> None:
    """Also for a fault that strikes while it is written."""
    people = {e.RunResumed, e.CompensationWaived}
    assert set(_HAD) | people == set(e.EVENT_TYPES)
