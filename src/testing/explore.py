"""Walks every cut of a shape: each append of its run, in each way in which it can go wrong; and pairs of them.

`explore` counts N = 1, 2, ... until no fault strikes any more, so nothing has to be known of the run beforehand. The
second fault of a pair falls on a later append: during the recovery from the first, or on what follows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .checker import Violation
from .faulty_log import CRASHES, FOUR_CUTS, PAUSES, Fault, Mode
from .shapes import Shape
from .simulate import Outcome, simulate


@dataclass(frozen=True, slots=True)
class Finding:
    """A schedule under which something was wrong, and what."""

    shape: str
    faults: tuple[Fault, ...]
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        plan = ", ".join(map(str, self.faults)) or "no fault"
        return f"{self.shape} [{plan}]: " + "; ".join(map(str, self.violations))


@dataclass(slots=True)
class Report:
    """What an exploration has seen.

    Attributes:
        schedules: how many plans of faults were run, those without a fault included.
        events: in all their histories.
        seconds: of virtual time.
        crashes: how many processes died.
        pauses: how many were stopped while another one took over.
        failures: how many appends failed, or said so.
        findings: where something was wrong.
    """

    schedules: int = 0
    events: int = 0
    seconds: float = 0.0
    crashes: int = 0
    pauses: int = 0
    failures: int = 0
    findings: list[Finding] = field(default_factory=list)

    def count(self, outcome: Outcome) -> None:
        """Count one schedule in."""
        self.schedules += 1
        self.events += len(outcome.events)
        self.seconds += outcome.seconds
        for fault in outcome.fired:
            if fault.mode in PAUSES:
                self.pauses += 1
            elif fault.mode in CRASHES:
                self.crashes += 1
            else:
                self.failures += 1

    def add(self, other: "Report") -> None:
        """Count another one in."""
        for name in ("schedules", "events", "seconds", "crashes", "pauses", "failures", "findings"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def explore(
    shape: Shape,
    faults: int = 1,
    modes: Sequence[Mode] = FOUR_CUTS,
    *,
    here: bool = True,
    stop_at_first: bool = False,
) -> Report:
    """Run a shape without a fault, then with each one, then with each pair.

    Args:
        shape: what to run.
        faults: how many strike one run at most, 0, 1 or 2.
        modes: in which ways an append goes wrong.
        here: as for `simulate`.
        stop_at_first: stop when something was wrong.
    """
    report = Report()
    for plan, outcome in _walk(shape, faults, modes, here=here):
        report.count(outcome)
        violations = outcome.violations + tuple(_differs(shape, outcome))
        if violations:
            report.findings.append(Finding(shape.name, plan, violations))
            if stop_at_first:
                break
    return report


def _walk(
    shape: Shape, faults: int, modes: Sequence[Mode], *, here: bool
) -> Iterator[tuple[tuple[Fault, ...], Outcome]]:
    yield (), simulate(shape, here=here)
    if not faults:
        return
    for first in _struck(shape, (), modes, 1, here=here):
        yield first
        if faults > 1:
            plan, _ = first
            yield from _struck(shape, plan, modes, plan[0].at + 1, here=here)


def _struck(
    shape: Shape, before: tuple[Fault, ...], modes: Iterable[Mode], from_append: int, *, here: bool
) -> Iterator[tuple[tuple[Fault, ...], Outcome]]:
    """Add one more fault to a plan, at each later append, as long as it strikes."""
    for mode in modes:
        at = from_append
        while True:
            plan = (*before, Fault(at, mode))
            outcome = simulate(shape, plan, here=here)
            if len(outcome.fired) < len(plan):
                break
            yield plan, outcome
            at += 1


def _differs(shape: Shape, outcome: Outcome) -> Iterator[Violation]:
    allowed = {shape.end, *(shape.or_else if outcome.fired else ())}
    if outcome.status not in allowed:
        yield Violation("ends_as_it_should", f"{outcome.status}, and not {' or '.join(sorted(allowed))}")
