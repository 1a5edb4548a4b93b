"""Runs a saga in a simulated world, under a plan of faults, to its end.

The same scenario and the same plan give the same history, to the byte.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..errors import DefinitionError, SimulationStuck
from ..saga.codec import EventCodec
from ..saga.events import Event, ParkReason, RunParked
from ..saga.state import RunState, UndoStatus, fold
from .checker import Violation, check
from .client import Client
from .faulty_handlers import FaultyHandlers
from .faulty_log import FaultyLog
from .history_checks import History
from .journal import Booted, Journal
from .ledger import Kind, Ledger
from .plan import PAUSES, HandlerFault, Plan
from .processes import Process
from .scenario import Scenario
from .simulation import Simulation
from .virtual_time import VirtualClock

__all__ = ["simulate"]

MAX_PROCESSES = 20

_codec = EventCodec()
_LOGGERS = tuple(map(logging.getLogger, ("amends.driver", "amends.hosting")))


def simulate(scenario: Scenario, plan: Plan | None = None, *, here: bool = True) -> Simulation:
    """Run a saga to its end in a simulated world, whatever goes wrong, and check all that can be checked.

    The handlers are the scenario's own; no real time passes, and nothing is left behind. The random numbers of
    `random`, from which back-off draws its jitter, are seeded with the plan's order, and put back afterwards.

    Args:
        scenario: what to run.
        plan: what goes wrong; nothing, if left out.
        here: the client's process hosts the run; else whichever claims it first.

    Raises:
        DefinitionError: the plan names a handler that the scenario does not have, or an event loop is running.
    """
    plan = Plan() if plan is None else plan
    scenario.check(plan)
    _refuse_a_running_loop()
    with _undisturbed(plan.order):
        return _simulated(scenario, plan, here=here)


def _refuse_a_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise DefinitionError("simulate runs an event loop of its own; call it from a plain function, not from async code")


@contextmanager
def _undisturbed(seed: int) -> Iterator[None]:
    """Seed `random`, and keep workers from reporting the faults that we make; put both back afterwards."""
    before = random.getstate()
    random.seed(seed)
    were_disabled = [logger.disabled for logger in _LOGGERS]
    for logger in _LOGGERS:
        logger.disabled = True
    try:
        yield
    finally:
        random.setstate(before)
        for logger, was_disabled in zip(_LOGGERS, were_disabled, strict=True):
            logger.disabled = was_disabled


def _simulated(scenario: Scenario, plan: Plan, *, here: bool) -> Simulation:
    if scenario.world is not None:
        scenario.world.reset()
    if scenario.set_up is not None:
        scenario.set_up()
    stage = _Stage(scenario, plan, here=here)
    broken: list[Violation] = []
    try:
        stage.run()
    except SimulationStuck as stuck:
        broken.append(Violation("liveness", str(stuck)))
    except Exception as error:
        broken.append(Violation("nothing_raises", f"{type(error).__name__}: {error}"))
    stage.end()
    records = tuple(stage.log.records(scenario.run_id))
    events = tuple(map(_codec.decode, records))
    broken += check(events, stage.ledger.notes)
    broken += _more(scenario, stage, events)
    done = Simulation(
        scenario=scenario,
        plan=plan,
        records=records,
        events=events,
        notes=tuple(stage.ledger.notes),
        journal=stage.journal,
        seconds=stage.clock.seconds,
        process_count=len(stage.processes),
        told=tuple(stage.client.told),
        here=here,
        violations=tuple(broken),
    )
    own = None if scenario.holds is None else _own_breach(scenario.holds, done)
    return done if own is None else replace(done, violations=(*broken, Violation("holds", own)))


def _own_breach(holds: Callable[[Simulation], object], simulation: Simulation) -> str | None:
    """Return what the scenario's own property has to say against a simulation."""
    try:
        return "it returned False" if holds(simulation) is False else None
    except AssertionError as error:
        return str(error) or "the assertion is false"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class _Stage:
    """The processes of a simulation, one after the other or by turns."""

    def __init__(self, scenario: Scenario, plan: Plan, *, here: bool) -> None:
        self.plan = plan
        self.clock = VirtualClock(scenario.limit_seconds)
        self.journal = Journal()
        self.log = FaultyLog(self.clock, plan, self.journal)
        self.ledger = Ledger(self.log.length)
        self.client = Client(scenario, plan, self.journal, self.clock, here=here)
        self.log.appended = lambda number: self.client.appended(number, self.log.worker)
        self.processes: list[Process] = []
        self._scenario = scenario
        self._handlers = FaultyHandlers(scenario, plan, self.ledger, self.journal, self.clock)

    def run(self) -> None:
        """Run until a process has ended by itself, and none is left that was stopped.

        A process that died is followed by a new one. One that was stopped goes on when the next one has been stopped,
        too, or has ended.
        """
        stopped: deque[Process] = deque()
        process = self._boot()
        while True:
            ended = process.go_on()
            if not ended and self.log.halted in PAUSES:
                following = self._again(stopped.popleft()) if stopped else self._boot()
                stopped.append(process)
                process = following
            elif not ended:
                process = self._boot()
            elif stopped:
                process = self._again(stopped.popleft())
            else:
                return

    def end(self) -> None:
        """Let nothing more happen."""
        self.ledger.close()
        for process in self.processes:
            process.discard()

    def _again(self, process: Process) -> Process:
        self.journal.add(Booted(self.clock.seconds, process.worker, again=True))
        return process

    def _boot(self) -> Process:
        number = len(self.processes) + 1
        if number > MAX_PROCESSES:
            raise SimulationStuck(f"{MAX_PROCESSES} processes did not bring the run to its end")
        worker = f"worker-{number}"
        self.journal.add(Booted(self.clock.seconds, worker, again=False))
        process = Process(
            self._scenario,
            log=self.log,
            clock=self.clock,
            ledger=self.ledger,
            handlers=self._handlers,
            worker=worker,
            main=self.client.want,
        )
        self.processes.append(process)
        return process


def _more(scenario: Scenario, stage: _Stage, events: tuple[Event, ...]) -> Iterator[Violation]:
    """Yield what only the scenario, the processes and the client can tell."""
    for what in sorted({what for process in stage.processes for what in process.asked_outside}):
        yield Violation("nothing_from_outside", f"{what}: there is none in a simulation; give the action a stand-in")
    state = fold(scenario.run_id, events)
    if not state.version:
        yield Violation("no_start_is_lost", "the log has no such run")
        return
    for status in {status for status in stage.client.told if status.ended} - {state.status}:
        yield Violation("everybody_is_told_the_same", f"{status}, and the log says {state.status}")
    if scenario.world is not None:
        history = History(events)
        for what in scenario.world.breaches(scenario.run_id, history):
            yield Violation("effects_fit_the_end", what)
    if not stage.journal.fired and scenario.ends not in (None, state.status):
        yield Violation("ends_as_it_should", f"without any fault, the run is {state.status} and not {scenario.ends}")
    for event in events:
        if isinstance(event, RunParked) and event.reason is ParkReason.DIVERGED:
            yield Violation("replays_ask_the_same", f"the saga does not ask for the same steps again: {event.detail}")
    yield from _undos_that_fail(scenario, stage, state)


def _undos_that_fail(scenario: Scenario, stage: _Stage, state: RunState) -> Iterator[Violation]:
    """Yield the undos that the run is parked over although the plan has nothing against them."""
    if state.parked and state.parked.reason is ParkReason.UNDO_FAILED:
        plan = stage.plan
        struck = {fault.action for fault in plan if isinstance(fault, HandlerFault) and fault.kind is not Kind.DO}
        for step in state.steps.values() if not scenario.undos_may_fail else ():
            if step.undo is UndoStatus.FAILED and step.action not in struck:
                error = step.undo_error.message if step.undo_error else ""
                yield Violation("undos_work", f"the undo of step {step.path} ({step.action}) fails by itself: {error}")
