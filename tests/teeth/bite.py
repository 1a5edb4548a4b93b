"""Run in a process of its own, over a patched copy of the source: explores shapes until something is wrong."""

import logging
import sys

from amends.testing import Simulation, explore
from amends.testing.shape_list import shape


def bite(names: list[str]) -> Simulation | None:
    """Return the first thing that is wrong with the engine, in the shapes of these names."""
    for name in names:
        report = explore(shape(name).scenario, 1, stop_at_first=True)
        if report.findings:
            return report.findings[0]
    return None


if __name__ == "__main__":
    logging.disable()
    found = bite(sys.argv[1:])
    sys.stdout.write(f"{found.violations[0]} [{found.scenario.saga.name} under {found.plan}]\n" if found else "")
    raise SystemExit(1 if found else 0)
