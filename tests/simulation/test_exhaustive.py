"""Every append of every saga shape goes wrong in every way, alone and in pairs, and every invariant holds.

The schedules are counted in the line that closes the session. With `AMENDS_CAMPAIGN=1` there are pairs for all shapes.
"""

import os

import pytest

from amends.testing import Plan, Report, Signal, explore, simulate
from amends.testing.journal import Appended
from amends.testing.plan import CUTS
from amends.testing.shape_list import SHAPES
from amends.testing.shapes import Shape
from tests.reporting import counted

CAMPAIGN = bool(os.environ.get("AMENDS_CAMPAIGN"))

ALL_PAIRS_UP_TO = 99 if CAMPAIGN else 4
"""Shapes whose undisturbed run takes at most so many appends are cut in all pairs of ways."""

SOME_PAIRS_UP_TO = 5
"""And these in pairs of the three ways that leave something to recover from; longer ones once only."""

APPENDS = {
    shape.name: sum(isinstance(happening, Appended) for happening in simulate(shape.scenario).journal.happenings)
    for shape in SHAPES
}

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def assert_all_is_well(report: Report) -> None:
    counted["simulated schedules"] += report.schedules
    report.check()


def test_there_are_at_least_forty_shapes() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES) >= 40


@every_shape
def test_everything_goes_wrong_once_in_every_way(shape: Shape) -> None:
    assert_all_is_well(explore(shape.scenario, 1, commands=True))


@every_shape
def test_the_same_for_a_run_that_is_left_to_the_workers(shape: Shape) -> None:
    assert_all_is_well(explore(shape.scenario, 1, modes=CUTS, commands=True, here=False))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if APPENDS[shape.name] <= ALL_PAIRS_UP_TO], ids=lambda shape: shape.name
)
def test_recovery_goes_wrong_as_well(shape: Shape) -> None:
    assert_all_is_well(explore(shape.scenario, 2, modes=CUTS, cancels=False))


@pytest.mark.parametrize(
    "shape",
    [shape for shape in SHAPES if ALL_PAIRS_UP_TO < APPENDS[shape.name] <= SOME_PAIRS_UP_TO],
    ids=lambda shape: shape.name,
)
def test_recovery_goes_wrong_in_longer_shapes(shape: Shape) -> None:
    assert_all_is_well(explore(shape.scenario, 2, modes=CUTS[1:], cancels=False))


SIGNALLED = [shape for shape in SHAPES if shape.signals and (CAMPAIGN or shape.name != "hears-deep-down")]
"""Without the one that takes as long as four others, but in a campaign."""


@every_shape
@pytest.mark.parametrize("here", [True, False], ids=["here", "anywhere"])
def test_somebody_elsewhere_writes_to_the_run_between_any_two_appends(shape: Shape, here: bool) -> None:
    """Nobody waits for what he says: the owner meets it at its next append, and everything goes on as it would have."""
    for at in range(1, APPENDS[shape.name] + 1):
        few = Plan(Signal(at, "unheard"))
        many = Plan(Signal(at, "unheard"), Signal(at, "unheard", key="again"), Signal(at + 1, "unheard", key="later"))
        for plan in (few, many):
            simulate(shape.scenario, plan, here=here).check()
            counted["simulated schedules"] += 1


@pytest.mark.parametrize("shape", SIGNALLED, ids=lambda shape: shape.name)
def test_a_signal_comes_at_any_time_and_the_worker_dies_after_it(shape: Shape) -> None:
    """Early, late, twice under one key, from elsewhere, and in pairs with all that happens to a worker."""
    report = explore(shape.scenario, 2, modes=CUTS[1:], cancels=False, commands=True)
    assert report.commands > 0
    assert_all_is_well(report)
