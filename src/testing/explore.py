"""Walks every fault that a scenario can meet, one at a time or in pairs.

Where a fault can strike is read off a simulation: each append, each entry into a handler. The second fault of a pair
strikes at what came after the first: during the recovery, in the unwind, or on what follows.
"""

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from itertools import islice

from ..errors import DefinitionError, InvariantBroken
from ..progress import Bar
from ..saga.events import RunStatus
from .checker import Violation
from .journal import Appended, Entered
from .ledger import Kind
from .plan import CRASHES, PAUSES, AppendFault, AppendMode, Fault, HandlerFault, HandlerMode, Plan
from .scenario import Scenario
from .simulate import simulate
from .simulation import Simulation
from .spoken import Abandon, Cancel, Deadline, Signal, Undo, keyed

__all__ = ["ALL_MODES", "Modes", "Report", "as_modes", "explore", "honest_modes", "next_faults"]

Modes = Collection[AppendMode | HandlerMode | str]

ALL_MODES: Modes = (*AppendMode, *HandlerMode)

MOST_FINDINGS = 20
SOON_SECONDS = 0.001
KIND_WORDS = 3
MOST_FAULTS = 2

_PROBE_MODES = (HandlerMode.RAISES, HandlerMode.HANGS)


@dataclass(slots=True)
class Report:
    """What an exploration has seen.

    Attributes:
        scenario: of what; empty where several were added up.
        schedules: how many plans of faults were simulated, the one without a fault included.
        events: in all their histories.
        virtual_seconds: that they took in their own time.
        seconds: that they took in ours.
        crashes: how many processes died.
        pauses: how many were stopped while another one took over.
        failures: how many appends failed, or said so.
        handler_faults: how many plans had a handler go wrong.
        cancels: how many runs somebody cancelled.
        commands: how many plans had somebody say something else: a signal, a deadline, to abandon or to undo the run.
        broken: how many broke an invariant.
        findings: one simulation for each kind of breach, under the shortest plan that shows it; 20 at most.
    """

    scenario: str = ""
    schedules: int = 0
    events: int = 0
    virtual_seconds: float = 0.0
    seconds: float = 0.0
    crashes: int = 0
    pauses: int = 0
    failures: int = 0
    handler_faults: int = 0
    cancels: int = 0
    commands: int = 0
    broken: int = 0
    findings: list[Simulation] = field(default_factory=list)

    def count(self, simulation: Simulation) -> None:
        """Count one simulation in."""
        self.schedules += 1
        self.events += len(simulation.events)
        self.virtual_seconds += simulation.seconds
        for fault in simulation.fired:
            match fault:
                case AppendFault(mode=mode):
                    self.pauses += mode in PAUSES
                    self.crashes += mode in CRASHES
                    self.failures += mode not in PAUSES and mode not in CRASHES
                case HandlerFault():
                    self.handler_faults += 1
                case Cancel():
                    self.cancels += 1
                case _:
                    self.commands += 1
        if simulation.violations:
            self.broken += 1
            self._keep([simulation])

    def add(self, other: "Report") -> None:
        """Count another one in."""
        for of in fields(self):
            if of.name not in ("scenario", "findings"):
                setattr(self, of.name, getattr(self, of.name) + getattr(other, of.name))
        self._keep(other.findings)

    def _keep(self, found: Iterable[Simulation]) -> None:
        """Keep one simulation of each kind: thousands of plans may show the same bug."""
        kinds: dict[tuple[object, ...], Simulation] = {}
        for simulation in sorted([*self.findings, *found], key=_length):
            broken = sorted({_kind(violation) for violation in simulation.violations})
            kinds.setdefault((simulation.scenario.saga.name, *broken), simulation)
        self.findings = list(kinds.values())[:MOST_FINDINGS]

    def __str__(self) -> str:
        verdict = f"{self.broken:,} BROKE AN INVARIANT" if self.broken else "every invariant held"
        others = f", {self.commands:,} other commands" if self.commands else ""
        return (
            f"{self.scenario}: {self.schedules:,} schedules, {self.events:,} events, {self.crashes:,} crashes, "
            f"{self.pauses:,} takeovers, {self.failures:,} failed appends, {self.handler_faults:,} handler faults, "
            f"{self.cancels:,} cancels{others} in {self.seconds:.1f} s: {verdict}"
        )

    def check(self) -> "Report":
        """Return this report if all was well.

        Raises:
            InvariantBroken: something was wrong; with a story for each kind of it, the shortest plan first.
        """
        if self.findings:
            message = f"{self.broken:,} of {self.schedules:,} schedules broke an invariant"
            raise InvariantBroken(message, lambda: "\n\n".join(simulation.story() for simulation in self.findings))
        return self


def _kind(violation: Violation) -> tuple[str, ...]:
    """Return what is alike where the same is wrong: the invariant, and the first words, which say what it is about."""
    words = (word for word in violation.what.split() if not any(map(str.isdigit, word)))
    return violation.invariant, *islice(words, KIND_WORDS)


def _length(simulation: Simulation) -> tuple[int, int]:
    """Return how long a simulation is to tell: by its plan, then by its history."""
    return len(simulation.plan.faults), len(simulation.events)


def explore(
    scenario: Scenario,
    faults: int = 1,
    *,
    modes: Modes = ALL_MODES,
    cancels: bool = True,
    commands: bool = False,
    here: bool = True,
    stop_at_first: bool = False,
    progress: bool | None = None,
) -> Report:
    """Simulate a scenario without a fault, then with each one, then with each pair.

    A `do` that lands and then raises as if it had not breaks its word, and no engine can make up for that. So that
    fault strikes undos only.

    Args:
        scenario: what to run.
        faults: how many strike one run at most: 0, 1 or 2.
        modes: what goes wrong.
        cancels: whether somebody cancels the run, too.
        commands: whether somebody says something else to it: cancels it from another process, abandons it, tells it a
            signal of the scenario early, has it undone when it is completed; or it is started with a deadline. A run
            that is abandoned breaks many a rule of yours, and rightly so: hold the rule against `status` then.
        here: as for `simulate`.
        stop_at_first: stop when something was wrong.
        progress: show a bar; if left out, where it takes long and standard error is a terminal.

    Raises:
        DefinitionError: `faults` or `modes` is none of these.
    """
    if faults not in range(MOST_FAULTS + 1):
        raise DefinitionError(f"faults={faults!r}; use 0, 1 or 2")
    modes = as_modes(modes)
    began = time.perf_counter()
    report = Report(scenario.saga.name)
    with _bar(scenario, progress) as bar:
        for simulation in _walk(scenario, faults, modes, bar, cancels=cancels, commands=commands, here=here):
            report.count(simulation)
            if report.findings and stop_at_first:
                break
    report.seconds = time.perf_counter() - began
    return report


def _bar(scenario: Scenario, progress: bool | None) -> AbstractContextManager[Bar | None]:
    return nullcontext() if progress is False else Bar(scenario.saga.name, wanted=progress is True)


def _walk(
    scenario: Scenario,
    faults: int,
    modes: tuple[AppendMode | HandlerMode, ...],
    bar: Bar | None,
    *,
    cancels: bool,
    commands: bool,
    here: bool,
) -> Iterator[Simulation]:
    base = simulate(scenario, here=here)
    yield base
    firsts = list(next_faults(base, modes, cancels=cancels, commands=commands)) if faults else []
    for number, first in enumerate(firsts):
        if bar is not None:
            bar.show(number, len(firsts))
        one = simulate(scenario, Plan(first), here=here)
        if not one.fired:
            continue
        yield one
        for second in next_faults(one, modes, cancels=cancels, commands=commands) if faults > 1 else ():
            two = simulate(scenario, one.plan.also(second), here=here)
            if len(two.fired) > 1:
                yield two


def next_faults(
    simulation: Simulation, modes: tuple[AppendMode | HandlerMode, ...], *, cancels: bool, commands: bool
) -> Iterator[Fault]:
    """Yield every fault that can strike after the last one that struck in a simulation, in the order of the places."""
    happenings = simulation.journal.happenings
    begin, struck = 0, set()
    for place, happening in enumerate(happenings):
        if happening.fault is not None and happening.fault not in struck:
            begin = place + 1
            struck.add(happening.fault)
    for happening in happenings[begin:]:
        match happening:
            case Appended(number=number, fault=None) if number > 0:
                yield from (AppendFault(number, mode) for mode in modes if isinstance(mode, AppendMode))
                if cancels and not _has(simulation, Cancel):
                    yield Cancel(number)
                if commands:
                    if cancels and not _has(simulation, Cancel):
                        yield Cancel(number, elsewhere=True)
                    yield from _commands(simulation, number)
            case Entered(kind=kind, action=action, number=number, fault=None):
                for mode in honest_modes(kind, modes):
                    for good in (False, True):
                        yield HandlerFault(action, mode, kind=kind, entry=number, for_good=good)
    if commands:
        yield from _once(simulation)


def _has(simulation: Simulation, kind: type[Fault]) -> bool:
    return any(isinstance(fault, kind) for fault in simulation.plan)


def _commands(simulation: Simulation, number: int) -> Iterator[Fault]:
    """Yield what somebody may say after an append, each once a run; signals in their order."""
    if not _has(simulation, Abandon):
        yield Abandon(number)
    told = {fault.key for fault in simulation.plan if isinstance(fault, Signal)}
    names = set()
    for name, payload, key in keyed(simulation.scenario.signals):
        if key not in told and name not in names:
            names.add(name)
            yield Signal(number, name, payload, key=key)


def _once(simulation: Simulation) -> Iterator[Fault]:
    """Yield what may be said at the start of a run, or at its end."""
    if simulation.status is RunStatus.COMPLETED and not simulation.state.commits and not _has(simulation, Undo):
        yield Undo()
    if not simulation.plan.faults:
        began = simulation.events[0].occurred_at
        times = sorted({(event.occurred_at - began).total_seconds() for event in simulation.events} - {0.0})
        yield from map(Deadline, [SOON_SECONDS, *times])


def as_modes(modes: Modes) -> tuple[AppendMode | HandlerMode, ...]:
    """Return the modes that these are, or name.

    Raises:
        DefinitionError: one of them is none.
    """
    known = {str(mode): mode for mode in (*AppendMode, *HandlerMode)}
    if unknown := [mode for mode in modes if str(mode) not in known]:
        raise DefinitionError(f"modes: {unknown[0]!r} is none of {', '.join(known)}")
    return tuple(known[str(mode)] for mode in modes)


def honest_modes(kind: Kind, modes: Iterable[AppendMode | HandlerMode]) -> Iterator[HandlerMode]:
    """Yield what may go wrong with a handler of this kind that keeps its word."""
    for mode in modes:
        if isinstance(mode, HandlerMode):
            is_lie = kind is Kind.DO and mode is HandlerMode.LANDS_AND_RAISES
            if not is_lie and (kind is not Kind.PROBE or mode in _PROBE_MODES):
                yield mode
