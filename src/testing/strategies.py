"""Hypothesis strategies: plans of faults for a scenario, and whole sagas.

They shrink towards nothing going wrong: fewer faults, the first append, the first entry, branches that end in the
order of the code. Needs Hypothesis; `pip install 'amends[testing]'` brings it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from .explore import ALL_MODES, Modes, as_modes, next_faults
from .plan import AppendMode, HandlerMode, Plan
from .plays import OK, Play, Plays, Step
from .scenario import Scenario
from .shapes import Block, How, Node, Shape
from .simulate import simulate

__all__ = ["fault_plans", "patient", "saga_shapes"]

ORDERS = 1_000

patient = settings(
    deadline=None,
    phases=tuple(phase for phase in Phase if phase is not Phase.explain),
    suppress_health_check=[HealthCheck.too_slow],
)
"""Settings for tests of sagas: a simulation may take its time, and what failed is told by its story and not explained.

Use it as a decorator, or as the first argument of `settings`.
"""


def fault_plans(
    scenario: Scenario,
    *,
    max_faults: int = 3,
    modes: Modes = ALL_MODES,
    cancels: bool = True,
    commands: bool = False,
    orders: bool = True,
) -> st.SearchStrategy[Plan]:
    """Draw plans of faults for a scenario; every fault of a plan strikes.

    The scenario is simulated for each fault that is drawn, to see where the next one can strike. A `do` that lands and
    then raises as if it had not breaks its word, so that fault is drawn for undos only.

    Args:
        scenario: what the plans are for.
        max_faults: how many faults a plan holds at most.
        modes: what goes wrong.
        cancels: whether somebody may cancel the run.
        commands: whether somebody may say something else to it, as for `explore`.
        orders: whether parallel branches end in any order.

    Raises:
        DefinitionError: one of the modes is none.
    """
    return _fault_plans(scenario, max_faults, as_modes(modes), cancels=cancels, commands=commands, orders=orders)


@st.composite
def _fault_plans(
    draw: st.DrawFn,
    scenario: Scenario,
    max_faults: int,
    modes: tuple[AppendMode | HandlerMode, ...],
    *,
    cancels: bool,
    commands: bool,
    orders: bool,
) -> Plan:
    count = draw(st.integers(0, max_faults))
    plan = Plan(order=draw(st.integers(0, ORDERS)) if orders else 0)
    for _ in range(count):
        next_ones = tuple(next_faults(simulate(scenario, plan), modes, cancels=cancels, commands=commands))
        if not next_ones:
            break
        plan = plan.also(next_ones[draw(st.integers(0, len(next_ones) - 1))])
    return plan


# Whole sagas, for the engine's own tests

_LOOSE = (How.GATHER, How.GROUP, How.DETACHED)
"""Blocks of steps only."""


def saga_shapes(*, well: bool = False, max_steps: int = 8) -> st.SearchStrategy[Shape]:
    """Draw whole sagas: their tree, and how each of their handlers behaves.

    Args:
        well: every attempt of every handler does what it should, and the saga does not raise.
        max_steps: how many steps a saga has at most, about.
    """
    step = st.one_of(st.just(Step("")), st.builds(Step, name=st.just(""), **_fates(well=well)))
    steps = st.lists(step, min_size=1, max_size=4).map(tuple)
    loose = st.builds(Block, st.sampled_from(_LOOSE[:2] if well else _LOOSE), steps)

    def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        nodes = st.lists(inner, min_size=1, max_size=4).map(tuple)
        return st.one_of(
            st.builds(Block, st.just(How.SEQ), nodes),
            st.builds(Block, st.just(How.PAR), nodes, st.sampled_from([None, 1, 2])),
            st.builds(Block, st.just(How.CAUGHT), nodes),
            st.builds(Block, st.just(How.AGAIN), nodes),
        )

    trees = st.recursive(st.one_of(step, loose), grow, max_leaves=max_steps)
    ends = st.just(False) if well else st.booleans()
    orders = st.just(()) if well else st.lists(st.just("retry"), max_size=2).map(tuple)
    return st.builds(_shape, trees, ends, orders)


def _fates(*, well: bool) -> dict[str, st.SearchStrategy[Any]]:
    do: st.SearchStrategy[Plays] = st.just(OK)
    undo: st.SearchStrategy[Plays | None] = st.sampled_from([OK, OK, None])
    if not well:
        play = st.sampled_from(Play)
        do = st.one_of(do, do, st.lists(play, max_size=3).map(tuple), play)
        undo = st.one_of(undo, undo, st.lists(play, max_size=3).map(tuple), play)
    return {
        "do": do,
        "undo": undo,
        "probe": st.booleans(),
        "plain": st.booleans(),
        "on_unknown": st.sampled_from(["retry", "undo", "park"]),
        "attempts": st.integers(1, 4),
        "undo_attempts": st.integers(1, 4),
        "seconds": st.sampled_from([0.0, 0.0, 1.0]),
        "wait_seconds": st.sampled_from([0.0, 1.0]),
    }


def _shape(tree: Node, raises: bool, orders: tuple[str, ...]) -> Shape:
    names = (f"n{number}" for number in itertools.count(1))
    named = _named(tree, names)
    root = Block(How.SEQ, (named, Block(How.RAISE))) if raises else named
    return Shape("drawn", root, orders=orders, settle_seconds=30.0)


def _named(node: Node, names: Iterator[str]) -> Node:
    """Return the tree with a name of its own for each step."""
    if isinstance(node, Step):
        return replace(node, name=next(names))
    if not isinstance(node, Block):
        return node
    return Block(node.how, tuple(_named(inner, names) for inner in node.nodes), node.limit)
