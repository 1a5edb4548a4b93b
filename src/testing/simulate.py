"""Runs a saga in a simulated world, under a plan of faults, to its end.

The same scenario and the same plan give the same history, to the byte.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..errors import DefinitionError, SimulationStuck
from ..saga.codec import EventCodec
from .checker import Violation
from .client import Client
from .faulty_handlers import FaultyHandlers
from .faulty_log import FaultyLog
from .journal import Booted, Journal
from .ledger import Ledger
from .plan import PAUSES, Plan
from .processes import Process
from .scenario import Scenario
from .simulation import Simulation
from .simulation_checks import breaches
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
    scenario.begin()
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
        heard=tuple(stage.client.heard),
        here=here,
        asked_outside=frozenset(what for process in stage.processes for what in process.asked_outside),
        violations=(),
    )
    broken += breaches(done)
    return replace(done, violations=tuple(broken)) if broken else done


class _Stage:
    """The processes of a simulation, one after the other or by turns."""

    def __init__(self, scenario: Scenario, plan: Plan, *, here: bool) -> None:
        self.clock = VirtualClock(scenario.limit_seconds)
        self.journal = Journal()
        self.log = FaultyLog(self.clock, plan, self.journal)
        self.ledger = Ledger(self.log.length)
        self.client = Client(scenario, plan, self.journal, self.log, self.clock, here=here)
        self.log.appended = lambda number: self.client.appended(number, self.log.worker)
        self.processes: list[Process] = []
        self._scenario = scenario
        self._handlers = FaultyHandlers([scenario], plan, self.ledger, self.journal, self.clock)

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
            [self._scenario],
            log=self.log,
            clock=self.clock,
            ledger=self.ledger,
            handlers=self._handlers,
            worker=worker,
            main=self.client.want,
            lease_seconds=self._scenario.lease_seconds,
        )
        self.processes.append(process)
        return process
