"""What a run has of slots, after each kind of event; and how that goes into the log."""

from datetime import UTC, datetime

import pytest

from amends.saga import events as e
from amends.saga import outbox
from amends.saga.events import Event
from amends.saga.log.port import Record, Slot
from amends.saga.slots import NONE, Slots, slots_after
from amends.saga.state import RunState

AT = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = e.RunStarted(occurred_at=AT, saga="s", saga_version=1, input="null", limits=(e.Limit(name="saga s", size=1),))
TAKEN = e.SlotTaken(occurred_at=AT, name="saga s", step="0.1")
PARKED = e.RunParked(occurred_at=AT, reason=e.ParkReason.DIVERGED, detail="")
ERROR = e.ErrorInfo(type="Cancelled", message="no")


def after(*events: Event) -> Slots:
    slots = NONE
    for event in events:
        slots = slots_after(slots, event)
    return slots


@pytest.mark.parametrize(
    "goes_on",
    [
        e.RunResumed(occurred_at=AT, by="ada", reason="?"),
        e.RunFailing(occurred_at=AT, reason=e.FailingReason.CANCELLED, error=ERROR, by="ada"),
    ],
)
def test_a_parked_run_that_goes_on_is_counted_again(goes_on: Event) -> None:
    """Whether it goes on forward or is undone."""
    assert after(STARTED, TAKEN, PARKED).wanted() == ()
    assert after(STARTED, TAKEN, PARKED, goes_on).wanted() == (Slot("saga s", 0),)


def test_what_a_run_has_already_is_never_asked_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of its parent's: it would wait behind its own parent if it died between the two events."""
    monkeypatch.setattr(outbox, "BATCH_BYTES", 10)
    box = outbox.Outbox(RunState("run"))
    events: list[Event] = [
        e.RunStarted(occurred_at=AT, saga="s", saga_version=1, input="null", parent="p", locks=("a",)),
        e.LockAwaited(occurred_at=AT, step="1", key="a"),
        e.SlotTaken(occurred_at=AT, name="lock a", step="1"),
    ]
    box.put(events, [Record("", b"x" * 20) for _ in events])
    batches = []
    while box:
        batches.append(box.next_batch(None))
        box.appended(batches[-1])
    assert [len(batch.events) for batch in batches] == [1, 2]
    assert not any(batch.asks for batch in batches)
