"""What a hook is told, made of events alone."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amends import RunStatus
from amends.projections import RecordedEvent, RunNotice
from amends.projections.notices import QUIET_TOPICS, notice_of, passes_over
from amends.saga import events as e
from amends.saga.access import ACCESS_TYPES
from amends.saga.ids import checked_run_id
from tests.unit.recorded import BUSY, ZERO, unwound_run

STARTED = e.RunStarted(occurred_at=ZERO, saga="onboard", saga_version=2, input="{}", tags={"tenant": "acme"})
FAILING = e.RunFailing(occurred_at=ZERO, reason=e.FailingReason.ACTION_FAILED, error=BUSY, action="crm", step="3")
LEFT = (e.Remaining(step="1", action="user", why=e.RemainingWhy.UNDO_FAILED),)
PARKED = e.RunParked(occurred_at=ZERO, reason=e.ParkReason.UNDO_FAILED, detail="cannot undo user", remaining=LEFT)


def notice(event: e.Event, *facts: e.Event, run_id: str = "run", position: int = 7) -> RunNotice | None:
    return notice_of("alerts", RecordedEvent(position, run_id, 5, event), facts or (STARTED, FAILING))


def test_a_parked_run_is_told_with_why_and_what_remains() -> None:
    """And with what it was started with, so that a hook need not ask for it."""
    told = notice(PARKED)
    assert told is not None
    assert (told.run_id, told.saga, told.saga_version, told.tags) == ("run", "onboard", 2, {"tenant": "acme"})
    assert (told.status, told.reason, told.detail) == (RunStatus.PARKED, "undo_failed", "cannot undo user")
    assert (told.action, told.remaining, told.position) == ("crm", LEFT, 7)


@pytest.mark.parametrize(
    ("event", "status", "reason"),
    [
        (e.RunCompleted(occurred_at=ZERO, output="1"), RunStatus.COMPLETED, None),
        (e.RunCompensated(occurred_at=ZERO), RunStatus.COMPENSATED, "action_failed"),
        (e.RunCompensated(occurred_at=ZERO, remaining=LEFT), RunStatus.PARTIALLY_COMPENSATED, "action_failed"),
    ],
)
def test_an_end_is_told_with_how_the_run_ended(event: e.Event, status: RunStatus, reason: str | None) -> None:
    """And why it was undone, if it was."""
    told = notice(event, *((STARTED,) if reason is None else (STARTED, FAILING)))
    assert told is not None
    assert (told.status, told.reason) == (status, reason)
    assert (told.detail is None) is (reason is None)


def test_an_abandoned_run_is_told_of_with_who_and_why() -> None:
    event = e.RunAbandoned(occurred_at=PARKED.occurred_at, by="ada", reason="enough", remaining=PARKED.remaining)
    told = notice(event)
    assert told is not None
    assert (told.status, told.reason, told.detail) == (RunStatus.ABANDONED, None, "abandoned by ada: enough")
    assert told.remaining == PARKED.remaining


def test_of_everything_else_nobody_is_told() -> None:
    """What is told and what is quiet are all the events that there are, and no others."""
    told = {event.TOPIC for event in (e.RunParked, e.RunCompleted, e.RunCompensated, e.RunAbandoned)}
    assert told.isdisjoint(QUIET_TOPICS)
    assert told | QUIET_TOPICS == {kind.TOPIC for kind in (*e.EVENT_TYPES, *ACCESS_TYPES)}
    for event in unwound_run()[:-1]:
        assert event.TOPIC in QUIET_TOPICS
        assert notice(event) is None


def test_a_run_without_a_start_cannot_be_told_of() -> None:
    """Its notice is set aside, and says why."""
    with pytest.raises(ValueError, match="RunStarted"):
        notice_of("alerts", RecordedEvent(7, "run", 5, PARKED), ())


@given(run_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,199}", fullmatch=True), position=st.integers(1, 2**63))
def test_a_key_can_be_the_id_of_a_run(run_id: str, position: int) -> None:
    """However long the run's own id is; and it is recognised, also when it was cut."""
    told = notice(PARKED, run_id=run_id, position=position)
    assert told is not None
    key = told.idempotency_key
    assert checked_run_id(key) == key
    ended = notice(e.RunCompensated(occurred_at=ZERO), run_id=key)
    assert ended is not None
    assert passes_over("alerts", ended)


def test_keys_differ_where_notices_do() -> None:
    """By run, also behind the place where a long id is cut; by position; by hooks."""
    long_ids = ["x" * 199 + "a", "x" * 199 + "b"]
    keys = {notice(PARKED, run_id=run_id, position=at).idempotency_key for run_id in long_ids for at in (7, 8)}  # type: ignore[union-attr]
    assert len(keys) == 4
    assert notice(PARKED).idempotency_key == "alerts:run:7"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("run_id", "event", "passed_over"),
    [
        ("signup:ada", PARKED, False),
        ("alerts:signup:ada:7", e.RunCompensated(occurred_at=ZERO), True),
        ("alerts:signup:ada:7", PARKED, False),
        ("alerts:alerts:signup:ada:7:9", PARKED, True),
        ("alerts:signup:ada", e.RunCompensated(occurred_at=ZERO), False),
        ("others:signup:ada:7", e.RunCompensated(occurred_at=ZERO), False),
    ],
)
def test_a_hook_does_not_tell_of_itself_for_ever(run_id: str, event: e.Event, passed_over: bool) -> None:
    """The ends of runs that it started are passed over; an alarm about one of them is not, one about that one is."""
    told = notice(event, run_id=run_id)
    assert told is not None
    assert passes_over("alerts", told) is passed_over


def test_a_notice_is_a_value() -> None:
    """Two of one event are equal, and nothing in it can be set."""
    assert notice(PARKED) == notice(PARKED)
    later = PARKED.model_copy(update={"occurred_at": ZERO + timedelta(seconds=1)})
    assert notice(later) != notice(PARKED)
    assert re.fullmatch(r"alerts:run:\d+", notice(PARKED).idempotency_key)  # type: ignore[union-attr]
