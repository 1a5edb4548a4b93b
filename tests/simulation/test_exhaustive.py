"""Every append of every saga shape goes wrong in every way, alone and in pairs, and every invariant holds.

The schedules are counted in the line that closes the session. With `AMENDS_CAMPAIGN=1` there are pairs for all shapes.
"""

import os

import pytest

from amends.testing import Report, explore, simulate
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
    assert_all_is_well(explore(shape.scenario, 1))


@every_shape
def test_the_same_for_a_run_that_is_left_to_the_workers(shape: Shape) -> None:
    assert_all_is_well(explore(shape.scenario, 1, modes=CUTS, here=False))


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
