"""Hypothesis strategies: plans of faults for a scenario, and whole sagas.

They shrink towards nothing going wrong: fewer faults, the first append, the first entry, branches that end in the
order of the code. Needs Hypothesis; `pip install 'amends[testing]'` brings it.
"""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from .explore import ALL_MODES, honest_modes
from .journal import Appended
from .plan import AppendFault, AppendMode, Cancel, Fault, HandlerFault, HandlerMode, Plan
from .plays import OK, Play, Plays, Step
from .scenario import Scenario
from .shapes import Block, How, Node, Shape
from .simulate import simulate

__all__ = ["fault_plans", "saga_shapes"]

LAST_ENTRY = 3
ORDERS = 1_000
APPENDS_PER_APPEND = 3
"""Recovery and the unwind make about so many appends of each that an undisturbed run has."""


def fault_plans(
    scenario: Scenario,
    *,
    max_faults: int = 3,
    modes: Collection[AppendMode | HandlerMode] = ALL_MODES,
    cancels: bool = True,
    orders: bool = True,
) -> st.SearchStrategy[Plan]:
    """Draw plans of faults for a scenario.

    A `do` that lands and then raises as if it had not breaks its word, so that fault is drawn for undos only.

    Args:
        scenario: what the plans are for. It is simulated once, without a fault, to see how long it is.
        max_faults: how many faults a plan holds at most.
        modes: what goes wrong.
        cancels: whether somebody may cancel the run.
        orders: whether parallel branches end in any order.
    """

    @cache
    def one_fault() -> st.SearchStrategy[Fault]:
        return st.one_of(list(_kinds_of_fault(scenario, modes, cancels=cancels)))

    faults = st.deferred(lambda: st.lists(one_fault(), max_size=max_faults, unique_by=_place))
    order = st.integers(0, ORDERS) if orders else st.just(0)
    return st.builds(lambda faults, order: Plan(*faults, order=order), faults, order)


def _kinds_of_fault(
    scenario: Scenario, modes: Collection[AppendMode | HandlerMode], *, cancels: bool
) -> Iterator[st.SearchStrategy[Any]]:
    happenings = simulate(scenario).journal.happenings
    count = sum(isinstance(happening, Appended) for happening in happenings)
    appends = st.integers(1, count * APPENDS_PER_APPEND + 2)
    entries, for_good = st.integers(1, LAST_ENTRY), st.booleans()
    for action, kind in sorted({(entrance.action, entrance.kind) for entrance in scenario.entrances.values()}):
        if honest := list(honest_modes(kind, modes)):
            keywords = {"kind": st.just(kind), "entry": entries, "for_good": for_good}
            yield st.builds(HandlerFault, st.just(action), st.sampled_from(honest), **keywords)
    if of_appends := [mode for mode in modes if isinstance(mode, AppendMode)]:
        yield st.builds(AppendFault, appends, st.sampled_from(of_appends))
    if cancels:
        yield st.builds(Cancel, appends)


def _place(fault: Fault) -> tuple[object, ...]:
    """Return what only one fault of a plan may strike."""
    match fault:
        case AppendFault(at=at):
            return "append", at
        case HandlerFault(action=action, kind=kind, entry=entry):
            return action, kind, entry
        case Cancel():
            return ("cancel",)


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
    return Block(node.how, tuple(_named(inner, names) for inner in node.nodes), node.limit)
