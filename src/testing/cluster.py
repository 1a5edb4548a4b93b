"""Several simulated processes that run at the same time over one log, one clock and one world, with many runs.

They take turns, one callback after the other; which one is next is drawn from a seed, so the same calls give the same
histories, to the byte. Time passes for all of them together, when none has anything to do. What goes wrong is said by
verbs: each takes effect at once, and nothing else happens until time or turns are let pass.
"""

import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self

from ..errors import InvariantBroken
from ..saga.events import Event, RunStatus
from ..saga.state import RunState
from .callers import Callers, Wanted
from .checker import Violation
from .cluster_checks import ClusterChecks
from .faulty_handlers import FaultyHandlers
from .faulty_log import FaultyLog
from .journal import Booted, Journal, Said
from .ledger import Kind, Ledger, Note
from .members import Life, Member, Request
from .plan import PAUSES, AppendMode, HandlerFault, HandlerMode, Plan
from .quiet import held_up, waits_for_somebody
from .scenario import Scenario
from .speaking import Speaking
from .story import lines_of
from .virtual_time import MAX_TURNS, VirtualClock

__all__ = ["Cluster"]

HEAL_SECONDS = 3_600.0
MOST_SIGNALS = 100  # that a run is told, one after the other, for it to come to rest
_SAME = object()


class Cluster(Speaking):
    """Processes that share the runs of some scenarios. Use it as a context manager, or call `end` when it is over.

    A scenario's `when_parked` and `limit_seconds` say nothing here: people speak by verbs, and `heal` has its own
    bound.

    Args:
        scenarios: every process knows their sagas and actions.
        seed: of the turns, of how long handlers take, and of back-off.
        lease_seconds: how long a process that has fallen silent keeps its runs; the longest of the scenarios', if left
            out.

    Attributes:
        clock: the time of all of them.
        log: their log.
        ledger: what handlers did.
        journal: what happened, in order.

    Raises:
        DefinitionError: two scenarios have different actions, or sagas, of one name.
    """

    def __init__(self, scenarios: Sequence[Scenario], *, seed: int = 0, lease_seconds: float | None = None) -> None:
        self.clock = VirtualClock()
        self.journal = Journal()
        self.log = FaultyLog(self.clock, Plan(), self.journal)
        self.ledger = Ledger(self.log.length)
        self._scenarios = tuple(scenarios)
        self._lease_seconds = lease_seconds or max(scenario.lease_seconds for scenario in scenarios)
        self._handlers = FaultyHandlers(self._scenarios, Plan(order=seed + 1), self.ledger, self.journal, self.clock)
        self._members: dict[str, Member] = {}
        self._wanted: dict[str, Wanted] = {}
        self._callers = Callers(self.log, self.journal, self.clock)
        self._checks = ClusterChecks(self.log, self.ledger, self.journal, self._wanted)
        self._turns = random.Random(f"turns {seed}")
        self._randomness = random.Random(f"back-off {seed}").getstate()
        self._still_turns = 0
        self._broken: list[tuple[str, Violation]] = []
        for scenario in self._scenarios:
            scenario.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def __repr__(self) -> str:
        return f"<Cluster of {', '.join(map(repr, self._members.values())) or 'nothing'}>"

    # What there is

    @property
    def running(self) -> list[str]:
        """The processes that run, clients included, in the order of their boots."""
        return [name for name, member in self._members.items() if member.life is Life.RUNNING]

    @property
    def workers(self) -> list[str]:
        """Those of them that take up runs."""
        return [name for name in self.running if self._members[name].hosts]

    @property
    def stopped(self) -> list[str]:
        """The processes that are stopped."""
        return [name for name, member in self._members.items() if member.life is Life.STOPPED]

    @property
    def runs(self) -> list[str]:
        """Every run that was asked for, whether it is in the log or not."""
        return list(self._wanted)

    def events(self, run_id: str) -> Sequence[Event]:
        """Return the events of a run that are durable."""
        return self._checks.seen(run_id).events

    def state(self, run_id: str) -> RunState:
        """Return a run as its durable events leave it; of version 0 if the log has none."""
        return self._checks.seen(run_id).state

    def notes(self, run_id: str) -> Sequence[Note]:
        """Return what the handlers of a run did."""
        return self._checks.seen(run_id).notes

    def told(self, run_id: str) -> list[RunStatus]:
        """Return what those who waited for a run were told."""
        return [told.status for told in self._wanted[run_id].told]

    # Processes

    def boot(self, *, client: bool = False) -> str:
        """Begin a process; returns its name. A client only starts runs, waits for them and speaks to them."""
        kind = "client" if client else "worker"
        name = f"{kind}-{sum(member.is_client is client for member in self._members.values()) + 1}"
        self.journal.add(Booted(self.clock.seconds, name, again=False))
        self._members[name] = Member(
            name,
            self._scenarios,
            log=self.log,
            clock=self.clock,
            ledger=self.ledger,
            handlers=self._handlers,
            lease_seconds=self._lease_seconds,
            is_client=client,
        )
        return name

    def kill(self, name: str) -> None:
        """End a process where it stands: nothing of it runs any more, and its lease lapses.

        Raises:
            ValueError: there is no such process, or it has ended; so for the other verbs.
        """
        member = self._member(name)
        member.life = Life.GONE
        self._say(name, "the process is killed")

    def stop(self, name: str) -> None:
        """Stop a process where it stands, as SIGSTOP does: time passes without it, and its lease lapses."""
        self._member(name).life = Life.STOPPED
        self._say(name, "the process is stopped")

    def go_on(self, name: str) -> None:
        """Let a stopped process go on, as SIGCONT does."""
        self._member(name).life = Life.RUNNING
        self.journal.add(Booted(self.clock.seconds, name, again=True))

    def close(self, name: str) -> None:
        """Ask a process to end: it drains and gives up what it has, when time or turns are let pass."""
        self._member(name).close()
        self._say(name, "the process is asked to end")

    # Runs

    def start(
        self, scenario: Scenario, run_id: str, value: Any = _SAME, *, at: str | None = None, here: bool = True
    ) -> str:
        """Let somebody ask a process for a run, and wait for its end there; returns the run's id.

        Args:
            scenario: what to run; one of the cluster's.
            run_id: as which run.
            value: its input; the scenario's, if left out.
            at: which process is asked; the first that runs, if left out.
            here: it hosts the run, if it is no client; else whoever claims it first.

        Raises:
            ValueError: the id was used for another scenario or input.
        """
        value = scenario.value if value is _SAME else value
        wanted = self._wanted.get(run_id)
        if wanted is None:
            wanted = self._wanted[run_id] = Wanted(run_id, replace(scenario, value=value, run_id=run_id))
        elif (wanted.scenario.saga, wanted.scenario.value) != (scenario.saga, value):
            raise ValueError(f"run {run_id} is one of {wanted.scenario.saga.name} with {wanted.scenario.value!r}")
        name = at or self.running[0]
        self._say(name, f"is asked for the run{'' if here else ', for whoever claims it'}", run_id)
        self._ask(name, partial(self._callers.start, worker=name, wanted=wanted, here=here))
        return run_id

    def wait_for(self, run_id: str, *, at: str | None = None) -> None:
        """Let somebody wait for the end of a run."""
        name = at or self.running[0]
        self._ask(name, partial(self._callers.wait, worker=name, wanted=self._wanted[run_id]))

    # Faults

    def fail_log(self, seconds: float, *, at: str | None = None) -> None:
        """Let the log answer nothing for so long, to one process or to all."""
        self.log.fall_silent(seconds, at)
        self._say(at or "", f"the log answers nothing{' more' if at is None else ' to it'} for {seconds:g} s")

    def fail_appends(self, mode: AppendMode | str, count: int = 1) -> None:
        """Let the next appends go wrong, whoever's they are; a mode that halts a process kills or stops it."""
        self.log.break_next(AppendMode(mode), count)

    def fail_handler(self, action: str, mode: HandlerMode | str, *, kind: Kind | str = Kind.DO, count: int = 1) -> None:
        """Let the next entries into a handler go wrong, in whichever run and process.

        Raises:
            DefinitionError: there is no such handler.
        """
        fault = HandlerFault(action, mode, kind=kind)
        known = [scenario for scenario in self._scenarios if action in {known.name for known in scenario.actions}]
        (known or self._scenarios)[0].check(Plan(fault))
        self._handlers.break_next(action, fault.mode, fault.kind, count)

    # Time

    def turns(self, count: int) -> None:
        """Let so many callbacks run, of whichever process is next; no time passes."""
        with self._at_work():
            for _ in range(count):
                if not self._take_turn():
                    return

    def advance(self, seconds: float) -> None:
        """Let so much virtual time pass, and everything happen that happens meanwhile."""
        self._run_until(self.clock.seconds + seconds)

    def settle(self, within_seconds: float = HEAL_SECONDS) -> bool:
        """Let time pass until every run has ended or is parked and nobody waits for an answer; returns whether so.

        A run that waits for a signal, and for no time, does not come to rest by itself: then it returns, too.
        What is stopped stays stopped, and what fails goes on failing.
        """
        return self._run_until(self.clock.seconds + within_seconds, until_quiet=True)

    def heal(self, within_seconds: float = HEAL_SECONDS) -> None:
        """Stop all faults, and let time pass until every run has ended or is parked, and everybody was told.

        A run that waits for a signal is told it, with the payload that its scenario has for it, or with none.
        A worker is booted if there is none. What does not come to rest within that time is a breach that `check` names.
        """
        self._say("", "all faults stop")
        self.log.mend()
        self._handlers.mend()
        for name in self.stopped:
            self.go_on(name)
        if not self.workers:
            self.boot()
        is_quiet = self.settle(within_seconds)
        for _ in range(MOST_SIGNALS):
            if not (is_quiet and self._tell_those_who_wait()):
                break
            self.advance(2.0)  # A process that has just begun opens its coordinator first.
            is_quiet = self.settle(within_seconds)
        if is_quiet:
            for run_id in self._wanted:
                if self.state(run_id).version:
                    self.wait_for(run_id, at=self.workers[0])
            self.settle(within_seconds)
            self.advance(max(scenario.settle_seconds for scenario in self._scenarios))
        stuck = held_up({run_id: self.state(run_id) for run_id in self._wanted})
        for run_id in self._wanted:
            state = self.state(run_id)
            if state.version and not state.at_rest and run_id not in stuck:
                what = f"it is {state.status}, {within_seconds:g} virtual seconds after the last fault"
                self._broken.append((run_id, Violation("liveness", what)))

    # What came of it

    def violations(self) -> list[tuple[str, Violation]]:
        """Return what is wrong, each with its run; an empty id where it is with the cluster."""
        found = self._broken + self._checks.violations(self.clock.seconds, len(self._members))
        for name, member in self._members.items():
            if member.error is not None:
                what = f"{name} died of {type(member.error).__name__}: {member.error}"
                found.append(("", Violation("nothing_raises", what)))
        return found

    def check(self) -> None:
        """Hold every invariant over every run, wherever it stands.

        Raises:
            InvariantBroken: something is wrong; with the stories of the runs, those where it is first.
        """
        found = self.violations()
        if found:
            run_id, violation = found[0]
            raise InvariantBroken(f"run {run_id}: {violation}" if run_id else str(violation), self.story(found))

    def story(self, broken: Sequence[tuple[str, Violation]] = ()) -> str:
        """Return what happened to each run, line by line, those first with which something is wrong."""
        wrong = {run_id: [what for of, what in broken if of == run_id] for run_id, _ in broken}
        lines = [f"broken: {violation}" for violation in wrong.get("", ())]
        for run_id in sorted(self._wanted, key=lambda run_id: run_id not in wrong):
            lines.append(f"{run_id} ({self._wanted[run_id].scenario.saga.name}):")
            lines += lines_of(self.events(run_id), self.journal.of(run_id), wrong.get(run_id, ()))
        return "\n".join(lines)

    def end(self) -> None:
        """Let nothing more happen, and let go of everything. Safe to call twice."""
        self.ledger.close()
        for member in self._members.values():
            member.life = Life.GONE
            member.discard()

    # Inside

    def _member(self, name: str) -> Member:
        member = self._members.get(name)
        if member is None or member.life is Life.GONE:
            raise ValueError(f"{name} {'has ended' if member else 'was never booted'}; there are {self.running}")
        return member

    def _say(self, name: str, text: str, run_id: str = "") -> None:
        self.journal.add(Said(self.clock.seconds, name, text, run_id))

    def _ask(self, name: str, request: Request) -> None:
        self._member(name).ask(request)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Draw the back-off of retries from the cluster's own source, whatever else is drawn from `random`.

        Meanwhile nothing is logged but errors: the faults are ours, and what they make a worker say is not news.
        """
        around, silenced = random.getstate(), logging.root.manager.disable
        random.setstate(self._randomness)
        logging.disable(max(silenced, logging.WARNING))
        try:
            yield
        finally:
            logging.disable(silenced)
            self._randomness = random.getstate()
            random.setstate(around)

    def _take_turn(self) -> bool:
        """Let one process do one thing; returns whether there was any with something to do."""
        ready = [member for member in self._members.values() if member.life is Life.RUNNING and member.loop.is_ready]
        if not ready:
            return False
        member = ready[0] if len(ready) == 1 else self._turns.choice(ready)
        self._still_turns += 1
        if self._still_turns > MAX_TURNS:
            stuck = Violation("liveness", f"the processes took {MAX_TURNS:,} turns, and no time passed")
            raise InvariantBroken(str(stuck), self.story([("", stuck)]))
        if member.take_turn():
            is_pause = self.log.halted in PAUSES
            member.life = Life.STOPPED if is_pause else Life.GONE
        return True

    def _run_until(self, ends_at: float, *, until_quiet: bool = False) -> bool:
        with self._at_work():
            while True:
                while self._take_turn():
                    pass
                if until_quiet and self._is_quiet():
                    return True
                members = [member for member in self._members.values() if member.life is Life.RUNNING]
                due = [at for member in members if (at := member.loop.next_at()) is not None and at <= ends_at]
                if not due:
                    self.clock.turn_to(ends_at)
                    return until_quiet and self._is_quiet()
                self.clock.turn_to(min(due))
                self._still_turns = 0

    def _tell_those_who_wait(self) -> bool:
        """Let each run that waits for a signal, and for no time, be told it; returns whether there was any."""
        waiting = [run_id for run_id in self._wanted if waits_for_somebody(self.state(run_id), self.log)]
        for run_id in waiting:
            wanted = dict(reversed(self._wanted[run_id].scenario.signals))
            names = {wait.signal for wait in self.state(run_id).waits.open.values() if wait.signal is not None}
            for name in sorted(names):
                self.signal(run_id, name, wanted.get(name), at=self.workers[0])
        return any(self.state(run_id).slots.next is None for run_id in waiting)

    def _is_quiet(self) -> bool:
        """Whether nothing happens to any run by itself, and nobody waits for an answer but of one that waits, too."""
        states = [self.state(run_id) for run_id in self._wanted]
        going = [state for state in states if not state.at_rest]
        if going:
            return all(waits_for_somebody(state, self.log) for state in going)
        members = [member for member in self._members.values() if member.life is Life.RUNNING]
        return not any(member.is_asked for member in members)
