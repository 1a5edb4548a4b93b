"""What a planted bug is: the change of the source, and where and how the testing kit hunts for it."""

from typing import NamedTuple

from amends.testing import Plan

__all__ = ["DRAWS", "Patch", "Tooth", "tooth", "tooth_of_suite"]

DRAWS = 300
"""How many plans are drawn for a bug that no single fault and no pair of them shows."""


class Patch(NamedTuple):
    """One change of the source. The old text must stand in the file exactly once."""

    file: str
    old: str
    new: str


class Tooth(NamedTuple):
    """A bug, and how it is hunted.

    Attributes:
        name: what is wrong, in the words of somebody who reports it.
        patches: what plants it.
        scenarios: the names of shapes, or of scenarios of `tests.teeth.scenarios`.
        faults: how many strike one run at most, where all of them are walked: 0, 1 or 2.
        here: as for `explore`.
        drawn: the modes of faults of which plans are drawn and shrunk, where the order in which branches end is part of
            the bug.
        plan: the one that shows it, where that takes more faults than anybody walks or draws.
        gap: what the kit lacks, where it does not see the bug.
        tests: what pytest is to run instead, where a simulation has no part of it: a database, a run that is a step.
    """

    name: str
    patches: tuple[Patch, ...]
    scenarios: tuple[str, ...]
    faults: int = 1
    here: bool = True
    drawn: tuple[str, ...] = ()
    plan: Plan | None = None
    gap: str = ""
    tests: tuple[str, ...] = ()


def tooth(
    name: str,
    file: str,
    old: str,
    new: str,
    *scenarios: str,
    also: tuple[Patch, ...] = (),
    faults: int = 1,
    here: bool = True,
    drawn: tuple[str, ...] = (),
    plan: Plan | None = None,
    gap: str = "",
) -> Tooth:
    """A bug of one patch, or of several."""
    return Tooth(name, (Patch(file, old, new), *also), scenarios, faults, here, drawn, plan, gap)


def tooth_of_suite(name: str, file: str, old: str, new: str, *tests: str) -> Tooth:
    """A bug of one patch that tests are to catch; each is named as for pytest."""
    return Tooth(name, (Patch(file, old, new),), (), tests=tests)
