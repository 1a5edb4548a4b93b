"""Retries: counted by the log, decided by tenacity's own policies, and only ever of an `Exception`."""

import asyncio
from typing import Any

import pytest
from tenacity import (
    retry_if_exception_message,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_never,
    wait_fixed,
)

from amends import Action, Call, Run, RunStatus
from amends.saga import events as e
from tests.worlds import Ran, World, boom


def run_one(log_url: str, world: World, do: Any, **keywords: Any) -> Ran:
    """Run a saga of one action."""
    a = world.action("a", do=do, **keywords)

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    return asyncio.run(world.run(log_url, body))


def test_failures_before_a_success_stand_in_the_log(log_url: str) -> None:
    """Two failures, then a success: three attempts, each recorded, all with one key."""
    world = World()
    ran = run_one(log_url, world, [boom("one"), boom("two")])
    assert ran.trail == ["do 1", "failed 1", "do 1", "failed 1", "do 1", "done 1", "COMPLETED"]
    assert [event.attempt for event in ran.all_of(e.ActionStarted)] == [1, 2, 3]
    assert [event.error.message for event in ran.all_of(e.ActionFailed)] == ["one", "two"]
    assert len({entry.key for entry in world.entries}) == 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_are_counted(attempts: int) -> None:
    """`stop_after_attempt(n)` is n attempts, no more and no fewer, and only the last failure is final."""
    world = World()
    ran = run_one("memory://", world, boom(), stop=stop_after_attempt(attempts))
    assert len(world.entered_steps()) == attempts
    failures = ran.all_of(e.ActionFailed)
    assert [event.retry_at is None for event in failures] == [False] * (attempts - 1) + [True]


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        (retry_if_exception_type(ConnectionError), 1),
        (retry_if_exception_type(LookupError), 3),
        (retry_if_not_exception_type(LookupError), 1),
        (retry_if_exception_message(match="no .*"), 3),
        (retry_if_exception_message(message="another"), 1),
    ],
)
def test_predicates_are_honoured(retry: Any, expected: int) -> None:
    """What a predicate does not want retried is tried once."""
    world = World()
    assert run_one("memory://", world, LookupError("no such key"), retry=retry).status is RunStatus.COMPENSATED
    assert len(world.entered_steps()) == expected


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt()])
def test_what_is_no_exception_is_never_retried(error: BaseException) -> None:
    """`retry_if_not_exception_type` alone would retry all of these for ever (jd/tenacity#529)."""
    world = World()
    run_one("memory://", world, error, retry=retry_if_not_exception_type(KeyError), stop=stop_never)
    assert world.entered_steps() == ["1"]


def test_a_delay_is_counted_from_the_first_attempt() -> None:
    """`stop_after_delay` looks at the time since the step began, as the log has it."""
    world = World()
    ran = run_one("memory://", world, boom(), stop=stop_after_delay(0.05))
    started, failed = ran.all_of(e.ActionStarted), ran.all_of(e.ActionFailed)
    spans = [(event.occurred_at - started[0].occurred_at).total_seconds() for event in failed]
    assert spans[-1] >= 0.05
    assert all(span < 0.06 for span in spans[:-1])
    assert len(started) > 1


def test_the_wait_is_on_record() -> None:
    """`retry_at` is the time of the failure and what the policy says; the next attempt does not begin before."""
    ran = run_one("memory://", World(), [boom()], wait=wait_fixed(0.05))
    [failed] = ran.all_of(e.ActionFailed)
    second = ran.all_of(e.ActionStarted)[1]
    assert (failed.retry_at - failed.occurred_at).total_seconds() == pytest.approx(0.05, abs=0.01)
    assert second.occurred_at >= failed.retry_at


def _raise(error: BaseException) -> Any:
    def policy(state: object) -> float:
        raise error

    return policy


@pytest.mark.parametrize("part", ["stop", "wait", "retry"])
@pytest.mark.parametrize("error", [ZeroDivisionError("policy"), SystemExit(2), asyncio.CancelledError()], ids=repr)
def test_a_policy_that_raises_ends_the_step(part: str, error: BaseException) -> None:
    """There is no further attempt, both errors are on record, and the run is undone, not stuck."""
    world = World()
    ran = run_one("memory://", world, boom("the real one"), **{part: _raise(error)})
    assert ran.status is RunStatus.COMPENSATED
    [failed] = ran.all_of(e.ActionFailed)
    assert failed.error.message.startswith("the real one (and the retry policy raised ")
    assert type(error).__name__ in failed.error.message


@pytest.mark.parametrize("wait", [float("inf"), float("nan"), 1e300, "soon", None])
def test_a_wait_that_is_no_span_ends_the_step(wait: Any) -> None:
    """A policy that answers nonsense must not leave the run hanging."""
    ran = run_one("memory://", World(), boom(), wait=lambda state: wait, stop=stop_after_attempt(2))
    assert ran.status is RunStatus.COMPENSATED


def test_a_negative_wait_is_none() -> None:
    """The next attempt begins at once."""
    assert run_one("memory://", World(), [boom()], wait=lambda state: -5).status is RunStatus.COMPLETED


def test_policies_see_the_error_and_the_attempt() -> None:
    """What tenacity's policies look at in a `RetryCallState` is there."""
    seen: list[tuple[int, str, bool]] = []

    def retry(state: Any) -> bool:
        seen.append((state.attempt_number, str(state.outcome.exception()), state.seconds_since_start >= 0))
        return True

    run_one("memory://", World(), [boom("one"), boom("two")], retry=retry)
    assert seen == [(1, "one", True), (2, "two", True)]


def test_a_handler_that_changes_its_input_changes_nothing(log_url: str) -> None:
    """The retry and the undo see the input as it was recorded."""
    seen: list[str] = []

    async def do(value: dict[str, list[int]], call: Call) -> str:
        seen.append(f"do {value}")
        value["numbers"].append(99)
        value["more"] = []
        if call.attempt == 1:
            raise boom()
        return "done"

    async def undo(value: dict[str, list[int]], output: str | None) -> None:
        seen.append(f"undo {value}")

    world = World()
    a: Action[dict[str, list[int]], str] = Action("a", do=do, undo=undo, wait=lambda state: 0)
    world.actions.append(a)
    given = {"numbers": [1]}

    async def body(run: Run) -> None:
        await run.do(a, given)
        given["numbers"].append(7)
        raise RuntimeError

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert seen == ["do {'numbers': [1]}"] * 2 + ["undo {'numbers': [1]}"]
    assert ran.all_of(e.ActionStarted)[0].input == '{"numbers":[1]}'
