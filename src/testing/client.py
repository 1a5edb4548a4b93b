"""Whoever wants the run of a simulation: starts it, waits for its result, and says what a person has to say."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from ..errors import CommandRefused, LogUnavailable, RunFailed, UnknownName
from ..saga.coordinator import Coordinator
from ..saga.events import RunStatus
from ..saga.handle import RunHandle
from .asking import ASK_AGAIN_SECONDS, until_answered
from .journal import Cancelled, Journal
from .plan import Cancel, Plan
from .scenario import Scenario
from .virtual_time import VirtualClock

__all__ = ["Client", "give_order"]

BY, REASON = "somebody", "simulated"


class Client:
    """Asks until it is acknowledged and waits until the run is at rest, over as many processes as that takes.

    Args:
        scenario: what it wants.
        plan: when it cancels.
        journal: where that is noted.
        clock: of the simulation.
        here: the process that it asks hosts the run; else whichever claims it first.

    Attributes:
        told: what it was told of the run, in order.
    """

    def __init__(self, scenario: Scenario, plan: Plan, journal: Journal, clock: VirtualClock, *, here: bool) -> None:
        self.told: list[RunStatus] = []
        self._scenario = scenario
        self._journal = journal
        self._clock = clock
        self._here = here
        self._acknowledged = False
        self._orders = deque(scenario.when_parked)
        self._cancels = {fault.after: fault for fault in plan if isinstance(fault, Cancel)}
        self._wants_to_cancel = False
        self._visits: dict[asyncio.AbstractEventLoop, _Visit] = {}

    async def want(self, coordinator: Coordinator) -> None:
        """Do so through the coordinator of one process; the next one goes on where this one died."""
        scenario, handle = self._scenario, coordinator.handle(self._scenario.run_id)
        self._visits[asyncio.get_running_loop()] = visit = _Visit(handle)
        if self._wants_to_cancel:
            visit.cancelling.add(asyncio.create_task(self._cancel(handle)))
        while not self._acknowledged:
            try:
                await coordinator.start(
                    scenario.saga, scenario.value, run_id=scenario.run_id, tags=scenario.tags, here=self._here
                )
                self._acknowledged = True
            except LogUnavailable:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        await self._see_it_through(visit)
        if scenario.settle_seconds:
            await asyncio.sleep(scenario.settle_seconds)

    async def _see_it_through(self, visit: "_Visit") -> None:
        while True:
            status = await _ended(visit.handle)
            self.told.append(status)
            if visit.cancelling:
                cancelling, visit.cancelling = visit.cancelling, set()
                await asyncio.wait(cancelling)
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

    def appended(self, number: int, worker: str) -> None:
        """Take note that an append was written by this process; begin to cancel if the plan says so."""
        fault = self._cancels.pop(number, None)
        if fault is not None and not self._wants_to_cancel:
            self._journal.add(Cancelled(self._clock.seconds, worker, fault))
            self._wants_to_cancel = True
            visit = self._visits[asyncio.get_running_loop()]
            visit.cancelling.add(asyncio.create_task(self._cancel(visit.handle)))

    async def _cancel(self, handle: RunHandle[object]) -> None:
        """Ask until the run is cancelled, or is over."""
        with suppress(CommandRefused):
            await until_answered(lambda: handle.cancel(by=BY, reason=REASON), UnknownName)
        self._wants_to_cancel = False


@dataclass(slots=True)
class _Visit:
    """What the client has going on in one process; several of them may be alive, each on a loop of its own."""

    handle: RunHandle[object]
    cancelling: set[asyncio.Task[None]] = field(default_factory=set)


async def _ended(handle: RunHandle[object]) -> RunStatus:
    try:
        await handle.result()
    except RunFailed as failed:
        return failed.status
    return RunStatus.COMPLETED


async def give_order(handle: RunHandle[object], order: str) -> None:
    """Say `"retry"`, `"cancel"` or `"waive PATH"`, as somebody; see `RunHandle` for what that raises."""
    verb, _, step = order.partition(" ")
    if verb == "waive":
        await handle.waive(step, by=BY, reason=REASON)
    elif verb == "cancel":
        await handle.cancel(by=BY, reason=REASON)
    else:
        await handle.retry(by=BY, reason=REASON)
