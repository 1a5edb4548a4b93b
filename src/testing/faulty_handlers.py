"""Enters the handlers of a scenario with the faults of a plan, and notes in the ledger what they do."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..actions.call import Call
from ..actions.handlers import Handler
from ..errors import OutcomeUnknown, SimulatedFailure
from .entry import ENTRY, Entry
from .journal import Entered, Journal
from .ledger import Kind, Ledger
from .limit_watch import LimitWatch
from .plan import HandlerFault, HandlerMode, Plan
from .scenario import Entrance, Scenario
from .virtual_time import VirtualClock
from .virtual_world import VirtualThreads

__all__ = ["FaultyHandlers"]

FOR_EVER_SECONDS = 1e6
LATE_SECONDS = 1.0
"""How long after its time is up a plain handler that hangs goes on."""

LONGEST_DELAY_SECONDS = 0.01
"""How long an order of completion lets a handler take at most, before its own work and after it."""

_LANDS = (HandlerMode.LOSES_REPLY, HandlerMode.LANDS_AND_HANGS, HandlerMode.LANDS_AND_RAISES)
_HANGS = (HandlerMode.HANGS, HandlerMode.LANDS_AND_HANGS)


class FaultyHandlers:
    """What is entered in the place of the handlers of scenarios, over all processes of a simulation.

    Args:
        scenarios: whose handlers.
        plan: what goes wrong.
        ledger: where it is noted what they do.
        journal: where the entries are noted.
        clock: of the simulation.
    """

    def __init__(
        self, scenarios: Sequence[Scenario], plan: Plan, ledger: Ledger, journal: Journal, clock: VirtualClock
    ) -> None:
        self._entrances = {key: entrance for scenario in scenarios for key, entrance in scenario.entrances.items()}
        errors = (item for scenario in scenarios for item in scenario.errors.items())
        self._errors = {action: error for action, error in errors if isinstance(error, BaseException)}
        self._faults = [fault for fault in plan if isinstance(fault, HandlerFault)]
        self._order = random.Random(plan.order) if plan.order else None
        self._ledger = ledger
        self._journal = journal
        self._clock = clock
        self._counts: Counter[tuple[str, Kind]] = Counter()
        actions = (action for scenario in scenarios for action in scenario.actions)
        self._watch = LimitWatch(actions, journal, clock)

    def substitute(self, threads: VirtualThreads, handler: Handler, call: Call) -> Handler:
        """Return what is entered in the place of `handler`, for one call in the process of these threads."""
        entrance = self._entrances[id(handler)]
        number = self._counts[entrance.action, entrance.kind] + 1
        self._counts[entrance.action, entrance.kind] = number
        fault = self._fault(entrance, number)
        worker = self._ledger.worker
        where = (entrance.kind, entrance.action, call.step, number, fault, call.run_id)
        self._journal.add(Entered(self._clock.seconds, worker, *where))
        version = self._ledger.log_version(call.run_id)
        if not self._ledger.closed:
            self._watch.entered(worker, entrance.kind, entrance.action, call)
        entry = Entry(entrance.kind, entrance.action, call, self._ledger, threads, worker, version)
        error, delays = self._errors.get(entrance.action), self._delays(entrance)
        perform = _Performance(entrance, entry, fault, error, delays)
        perform.watch = self._watch
        return replace(entrance.handler, function=perform.asynchronous if entrance.handler.is_async else perform.plain)

    def break_next(self, action: str, mode: HandlerMode, kind: Kind, count: int) -> None:
        """Let something go wrong with the next entries into a handler, so many."""
        entered = self._counts[action, kind]
        self._faults += [
            HandlerFault(action, mode, kind=kind, entry=number) for number in range(entered + 1, entered + count + 1)
        ]

    def mend(self) -> None:
        """Let nothing more go wrong."""
        self._faults.clear()

    def _fault(self, entrance: Entrance, number: int) -> HandlerFault | None:
        for fault in self._faults:
            if (fault.action, fault.kind) == (entrance.action, entrance.kind) and (
                fault.entry == number or (fault.for_good and fault.entry < number)
            ):
                return None if fault.mode in _HANGS and entrance.timeout_seconds is None else fault
        return None

    def _delays(self, entrance: Entrance) -> tuple[float, float]:
        if self._order is None:
            return 0.0, 0.0
        longest = min(LONGEST_DELAY_SECONDS, (entrance.timeout_seconds or 1.0) / 10)
        return self._order.uniform(0, longest), self._order.uniform(0, longest)


class _Performance:
    """One entry into a handler, as the plan wants it."""

    watch: LimitWatch

    def __init__(
        self,
        entrance: Entrance,
        entry: Entry,
        fault: HandlerFault | None,
        error: BaseException | None,
        delays: tuple[float, float],
    ) -> None:
        self._function = entrance.handler.function
        self._timeout_seconds = entrance.timeout_seconds or 0.0
        self._entry = entry
        self._mode = fault.mode if fault else None
        self._error = error
        self._before, self._after = delays

    async def asynchronous(self, *args: Any, **keywords: Any) -> Any:
        """Perform where the engine awaits."""
        ENTRY.set(self._entry)
        entry = self._entry
        entry.enter()
        try:
            if self._before:
                await asyncio.sleep(self._before)
            result = None
            if self._mode is None or self._mode in _LANDS:
                result = await self._function(*args, **keywords)
                entry.land()
            if self._after:
                await asyncio.sleep(self._after)
            if self._mode in _HANGS:
                await asyncio.sleep(FOR_EVER_SECONDS)
            self._complain()
            return result
        finally:
            self._leave()

    def plain(self, *args: Any, **keywords: Any) -> Any:
        """Perform where the engine expects a thread: at once, and the result comes when the time is spent."""
        token = ENTRY.set(self._entry)
        entry = self._entry
        entry.enter()
        entry.threads.spend(self._before + self._after)
        try:
            result = None
            if self._mode is None or self._mode in _LANDS:
                result = self._function(*args, **keywords)
                entry.land()
            if self._mode in _HANGS:
                entry.threads.spend(self._timeout_seconds + LATE_SECONDS)
            self._complain()
            return result
        finally:
            self._leave()
            ENTRY.reset(token)

    def _leave(self) -> None:
        entry = self._entry
        entry.ledger.left(entry.kind, entry.action, entry.call)
        self.watch.left(entry.worker, entry.kind, entry.action, entry.call)

    def _complain(self) -> None:
        what = f"{self._entry.kind} of {self._entry.action}"
        match self._mode:
            case HandlerMode.RAISES | HandlerMode.LANDS_AND_RAISES:
                raise self._error.with_traceback(None) if self._error else SimulatedFailure(f"simulated: {what} fails")
            case HandlerMode.VANISHES | HandlerMode.LOSES_REPLY:
                raise OutcomeUnknown(f"simulated: no answer to {what}")
