"""Random sagas under random plans of faults: the invariants hold, and the ledger agrees with the log."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amends import RunStatus
from amends.saga import events as e
from amends.saga.state import fold
from amends.testing import Plan, Simulation, simulate
from amends.testing.ledger import Act, Kind
from amends.testing.plays import Step
from amends.testing.shapes import Block, How, Shape
from amends.testing.strategies import fault_plans, saga_shapes
from amends.testing.traces import trace
from tests.reporting import counted

ORDERS = st.integers(0, 1_000)


def run(shape: Shape, plan: Plan, *, here: bool = True) -> Simulation:
    """Simulate a shape, count it, and hold the invariants over it."""
    counted["property examples"] += 1
    return simulate(shape.scenario, plan, here=here).check()


@pytest.mark.parametrize("here", [True, False], ids=["here", "anywhere"])
@settings(max_examples=settings().max_examples * (5 if os.environ.get("AMENDS_CAMPAIGN") else 3) // 2)
@given(data=st.data(), shape=saga_shapes())
def test_the_invariants_hold_and_the_run_comes_to_rest(data: st.DataObject, shape: Shape, here: bool) -> None:
    """Whatever fails, is lost, dies, is stopped, is cancelled or ends late; also when a person tries again."""
    simulation = run(shape, data.draw(fault_plans(shape.scenario, commands=True)), here=here)
    assert simulation.state.at_rest


@given(data=st.data(), shape=saga_shapes())
def test_a_compensated_run_leaves_nothing_and_a_completed_one_everything(data: st.DataObject, shape: Shape) -> None:
    """The net effect, counted by the ledger alone."""
    plan = data.draw(fault_plans(shape.scenario, commands=True))
    simulation = run(shape, plan)
    steps = trace(simulation.events)
    standing = standing_steps(simulation)
    if simulation.status is RunStatus.COMPLETED:
        assert {path for path, step in steps.items() if step.doing == "ok"} <= standing
    elif simulation.status is RunStatus.COMPENSATED and not any(step.undoing == "waived" for step in steps.values()):
        assert standing & {path for path, step in steps.items() if step.doing == "ok"} == set()


@given(shape=saga_shapes(), one=ORDERS, other=ORDERS)
def test_a_path_names_the_same_step_whatever_ends_first(shape: Shape, one: int, other: int) -> None:
    """The same saga, its attempts ending in another order: the same paths for the same steps."""
    first, second = run(shape, Plan(order=one)), run(shape, Plan(order=other))
    asked, asked_then = _asked(first), _asked(second)
    both = asked.keys() & asked_then.keys()
    assert {path: asked[path][0] for path in both} == {path: asked_then[path][0] for path in both}
    if first.status is second.status is RunStatus.COMPLETED and not any_fails(first):
        assert asked == asked_then


@given(shape=saga_shapes(well=True), order=ORDERS, then_raise=st.booleans())
def test_without_faults_everything_is_done_or_everything_is_undone(shape: Shape, order: int, then_raise: bool) -> None:
    """Each step is entered once; if the saga raises at its end, what can be undone is undone once."""
    if then_raise:
        shape = Shape("drawn", Block(How.SEQ, (shape.root, Block(How.RAISE))))
    simulation = run(shape, Plan(order=order))
    asked = {name for name, _ in _asked(simulation).values()}
    irreversible = sum(step.undo is None for step in shape.steps if step.name in asked)
    entered = [note.kind for note in simulation.notes if note.act is Act.ENTERED]
    assert entered.count(Kind.DO) == len(asked)
    assert entered.count(Kind.UNDO) == (len(asked) - irreversible if then_raise else 0)
    assert len(standing_steps(simulation)) == (irreversible if then_raise else len(asked))
    undone = RunStatus.PARTIALLY_COMPENSATED if irreversible else RunStatus.COMPENSATED
    assert simulation.status is (undone if then_raise else RunStatus.COMPLETED)


@given(data=st.data(), shape=saga_shapes())
def test_every_prefix_of_a_history_can_be_folded(data: st.DataObject, shape: Shape) -> None:
    """A process may die after any event, and the next one starts from there."""
    simulation = run(shape, data.draw(fault_plans(shape.scenario, commands=True)))
    for length in range(len(simulation.events) + 1):
        state = fold("run", simulation.events[:length])
        assert state.version == length
        steps = trace(simulation.events[:length])
        assert state.steps.keys() == steps.keys()
        assert state.active == {p for p, step in steps.items() if step.doing in ("running", "backoff", "held")}
    assert state.status is simulation.status


def test_a_step_prints_what_is_said_of_it_and_nothing_else() -> None:
    """So that a falsifying example can be read."""
    assert repr(Step("a", attempts=2)) == "Step('a', attempts=2)"


def standing_steps(simulation: Simulation) -> set[str]:
    """Return the steps whose effect is in the world at the end."""
    standing: set[str] = set()
    for note in simulation.notes:
        if note.act is Act.LANDED:
            (standing.discard if note.kind is Kind.UNDO else standing.add)(note.step)
    return standing


def any_fails(simulation: Simulation) -> bool:
    return any(isinstance(event, e.ActionFailed | e.ActionUnknown) for event in simulation.events)


def _asked(simulation: Simulation) -> dict[str, tuple[str, str | None]]:
    """Return what each path was asked for."""
    started = (event for event in simulation.events if isinstance(event, e.ActionStarted) and event.attempt == 1)
    return {event.step: (event.action, event.input) for event in started}
