"""The page of the planted bugs: which invariant catches which, under which smallest plan, and what nothing catches."""

from collections.abc import Iterable, Sequence

from tests.teeth.planting import Bite
from tests.teeth.tooth import Tooth

__all__ = ["page"]

HEAD = """# The planted bugs, and what catches them

Written by `make teeth ARGS="--table docs/teeth.md"`, never by hand. Each bug is planted alone into a copy of the
engine; the testing kit runs over it, and knows only what it knows of every saga. The plan is the smallest that shows
the bug: the fewest faults, then the shortest history; `Plan()` is no fault at all. Where a plan breaks several
invariants, all are named, in the order of the checks. What a simulation has no part of (a database's transactions, runs
that are steps of others) tests have to catch.

"""


def page(bites: Sequence[Bite], gaps: Iterable[Tooth]) -> str:
    """Return the page as Markdown."""
    of_suites = [bite for bite in bites if bite.tooth.tests]
    bites, count = [bite for bite in bites if not bite.tooth.tests], len(bites)
    lines = [f"{count} bugs.", "", "| bug | invariants | smallest plan | where |", "| --- | --- | --- | --- |"]
    lines += [f"| {b.tooth.name} | {', '.join(b.invariants)} | `{b.plan}` | {b.scenario} |" for b in bites]
    lines += ["", "## What each invariant catches", ""]
    names = sorted({name for bite in bites for name in bite.elsewhere})
    lines += ["| invariant | in the smallest plan of | in some plan of | alone in the smallest plan of |"]
    lines += ["| --- | --- | --- | --- |", *(_reach(name, bites) for name in names)]
    lines += ["", "## What tests catch", "", "| bug | caught by |", "| --- | --- |"]
    lines += [f"| {bite.tooth.name} | {', '.join(_tests(bite))} |" for bite in of_suites]
    lines += ["", "## What the kit does not see", "", "Planted by `make teeth ARGS=--gaps`, and missed.", ""]
    lines += [f"- {gap.name}: {gap.gap}" for gap in gaps]
    return HEAD + "\n".join(lines) + "\n"


def _tests(bite: Bite) -> list[str]:
    """Return the tests that failed, whatever they were parametrized with."""
    return list(dict.fromkeys(f"`{name.partition('[')[0].rpartition('::')[2]}`" for name in bite.what.split(", ")))


def _reach(name: str, bites: Sequence[Bite]) -> str:
    smallest = sum(name in bite.invariants for bite in bites)
    some = sum(name in bite.elsewhere for bite in bites)
    alone = sum((name,) == bite.invariants for bite in bites)
    return f"| {name} | {smallest} | {some} | {alone} |"
