"""The pure heart: what follows from a moment, and that a moment that comes too late is answered with nothing."""

from copy import deepcopy
from typing import get_args

import pytest

from amends.saga import events as e
from amends.saga import moments as m
from amends.saga.decisions import _DECIDERS, decide
from amends.saga.effects import CallOff, EnterAction, EnterUndo, Rest, WaitUntil, effect_of
from amends.saga.ids import idempotency_key
from amends.saga.state import fold
from amends.testing.deciding import Given, event, given
from tests.unit.recorded import ZERO, at, did, doing, failed, started, undoing

ERROR = e.ErrorInfo(type="Boom", message="boom")
FAILING = event(e.RunFailing, reason=e.FailingReason.SAGA_RAISED, error=ERROR)

RUNNING = given(started())
DOING = given(started(), doing("1", "a", 1))
UNWINDING = given(started(), doing("1", "a", 1), did("1", 2), FAILING)
COMPLETED = given(started(), event(e.RunCompleted, output="null"))
COMPENSATED = given(UNWINDING.events, undoing("1", 6, 7), event(e.RunCompensated))
PARKED = given(started(), event(e.RunParked, reason=e.ParkReason.DIVERGED, detail="?", remaining=()))

ASKED = m.StepAsked("1", "a", "{}", irreversible=False)
RAISED = m.SagaFailed(e.FailingReason.SAGA_RAISED, ERROR)
CANCELLED = m.SagaFailed(e.FailingReason.CANCELLED, ERROR, by="ada")


def test_a_step_begins_with_its_input_and_its_key() -> None:
    """The first attempt carries the input; the key depends on the run and the step alone."""
    for run_id in ("run", "another"):
        key = idempotency_key(run_id, "1")
        given(started(), run_id=run_id).when(ASKED, now=at(9)).then(
            event(e.ActionStarted, step="1", action="a", attempt=1, input="{}", idempotency_key=key, occurred_at=at(9))
        )
    assert idempotency_key("run", "1") != idempotency_key("another", "1")


def test_a_retry_has_the_next_number_and_no_input() -> None:
    """What was recorded once is not recorded again, and the key is that of the first attempt."""
    key = idempotency_key("run", "1")
    given(DOING.events, failed("1", 2, retry_at=3)).when(m.RetryDue("1"), now=at(3)).then(
        event(e.ActionStarted, step="1", action="a", attempt=2, input=None, idempotency_key=key)
    )


LATE: dict[str, tuple[Given, m.Moment]] = {
    "a step of a failing run": (UNWINDING, m.StepAsked("2", "a", "{}", irreversible=False)),
    "a step of a completed run": (COMPLETED, ASKED),
    "a retry in a failing run": (given(DOING.events, failed("1", 2, retry_at=3), FAILING), m.RetryDue("1")),
    "a retry that was made already": (DOING, m.RetryDue("1")),
    "a second end": (COMPLETED, m.SagaReturned("null")),
    "a return from a failing run": (UNWINDING, m.SagaReturned("null")),
    "a return with a step under way": (DOING, m.SagaReturned("null")),
    "a second reason": (UNWINDING, RAISED),
    "a cancel while unwinding": (UNWINDING, CANCELLED),
    "a cancel after completion": (COMPLETED, CANCELLED),
    "a cancel after compensation": (COMPENSATED, CANCELLED),
    "a retry by a person of a run that runs": (RUNNING, m.Retry("ada", "?")),
    "a claim of a run that was parked meanwhile": (PARKED, m.Claim("w2", lapsed=False)),
    "a claim of a run that has ended meanwhile": (COMPENSATED, m.Claim("w2", lapsed=True)),
    "a waiver in a run that runs": (UNWINDING, m.Waive("1", "ada", "?")),
    "a divergence in a failing run": (UNWINDING, m.Diverged("?")),
    "an undo that is under way already": (given(UNWINDING.events, undoing("1", 6, 7)[0]), m.UndoDue("1")),
    "nothing new in a running run": (DOING, m.PROCEED),
    "nothing new at the end": (COMPENSATED, m.PROCEED),
}


@pytest.mark.parametrize(("run", "moment"), LATE.values(), ids=LATE.keys())
def test_what_comes_too_late_is_answered_with_nothing(run: Given, moment: m.Moment) -> None:
    """No event, so no effect."""
    run.when(moment).then_nothing()


def test_deciding_changes_nothing() -> None:
    """The same state and moment give the same events, as often as they are asked."""
    state = UNWINDING.state
    before = deepcopy(state)
    assert decide(state, m.PROCEED, ZERO) == decide(state, m.PROCEED, ZERO)
    assert state == before


def test_a_failing_run_with_nothing_done_is_compensated_at_once() -> None:
    """Nothing to undo is no reason to wait."""
    given(RUNNING.events, FAILING).when(m.PROCEED).then(event(e.RunCompensated))


def test_a_failing_run_waits_for_what_is_under_way() -> None:
    """No undo begins while an attempt may still land."""
    run = given(RUNNING.events, doing("1", "a", 1), did("1", 2), doing("2", "a", 3), FAILING)
    run = run.when(m.PROCEED).then_nothing()
    run = run.when(m.AttemptSucceeded("2", 1, "{}")).then(event(e.ActionSucceeded, step="2", attempt=1, output="{}"))
    run.when(m.PROCEED).then(event(e.CompensationStarted, step="2", attempt=1))


def test_a_failure_in_a_failing_run_is_not_retried() -> None:
    """Whatever its policy says."""
    given(DOING.events, FAILING).when(m.AttemptFailed("1", 1, ERROR, retry_at=at(9))).then(
        event(e.ActionFailed, step="1", attempt=1, error=ERROR, retry_at=None)
    )


@pytest.mark.parametrize(
    ("recorded", "effect"),
    [
        (doing("1", "a", 1), EnterAction),
        (undoing("1", 1, 2)[0], EnterUndo),
        (failed("1", 1, retry_at=2), WaitUntil),
        (failed("1", 1), None),
        (did("1", 1), None),
        (FAILING, CallOff),
        (e.RunCompleted(occurred_at=ZERO, output="null"), Rest),
        (e.RunCompensated(occurred_at=ZERO), Rest),
        (e.RunParked(occurred_at=ZERO, reason=e.ParkReason.DIVERGED, detail="x"), Rest),
        (started()[0], None),
    ],
)
def test_what_an_event_obliges_to(recorded: e.Event, effect: type | None) -> None:
    """A handler is only ever entered for a started event."""
    assert type(effect_of(recorded)) is (effect or type(None))


def test_an_undo_that_falls_due_in_a_parked_run_waits_for_a_person() -> None:
    """A run may be parked, because its workers fell silent, while an undo waits for its next attempt."""
    tried = (
        event(e.CompensationStarted, step="1", attempt=1),
        event(e.CompensationFailed, step="1", attempt=1, error=ERROR, retry_at=at(9)),
    )
    parked = event(e.RunParked, reason=e.ParkReason.WORKERS_DIED, detail="five")
    given(UNWINDING.events, tried, parked).when(m.UndoDue("1")).then_nothing()


def test_a_run_that_a_person_has_undone_is_tried_again_however_many_workers_it_has_silenced() -> None:
    """Else the next claim would park it at once."""
    claims = [event(e.RunClaimed, worker=f"w{n}", epoch=n, lapsed=True) for n in range(2, 7)]
    parked = event(e.RunParked, reason=e.ParkReason.WORKERS_DIED, detail="five")
    failing = event(e.RunFailing, reason=e.FailingReason.CANCELLED, error=ERROR, by="ada")
    state = fold("run", [*started(), *claims, parked, failing])
    assert [type(decided) for decided in decide(state, m.Claim("w7", lapsed=False), at(9))] == [e.RunClaimed]


def test_there_is_an_answer_to_every_moment() -> None:
    """A moment that nobody decides would fail the driver."""
    assert set(_DECIDERS) == set(get_args(m.Moment))
