"""The simulated part of the campaign: every cut of every shape, pairs of cuts, and drawn plans of three.

`python -m amends.testing.campaign` prints one closing line, and says what was wrong if anything was.
"""

import argparse
import logging
import random
import sys
from collections.abc import Callable, Iterable

from .explore import Report, explore
from .plan import CUTS, AppendFault, AppendMode, Plan
from .shape_list import SHAPES
from .shapes import Shape
from .simulate import simulate

APPEND_MODES = tuple(AppendMode)
DRAWN_FAULTS = 3
LAST_DRAWN_APPEND = 20


def drawn(shape: Shape, seed: int, count: int) -> Report:
    """Run a shape under `count` plans of three faults of appends each, drawn from `seed`."""
    source = random.Random(f"{seed} {shape.name}")
    report = Report()
    for _ in range(count):
        places = sorted(source.sample(range(1, LAST_DRAWN_APPEND), DRAWN_FAULTS))
        faults = [AppendFault(at, source.choice(APPEND_MODES)) for at in places]
        plan = Plan(*faults, order=source.randrange(1_000))
        report.count(simulate(shape.scenario, plan, here=source.random() < 0.5))
    return report


def walked(shape: Shape) -> Report:
    """Run a shape under every fault there is, and every pair of those that the log can have."""
    report = explore(shape.scenario, 2, modes=CUTS, cancels=False, progress=False)
    for here in (True, False):
        report.add(explore(shape.scenario, 1, commands=True, here=here, progress=False))
    return report


def campaign(
    seed: int, draws: int, shapes: Iterable[Shape] = SHAPES, progress: Callable[[str], object] = lambda _: None
) -> Report:
    """Run it all.

    Args:
        seed: of the drawn plans.
        draws: how many of them for each shape.
        shapes: what to run.
        progress: is told after each shape how it went.
    """
    total = Report()
    for shape in shapes:
        report = walked(shape)
        report.add(drawn(shape, seed, draws))
        total.add(report)
        progress(f"{shape.name}: {report.schedules:,} schedules, {report.broken} wrong")
    return total


def closing_line(report: Report, seed: int, shape_count: int) -> str:
    """Say in one line what a campaign has seen."""
    verdict = "every invariant held" if not report.broken else f"{report.broken:,} BROKE AN INVARIANT"
    return (
        f"simulated: {report.schedules:,} schedules of {shape_count} saga shapes, {report.events:,} events, "
        f"{report.crashes:,} crashes, {report.pauses:,} pauses, {report.failures:,} failed appends, "
        f"{report.handler_faults:,} handler faults, {report.cancels:,} cancels, seed {seed}: {verdict}"
    )


def main() -> int:
    """Run the campaign from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m amends.testing.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=400, help="drawn plans for each shape")
    parser.add_argument("--quiet", action="store_true", help="print the closing line only")
    options = parser.parse_args()
    logging.getLogger("amends").setLevel(logging.ERROR)  # The faults are ours; what they make a worker say is not news.
    write = sys.stdout.write
    report = campaign(
        options.seed, options.draws, progress=(lambda _: None) if options.quiet else (lambda line: write(f"{line}\n"))
    )
    for finding in report.findings[:20]:
        write(f"{finding.story()}\n\n")
    write(closing_line(report, options.seed, len(SHAPES)) + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
