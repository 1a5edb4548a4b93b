"""Random sagas in a random world: whatever happens, the invariants hold and the ledger agrees with the log."""

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from amends import Coordinator, RunFailed, RunStatus
from amends.saga import events as e
from amends.saga.state import fold
from tests.checker import Trace, check_history, trace
from tests.property.shapes import TURNS, Ledger, Shape, a_saga, actions, shapes, steps_in
from tests.reporting import counted

Turns = tuple[int, ...]


@dataclass(frozen=True)
class Ran:
    """A run at rest, and what its handlers did."""

    status: RunStatus
    events: list[e.Event]
    ledger: Ledger


async def run_shape(shape: Shape, turns: Turns, *, then_raise: bool, commands: int) -> Ran:
    """Run a shape to rest; a parked run is retried so many times."""
    ledger = Ledger(turns)
    known = actions(ledger)
    saga = a_saga(shape, known, then_raise=then_raise)
    async with asyncio.timeout(20), Coordinator("memory://", sagas=[saga], actions=known.values()) as coordinator:
        handle = await coordinator.start(saga, run_id="run")
        for _ in range(commands + 1):
            try:
                await handle.result()
            except RunFailed as failed:
                if failed.status is not RunStatus.PARKED or commands == 0:
                    break
                commands -= 1
                await handle.retry(by="ada", reason="again")
        return Ran(await handle.status(), await handle.history(), ledger)


def run(shape: Shape, turns: Turns, *, then_raise: bool = False, commands: int = 0) -> Ran:
    """Run a shape to rest, count it, and hold the invariants over it."""
    counted["property examples"] += 1
    ran = asyncio.run(run_shape(shape, turns, then_raise=then_raise, commands=commands))
    assert check_history(ran.events, ran.ledger.entries) == []
    return ran


def standing(steps: dict[str, Trace]) -> set[str]:
    """Return the steps whose effect may stand."""
    return {path for path, step in steps.items() if step.stands or step.undoing == "waived"}


@given(shape=shapes(), turns=TURNS, then_raise=st.booleans(), commands=st.integers(0, 3))
def test_the_invariants_hold_and_the_run_comes_to_rest(
    shape: Shape, turns: Turns, then_raise: bool, commands: int
) -> None:
    """Whatever fails, is lost or ends late; also when a person tries a parked run again."""
    ran = run(shape, turns, then_raise=then_raise, commands=commands)
    assert ran.status.ended or ran.status is RunStatus.PARKED


@given(shape=shapes(), turns=TURNS, then_raise=st.booleans(), commands=st.integers(0, 1))
def test_the_ledger_holds_what_the_log_says(shape: Shape, turns: Turns, then_raise: bool, commands: int) -> None:
    """The net effect: what succeeded stands when the run completed; otherwise nothing, or what remains."""
    ran = run(shape, turns, then_raise=then_raise, commands=commands)
    steps = trace(ran.events)
    certain = {path for path, step in steps.items() if step.doing == "ok" and path in standing(steps)}
    assert certain <= ran.ledger.effects <= standing(steps)
    match ran.events[-1]:
        case e.RunCompleted():
            assert {path for path, step in steps.items() if step.doing == "ok"} == certain
        case e.RunCompensated(remaining=remaining) | e.RunParked(remaining=remaining):
            assert ran.ledger.effects <= {item.step for item in remaining}
    if ran.status is RunStatus.COMPENSATED:
        assert ran.ledger.effects == set()


@given(shape=shapes(kinds=("plain", "irreversible", "doubtful", "probed")), turns=TURNS, other=TURNS)
def test_a_path_names_the_same_step_whatever_ends_first(shape: Shape, turns: Turns, other: Turns) -> None:
    """The same saga, its attempts ending in another order: the same paths for the same steps."""
    first, second = run(shape, turns), run(shape, other)
    one, two = _asked(first), _asked(second)
    assert {path: one[path] for path in one if path in two} == {path: two[path] for path in two if path in one}
    if first.status is second.status is RunStatus.COMPLETED:
        assert one == two


@given(shape=shapes(well=True), turns=TURNS, then_raise=st.booleans())
def test_without_faults_everything_is_done_or_everything_is_undone(
    shape: Shape, turns: Turns, then_raise: bool
) -> None:
    """Each step is entered once; if the saga raises at its end, what can be undone is undone once."""
    ran = run(shape, turns, then_raise=then_raise)
    steps = list(steps_in(shape))
    irreversible = sum(step.kind == "irreversible" for step in steps)
    entered = [entry.kind for entry in ran.ledger.entries]
    assert entered.count("do") == len(steps)
    assert entered.count("undo") == (len(steps) - irreversible if then_raise else 0)
    assert len(ran.ledger.effects) == (irreversible if then_raise else len(steps))
    expected = RunStatus.PARTIALLY_COMPENSATED if irreversible else RunStatus.COMPENSATED
    assert ran.status is (expected if then_raise else RunStatus.COMPLETED)


@given(shape=shapes(), turns=TURNS, then_raise=st.booleans())
def test_every_prefix_of_a_history_can_be_folded(shape: Shape, turns: Turns, then_raise: bool) -> None:
    """A process may die after any event, and the next one starts from there."""
    ran = run(shape, turns, then_raise=then_raise)
    for length in range(len(ran.events) + 1):
        state = fold("run", ran.events[:length])
        assert state.version == length
        steps = trace(ran.events[:length])
        assert state.steps.keys() == steps.keys()
        assert state.active == {p for p, step in steps.items() if step.doing in ("running", "backoff", "held")}
    assert state.status is ran.status


def _asked(ran: Ran) -> dict[str, tuple[str, str | None]]:
    """Return what each path was asked for."""
    started = (event for event in ran.events if isinstance(event, e.ActionStarted) and event.attempt == 1)
    return {event.step: (event.action, event.input) for event in started}
