"""Runs one shape of saga in a simulated world, under a plan of faults, to its end.

The same shape and the same faults give the same history, to the byte.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import LogUnavailable, RunFailed, SimulationStuck
from ..saga.codec import EventCodec
from ..saga.coordinator import Coordinator
from ..saga.events import Event, RunStatus
from ..saga.handle import RunHandle
from ..saga.log.port import Record
from ..saga.state import fold
from .checker import Violation, check
from .faulty_log import PAUSES, Fault, FaultyLog
from .ledger import Ledger, Note
from .processes import Process
from .shapes import Shape
from .virtual_time import VirtualClock

LIMIT_SECONDS = 600.0
"""Virtual seconds after which a run that is neither ended nor parked is stuck for good."""

ASK_AGAIN_SECONDS = 0.5
MAX_PROCESSES = 20
INPUT = "in"

_codec = EventCodec()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulation.

    Attributes:
        records: the run's events as they lie in the log.
        events: the same, decoded.
        notes: what its handlers did.
        seconds: how long it took, in virtual time.
        append_count: how many appends there were, those that failed included.
        fired: the faults that struck.
        process_count: how many processes it took.
        told: what the client was told of the run, in order.
        violations: what was wrong.
    """

    records: tuple[Record, ...]
    events: tuple[Event, ...]
    notes: tuple[Note, ...]
    seconds: float
    append_count: int
    fired: tuple[Fault, ...]
    process_count: int
    told: tuple[RunStatus, ...]
    violations: tuple[Violation, ...]

    @property
    def status(self) -> RunStatus | None:
        """How the client was told that the run ended; None if it never was."""
        return self.told[-1] if self.told else None


class _Client:
    """Whoever wants the run: asks until it is acknowledged, waits for its result, and speaks when it is parked."""

    def __init__(self, shape: Shape, *, here: bool) -> None:
        self.told: list[RunStatus] = []
        self._shape = shape
        self._here = here
        self._run_id = shape.name
        self._acknowledged = False
        self._orders = deque(shape.orders)

    async def want(self, coordinator: Coordinator) -> None:
        """Do so through the coordinator of one process; the next one goes on where this one died."""
        while not self._acknowledged:
            try:
                await coordinator.start(self._shape.saga, INPUT, run_id=self._run_id, here=self._here)
                self._acknowledged = True
            except LogUnavailable:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        handle = coordinator.handle(self._run_id)
        while True:
            status = await _ended(handle)
            self.told.append(status)
            if status is not RunStatus.PARKED or not self._orders:
                break
            try:
                await _order(handle, self._orders[0])
                self._orders.popleft()
            except LogUnavailable:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        if self._shape.settle_seconds:
            await asyncio.sleep(self._shape.settle_seconds)


async def _ended(handle: RunHandle[str]) -> RunStatus:
    try:
        await handle.result()
    except RunFailed as failed:
        return failed.status
    return RunStatus.COMPLETED


async def _order(handle: RunHandle[str], order: str) -> None:
    verb, _, step = order.partition(" ")
    if verb == "waive":
        await handle.waive(step, by="somebody", reason="simulated")
    elif verb == "cancel":
        await handle.cancel(by="somebody", reason="simulated")
    else:
        await handle.retry(by="somebody", reason="simulated")


def simulate(shape: Shape, faults: Iterable[Fault] = (), *, here: bool = True) -> Outcome:
    """Run a shape to its end in a simulated world, whatever goes wrong, and check all that can be checked.

    Args:
        shape: what to run.
        faults: what goes wrong; at most one fault for each append.
        here: the client's process hosts the run; else whichever claims it first.
    """
    client = _Client(shape, here=here)
    world = _World(shape, faults, client)
    broken: list[Violation] = []
    try:
        world.run()
    except SimulationStuck as stuck:
        broken.append(Violation("liveness", str(stuck)))
    except Exception as error:
        broken.append(Violation("nothing_raises", f"{type(error).__name__}: {error}"))
    world.end()
    records = world.log.records(shape.name)
    events = tuple(map(_codec.decode, records))
    broken += check(events, world.ledger.notes)
    broken += _extra(shape, events, client)
    return Outcome(
        records=tuple(records),
        events=events,
        notes=tuple(world.ledger.notes),
        seconds=world.clock.seconds,
        append_count=world.log.append_count,
        fired=tuple(world.log.fired),
        process_count=len(world.processes),
        told=tuple(client.told),
        violations=tuple(broken),
    )


class _World:
    """The processes of a simulation, one after the other or by turns."""

    def __init__(self, shape: Shape, faults: Iterable[Fault], client: _Client) -> None:
        self.clock = VirtualClock(LIMIT_SECONDS)
        self.log = FaultyLog(self.clock, faults)
        self.ledger = Ledger(self.log.length)
        self.processes: list[Process] = []
        self._shape = shape
        self._client = client

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
                following = stopped.popleft() if stopped else self._boot()
                stopped.append(process)
                process = following
            elif not ended:
                process = self._boot()
            elif stopped:
                process = stopped.popleft()
            else:
                return

    def end(self) -> None:
        """Let nothing more happen."""
        self.ledger.close()
        for process in self.processes:
            process.discard()

    def _boot(self) -> Process:
        number = len(self.processes) + 1
        if number > MAX_PROCESSES:
            raise SimulationStuck(f"{MAX_PROCESSES} processes did not bring the run to its end")
        process = Process(
            self._shape,
            log=self.log,
            clock=self.clock,
            ledger=self.ledger,
            worker=f"worker-{number}",
            main=self._client.want,
        )
        self.processes.append(process)
        return process


def _extra(shape: Shape, events: Sequence[Event], client: _Client) -> list[Violation]:
    """What only the shape and the client can tell."""
    found = []
    state = fold(shape.name, events)
    if not state.version:
        return [Violation("no_start_is_lost", "the log has no such run")]
    if client.told and client.told[-1] is not state.status:
        found.append(Violation("everybody_is_told_the_same", f"{client.told[-1]}, and the log says {state.status}"))
    if len({status for status in client.told if status.ended}) > 1:
        found.append(Violation("everybody_is_told_the_same", f"{client.told}"))
    allowed = {step.name: step for step in shape.steps}
    resumed = bool(shape.orders)
    for step in state.steps.values():
        limit = allowed[step.action]
        if step.attempts > limit.attempts and not resumed:
            found.append(Violation("attempts_are_bounded", f"step {step.path}: {step.attempts} of {limit.attempts}"))
    return found
