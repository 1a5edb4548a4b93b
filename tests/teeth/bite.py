"""Run in a process of its own, over a patched copy of the source: hunts for one planted bug with the testing kit.

It prints one line of JSON: the smallest plan that shows the bug (the fewest faults, then the shortest history), and
what that breaks; or that nothing was found.
"""

import json
import logging
import random
import sys
from typing import Any

from amends.testing import Plan, Scenario, Simulation, explore, simulate
from tests.teeth.planted import GAPS, TEETH
from tests.teeth.scenarios import scenario, wrong
from tests.teeth.tooth import DRAWS, Tooth


def hunt(tooth: Tooth) -> list[Simulation]:
    """Return what is wrong with the engine, under plans of as few faults as show it."""
    scenarios = [scenario(name) for name in tooth.scenarios]
    if tooth.plan is not None:
        return list(wrong(simulate(of, tooth.plan, here=tooth.here) for of in scenarios))
    for faults in range(tooth.faults + 1):
        few = [
            explore(of, faults, commands=True, here=tooth.here, stop_at_first=faults > 1, progress=False)
            for of in scenarios
        ]
        if findings := list(wrong(finding for report in few for finding in report.findings)):
            return findings
    return [found for of in scenarios if (found := draw(of, tooth))] if tooth.drawn else []


def draw(of: Scenario, tooth: Tooth) -> Simulation | None:
    """Draw plans, orders of completion among them, and shrink the first that shows something."""
    from hypothesis import HealthCheck, find, settings
    from hypothesis.errors import NoSuchExample

    from amends.testing.strategies import fault_plans

    def is_wrong(plan: Plan) -> bool:
        return any(wrong([simulate(of, plan, here=tooth.here)]))

    quietly = settings(max_examples=DRAWS, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    try:
        plans = fault_plans(of, modes=tooth.drawn, cancels=False, commands=True)
        plan = find(plans, is_wrong, settings=quietly, random=random.Random(1))
    except NoSuchExample:
        return None
    return next(wrong([simulate(of, plan, here=tooth.here)]))


def told(findings: list[Simulation]) -> dict[str, Any]:
    """Return what there is to say of the findings."""
    if not findings:
        return {}
    smallest = min(findings, key=lambda found: (len(found.plan.faults), len(found.events)))
    return {
        "invariants": list(dict.fromkeys(violation.invariant for violation in smallest.violations)),
        "what": str(smallest.violations[0]),
        "scenario": smallest.scenario.saga.name,
        "plan": str(smallest.plan),
        "elsewhere": sorted({violation.invariant for found in findings for violation in found.violations}),
    }


if __name__ == "__main__":
    logging.disable()
    [wanted] = [tooth for tooth in (*TEETH, *GAPS) if tooth.name == sys.argv[1]]
    sys.stdout.write(json.dumps(told(hunt(wanted))))
