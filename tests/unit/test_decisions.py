"""The pure heart: what follows from a moment, and that a moment that comes too late is answered with nothing."""

from copy import deepcopy

import pytest

from amends.saga import events as e
from amends.saga import moments as m
from amends.saga.decisions import decide
from amends.saga.effects import CallOff, EnterAction, EnterUndo, Rest, WaitUntil, effect_of
from amends.saga.state import RunState, fold
from tests.unit.recorded import ZERO, at, did, doing, failed, started, undoing

ERROR = e.ErrorInfo(type="Boom", message="boom")


def running(*more: e.Event) -> RunState:
    return fold("run", [*started(), *more])


def failing() -> e.Event:
    return e.RunFailing(occurred_at=at(5), reason=e.FailingReason.SAGA_RAISED, error=ERROR)


def unwinding() -> RunState:
    return running(doing("1", "a", 1), did("1", 2), failing())


def completed() -> RunState:
    return running(e.RunCompleted(occurred_at=at(9), output="null"))


def compensated() -> RunState:
    return running(doing("1", "a", 1), did("1", 2), failing(), *undoing("1", 6, 7), e.RunCompensated(occurred_at=at(9)))


ASKED = m.StepAsked("1", "a", "{}", irreversible=False)
RAISED = m.SagaFailed(e.FailingReason.SAGA_RAISED, ERROR)
CANCELLED = m.SagaFailed(e.FailingReason.CANCELLED, ERROR, by="ada")


def test_a_step_begins_with_its_input_and_its_key() -> None:
    """The first attempt carries the input; the key depends on the run and the step alone."""
    [one] = decide(running(), ASKED, ZERO)
    [other] = decide(fold("another", started()), ASKED, at(9))
    assert isinstance(one, e.ActionStarted)
    assert isinstance(other, e.ActionStarted)
    assert (one.step, one.action, one.attempt, one.input) == ("1", "a", 1, "{}")
    assert one.idempotency_key != other.idempotency_key


def test_a_retry_has_the_next_number_and_no_input() -> None:
    """What was recorded once is not recorded again."""
    state = running(doing("1", "a", 1), failed("1", 2, retry_at=3))
    [event] = decide(state, m.RetryDue("1"), at(3))
    assert isinstance(event, e.ActionStarted)
    assert (event.attempt, event.input, event.idempotency_key) == (2, None, event.idempotency_key)


LATE: dict[str, tuple[RunState, m.Moment]] = {
    "a step of a failing run": (unwinding(), m.StepAsked("2", "a", "{}", irreversible=False)),
    "a step of a completed run": (completed(), ASKED),
    "a retry in a failing run": (
        running(doing("1", "a", 1), failed("1", 2, retry_at=3), failing()),
        m.RetryDue("1"),
    ),
    "a retry that was made already": (running(doing("1", "a", 1)), m.RetryDue("1")),
    "a second end": (completed(), m.SagaReturned("null")),
    "a return from a failing run": (unwinding(), m.SagaReturned("null")),
    "a return with a step under way": (running(doing("1", "a", 1)), m.SagaReturned("null")),
    "a second reason": (unwinding(), RAISED),
    "a cancel while unwinding": (unwinding(), CANCELLED),
    "a cancel after completion": (completed(), CANCELLED),
    "a cancel after compensation": (compensated(), CANCELLED),
    "a retry by a person of a run that runs": (running(), m.Retry("ada", "?")),
    "a waiver in a run that runs": (unwinding(), m.Waive("1", "ada", "?")),
    "a divergence in a failing run": (unwinding(), m.Diverged("?")),
    "an undo that is under way already": (
        running(doing("1", "a", 1), did("1", 2), failing(), undoing("1", 6, 7)[0]),
        m.UndoDue("1"),
    ),
    "nothing new in a running run": (running(doing("1", "a", 1)), m.PROCEED),
    "nothing new at the end": (compensated(), m.PROCEED),
}


@pytest.mark.parametrize(("state", "moment"), LATE.values(), ids=LATE.keys())
def test_what_comes_too_late_is_answered_with_nothing(state: RunState, moment: m.Moment) -> None:
    """No event, so no effect."""
    assert decide(state, moment, ZERO) == ()


def test_deciding_changes_nothing() -> None:
    """The same state and moment give the same events, as often as they are asked."""
    state = unwinding()
    before = deepcopy(state)
    assert decide(state, m.PROCEED, ZERO) == decide(state, m.PROCEED, ZERO)
    assert state == before


def test_a_failing_run_with_nothing_done_is_compensated_at_once() -> None:
    """Nothing to undo is no reason to wait."""
    [event] = decide(running(failing()), m.PROCEED, ZERO)
    assert event == e.RunCompensated(occurred_at=ZERO)


def test_a_failing_run_waits_for_what_is_under_way() -> None:
    """No undo begins while an attempt may still land."""
    state = running(doing("1", "a", 1), did("1", 2), doing("2", "a", 3), failing())
    assert decide(state, m.PROCEED, ZERO) == ()
    [late] = decide(state, m.AttemptSucceeded("2", 1, "{}"), at(7))
    assert isinstance(late, e.ActionSucceeded)


def test_a_failure_in_a_failing_run_is_not_retried() -> None:
    """Whatever its policy says."""
    state = running(doing("1", "a", 1), failing())
    [event] = decide(state, m.AttemptFailed("1", 1, ERROR, retry_at=at(9)), at(7))
    assert isinstance(event, e.ActionFailed)
    assert event.retry_at is None


@pytest.mark.parametrize(
    ("event", "effect"),
    [
        (doing("1", "a", 1), EnterAction),
        (undoing("1", 1, 2)[0], EnterUndo),
        (failed("1", 1, retry_at=2), WaitUntil),
        (failed("1", 1), None),
        (did("1", 1), None),
        (failing(), CallOff),
        (e.RunCompleted(occurred_at=ZERO, output="null"), Rest),
        (e.RunCompensated(occurred_at=ZERO), Rest),
        (e.RunParked(occurred_at=ZERO, reason=e.ParkReason.DIVERGED, detail="x"), Rest),
        (started()[0], None),
    ],
)
def test_what_an_event_obliges_to(event: e.Event, effect: type | None) -> None:
    """A handler is only ever entered for a started event."""
    assert type(effect_of(event)) is (effect or type(None))
