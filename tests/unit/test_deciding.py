"""Given, when, then: what it compares, what it leaves out, and what it says when something else follows."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from amends.saga import events as e
from amends.saga import moments as m
from amends.saga.ids import idempotency_key
from amends.saga.state import RunState
from amends.testing.deciding import NOW, event, given

STARTED = [
    event(e.RunStarted, saga="s", saga_version=1, input="{}"),
    event(e.RunClaimed, worker="w1", epoch=1),
]
ASKED = m.StepAsked("1", "a", "{}", irreversible=False)
DOING = event(e.ActionStarted, step="1", action="a", attempt=1, input="{}")


def message(caught: pytest.ExceptionInfo[AssertionError]) -> list[str]:
    return [" ".join(line.split()) for line in str(caught.value).splitlines()[1:]]


def test_a_run_goes_on_from_what_was_decided() -> None:
    """To its end, without a time or a key ever being said."""
    run = given(STARTED).when(ASKED).then(DOING)
    run = run.when(m.AttemptSucceeded("1", 1, "5")).then(event(e.ActionSucceeded, step="1", attempt=1, output="5"))
    run = run.when(m.SagaReturned("5")).then(event(e.RunCompleted, output="5"))
    run.when(m.SagaReturned("5")).then_nothing().when(m.PROCEED).then_nothing()
    assert run.state.status is e.RunStatus.COMPLETED
    assert [type(one) for one in run.events[2:]] == [e.ActionStarted, e.ActionSucceeded, e.RunCompleted]


def test_one_run_may_be_given_to_several() -> None:
    """The state is folded in place, and no two share it."""
    run = given(STARTED)
    other = run.when(ASKED).then(DOING)
    assert run == given(*STARTED)
    assert run.state.steps == {}
    assert run.state is not run.state
    run.when(ASKED).then(DOING)
    assert other.state.steps.keys() == {"1"}


def test_nothing_given_is_a_run_that_does_not_exist() -> None:
    assert given(run_id="another").state == RunState("another")


def test_a_time_or_a_key_that_is_said_is_compared() -> None:
    """Whether by `event` or by the event's own class; what is not said is not."""
    later = NOW + timedelta(seconds=5)
    decided = given(STARTED).when(ASKED, now=later)
    [started] = decided.events
    assert isinstance(started, e.ActionStarted)
    decided.then(DOING)
    decided.then(started)
    decided.then(event(e.ActionStarted, **dict(started)))
    for wrong in (
        started.model_copy(update={"occurred_at": NOW}),
        event(e.ActionStarted, **(dict(DOING) | {"idempotency_key": started.idempotency_key})),
        event(e.ActionStarted, **(dict(DOING) | {"occurred_at": later})),
    ):
        with pytest.raises(AssertionError, match=r"occurred_at|idempotency_key"):
            decided.then(wrong)


def test_every_field_is_compared_also_one_at_its_default() -> None:
    unwinding = given(STARTED, event(e.RunFailing, reason="cancelled", error=e.ErrorInfo(type="T", message="m")))
    mail = e.Remaining(step="1", action="a", why=e.RemainingWhy.WAIVED)
    unwinding.when(m.PROCEED).then(event(e.RunCompensated))
    with pytest.raises(AssertionError, match="remaining"):
        unwinding.when(m.PROCEED).then(event(e.RunCompensated, remaining=(mail,)))
    error = e.ErrorInfo(type="T", message="m")
    retried = given(STARTED, DOING).when(m.AttemptFailed("1", 1, error, retry_at=NOW))
    retried.then(event(e.ActionFailed, step="1", attempt=1, error=error, retry_at=NOW))
    with pytest.raises(AssertionError, match="retry_at"):
        retried.then(event(e.ActionFailed, step="1", attempt=1, error=error))


def test_a_difference_is_shown_event_by_event_and_field_by_field() -> None:
    """What is as it should be is shown too, to see where one is."""
    parked = event(e.RunParked, reason="diverged", detail="?")
    with pytest.raises(AssertionError, match="StepAsked") as caught:
        given(STARTED).when(ASKED).then(event(e.ActionStarted, step="2", action="a", attempt=1, input="{}"), parked)
    key = idempotency_key("run", "1")
    assert message(caught) == [
        f"! 1. differs ActionStarted(step='1', action='a', attempt=1, input='{{}}', idempotency_key={key!r})",
        "! step",
        "! expected '2'",
        "! decided '1'",
        "! 2. missing RunParked(reason=<ParkReason.DIVERGED: 'diverged'>, detail='?')",
    ]
    with pytest.raises(AssertionError) as caught:
        given(STARTED).when(m.Diverged("?")).then(DOING)
    assert [line.split("(")[0] for line in message(caught)] == ["! 1. expected ActionStarted", "! decided RunParked"]
    assert "unsaid" not in str(caught.value)
    with pytest.raises(AssertionError) as caught:
        given(STARTED).when(m.Diverged("?")).then_nothing()
    assert [line.split("(")[0] for line in message(caught)] == ["! 1. unexpected RunParked"]
    silent = m.Claim("w2", lapsed=True)
    run = given(STARTED)
    for epoch in range(2, 6):
        run = run.when(silent).then(event(e.RunClaimed, worker="w2", epoch=epoch, lapsed=True))
    with pytest.raises(AssertionError) as caught:
        run.when(silent).then(event(e.RunClaimed, worker="w2", epoch=6, lapsed=True))
    assert [line.split("(")[0] for line in message(caught)] == [
        "1. as expected RunClaimed",
        "! 2. unexpected RunParked",
    ]


def test_an_event_that_cannot_be_is_refused() -> None:
    """A field that is misspelt would otherwise be left out in silence."""
    with pytest.raises(TypeError, match="has no field setp; it has occurred_at, step"):
        event(e.ActionCompensated, setp="1", attempt=1)
    with pytest.raises(ValidationError):
        event(e.ActionCompensated, attempt=1)
    with pytest.raises(ValidationError):
        event(e.ActionCompensated, step="no path", attempt=1)
