"""Whoever wants the run of a simulation: starts it, waits for its result, and says what a person has to say."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import LogUnavailable, RunFailed, UnknownName
from ..saga.coordinator import Coordinator
from ..saga.events import RunStatus
from ..saga.handle import RunHandle
from .asking import ASK_AGAIN_SECONDS, until_answered
from .elsewhere import REFUSALS, handle_elsewhere, say_at_once
from .faulty_log import FaultyLog
from .journal import Journal, Spoke
from .plan import Plan
from .scenario import Scenario
from .spoken import Abandon, Cancel, Deadline, Signal, Spoken, Undo, keyed
from .virtual_time import VirtualClock

__all__ = ["Client", "give_order"]

BY, REASON = "somebody", "simulated"

LOOK_SECONDS = 0.5
"""How often somebody who has a signal for the run looks whether it waits for that."""


class Client:
    """Asks until it is acknowledged and waits until the run is at rest, over as many processes as that takes.

    Args:
        scenario: what it wants.
        plan: what it says to the run, and when.
        journal: where that is noted.
        log: what is said elsewhere is written here.
        clock: of the simulation.
        here: the process that it asks hosts the run; else whichever claims it first.

    Attributes:
        told: what it was told of the run, in order.
        heard: what it said, and was told that it was heard.
    """

    def __init__(
        self, scenario: Scenario, plan: Plan, journal: Journal, log: FaultyLog, clock: VirtualClock, *, here: bool
    ) -> None:
        self.told: list[RunStatus] = []
        self.heard: list[Spoken] = []
        self._scenario = scenario
        self._journal = journal
        self._clock = clock
        self._here = here
        self._acknowledged = False
        self._orders = deque(scenario.when_parked)
        self._log = log
        self._signals = deque(keyed(scenario.signals))
        self._to_say = [fault for fault in plan if isinstance(fault, Cancel | Abandon | Signal)]
        self._undo = next((fault for fault in plan if isinstance(fault, Undo)), None)
        self._deadline = next((fault for fault in plan if isinstance(fault, Deadline)), None)
        self._unheard: list[Spoken] = []
        self._visits: dict[asyncio.AbstractEventLoop, _Visit] = {}

    async def want(self, coordinator: Coordinator) -> None:
        """Do so through the coordinator of one process; the next one goes on where this one died."""
        scenario, handle = self._scenario, coordinator.handle(self._scenario.run_id)
        self._visits[asyncio.get_running_loop()] = visit = _Visit(coordinator, handle)
        for fault in self._unheard:
            visit.speaking.add(asyncio.create_task(self._say(handle, fault)))
        if self._deadline is not None and self._deadline not in self._journal.fired:
            self._journal.add(Spoke(self._clock.seconds, "", self._deadline))
        while not self._acknowledged:
            try:
                await coordinator.start(
                    scenario.saga,
                    scenario.value,
                    run_id=scenario.run_id,
                    tags=scenario.tags,
                    deadline_seconds=None if self._deadline is None else self._deadline.seconds,
                    here=self._here,
                )
                self._acknowledged = True
            except LogUnavailable:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        telling = asyncio.create_task(self._tell(handle)) if self._signals else None
        await self._see_it_through(visit)
        if telling is not None:
            telling.cancel()
        if scenario.settle_seconds:
            await asyncio.sleep(scenario.settle_seconds)

    async def _see_it_through(self, visit: "_Visit") -> None:
        while True:
            status = await _ended(visit.handle)
            self.told.append(status)
            if visit.speaking:
                speaking, visit.speaking = visit.speaking, set()
                await asyncio.wait(speaking)
            elif status is RunStatus.COMPLETED and self._undo is not None:
                await self._have_undone(visit.handle, self._undo)
            elif status is not RunStatus.PARKED or not self._orders:
                return
            else:
                await self._speak(visit.handle)

    async def _speak(self, handle: RunHandle[object]) -> None:
        order = self._orders[0]
        try:
            await give_order(handle, order)
            if self._orders and self._orders[0] is order:  # Another process may have said it meanwhile.
                self._orders.popleft()
        except LogUnavailable:
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def _have_undone(self, handle: RunHandle[object], undo: Undo) -> None:
        if undo not in self._journal.fired:
            self._journal.add(Spoke(self._clock.seconds, "", undo))
        await self._say(handle, undo)
        self._undo = None

    def appended(self, number: int, worker: str) -> None:
        """Take note that an append was written by this process, and begin to say what the plan has one say then."""
        if not self._to_say:
            return
        visit = self._visits[asyncio.get_running_loop()]
        for fault in [fault for fault in self._to_say if fault.after == number]:
            self._to_say.remove(fault)
            self._journal.add(Spoke(self._clock.seconds, "" if fault.elsewhere else worker, fault))
            if fault.elsewhere:
                handle = handle_elsewhere(visit.coordinator, self._scenario.run_id)
                if say_at_once(self._log, _saying(handle, fault)):
                    self.heard.append(fault)
            else:
                self._unheard.append(fault)
                visit.speaking.add(asyncio.create_task(self._say(visit.handle, fault)))

    async def _say(self, handle: RunHandle[object], fault: Spoken) -> None:
        """Say something until it is heard, or refused because the run is past that."""
        with suppress(*REFUSALS):
            await until_answered(lambda: _saying(handle, fault), UnknownName)
            self.heard.append(fault)
        if fault in self._unheard:
            self._unheard.remove(fault)

    async def _tell(self, handle: RunHandle[object]) -> None:
        """Tell the run each signal of the scenario when it waits for it; whoever comes later tells what is left."""
        while self._signals:
            name, payload, key = self._signals[0]
            await until_answered(partial(self._until_awaited, handle, name), UnknownName)
            told = Signal(1, name, payload, key=key, elsewhere=False)
            with suppress(*REFUSALS):
                await until_answered(partial(_saying, handle, told))
                self.heard.append(told)
            if self._signals and self._signals[0][2] == key:  # Another process may have told it meanwhile.
                self._signals.popleft()

    async def _until_awaited(self, handle: RunHandle[object], name: str) -> None:
        while True:
            state = await handle.runs.state(handle.run_id)
            if state.status.ended or any(wait.signal == name for wait in state.waits.open.values()):
                return
            await asyncio.sleep(LOOK_SECONDS)


def _saying(handle: RunHandle[Any], fault: Spoken) -> Coroutine[Any, Any, object]:
    match fault:
        case Cancel():
            return handle.cancel(by=BY, reason=REASON)
        case Abandon():
            return handle.abandon(by=BY, reason=REASON)
        case Undo():
            return handle.undo(by=BY, reason=REASON)
        case Signal(name=name, payload=payload, key=key):
            return handle.signal(name, payload, by=BY, key=key)
        case Deadline():
            raise AssertionError("a deadline is said with the start")


@dataclass(slots=True)
class _Visit:
    """What the client has going on in one process; several of them may be alive, each on a loop of its own."""

    coordinator: Coordinator
    handle: RunHandle[object]
    speaking: set[asyncio.Task[None]] = field(default_factory=set)


async def _ended(handle: RunHandle[object]) -> RunStatus:
    try:
        await handle.result()
    except RunFailed as failed:
        return failed.status
    return RunStatus.COMPLETED


async def give_order(handle: RunHandle[object], order: str) -> None:
    """Say `"retry"`, `"resume"`, `"cancel"`, `"abandon"`, `"undo"` or `"waive PATH"`, as somebody; see `RunHandle`."""
    verb, _, step = order.partition(" ")
    if verb == "waive":
        await handle.waive(step, by=BY, reason=REASON)
    else:
        verbs = {
            "cancel": handle.cancel,
            "abandon": handle.abandon,
            "undo": handle.undo,
            "resume": handle.resume,
            "retry": handle.retry,
        }
        await verbs[verb](by=BY, reason=REASON)
