"""Whoever wants the run of a simulation: starts it, waits for its result, and says what a person has to say."""

import asyncio
from collections import deque

from ..errors import LogUnavailable, NotHosted, RunFailed, UnknownName
from ..saga.coordinator import Coordinator
from ..saga.events import RunStatus
from ..saga.handle import RunHandle
from .journal import Cancelled, Journal
from .plan import Cancel, Plan
from .scenario import Scenario
from .virtual_time import VirtualClock

__all__ = ["ASK_AGAIN_SECONDS", "Client", "give_order"]

ASK_AGAIN_SECONDS = 0.5
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
        self._cancelling: set[asyncio.Task[None]] = set()
        self._wants_to_cancel = False
        self._coordinator: Coordinator | None = None

    async def want(self, coordinator: Coordinator) -> None:
        """Do so through the coordinator of one process; the next one goes on where this one died."""
        scenario, self._coordinator = self._scenario, coordinator
        self._cancelling = set()
        if self._wants_to_cancel:
            self._begin_to_cancel()
        while not self._acknowledged:
            try:
                await coordinator.start(
                    scenario.saga, scenario.value, run_id=scenario.run_id, tags=scenario.tags, here=self._here
                )
                self._acknowledged = True
            except LogUnavailable:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        await self._see_it_through(coordinator.handle(scenario.run_id))
        if scenario.settle_seconds:
            await asyncio.sleep(scenario.settle_seconds)

    async def _see_it_through(self, handle: RunHandle[object]) -> None:
        while True:
            status = await _ended(handle)
            self.told.append(status)
            if self._cancelling:
                await asyncio.wait(self._cancelling)
                self._cancelling = set()
            elif status is not RunStatus.PARKED or not self._orders:
                return
            else:
                await self._speak(handle)

    async def _speak(self, handle: RunHandle[object]) -> None:
        try:
            await give_order(handle, self._orders[0])
            self._orders.popleft()
        except LogUnavailable:
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    def appended(self, number: int, worker: str) -> None:
        """Take note that an append was written by this process; begin to cancel if the plan says so."""
        fault = self._cancels.pop(number, None)
        if fault is not None and not self._wants_to_cancel:
            self._journal.add(Cancelled(self._clock.seconds, worker, fault))
            self._wants_to_cancel = True
            self._begin_to_cancel()

    def _begin_to_cancel(self) -> None:
        self._cancelling.add(asyncio.get_running_loop().create_task(self._cancel()))

    async def _cancel(self) -> None:
        """Ask until the run is cancelled, or is over."""
        assert self._coordinator is not None
        handle = self._coordinator.handle(self._scenario.run_id)
        while True:
            try:
                await handle.cancel(by=BY, reason=REASON)
            except (LogUnavailable, NotHosted, UnknownName):
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            else:
                self._wants_to_cancel = False
                return


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
