"""A log in memory whose appends fail, or whose process dies or stops over one, where a plan says so."""

import asyncio
from collections.abc import Callable, Sequence

from ..errors import LogUnavailable
from ..saga.log.memory import MemoryLog
from ..saga.log.port import Record, Standing
from .journal import Appended, Journal
from .plan import AppendFault, AppendMode, Plan
from .virtual_time import VirtualClock, VirtualLoop

__all__ = ["FaultyLog"]

_BEFORE = (AppendMode.FAIL_BEFORE, AppendMode.CRASH_BEFORE, AppendMode.PAUSE_BEFORE)
_FAILS = (AppendMode.FAIL_BEFORE, AppendMode.DO_THEN_FAIL)


class FaultyLog(MemoryLog):
    """A `MemoryLog` in virtual time, with faults.

    Args:
        clock: the time of its leases.
        plan: whose faults of appends strike.
        journal: where appends are noted.

    Attributes:
        append_count: the appends so far, those that failed included.
        halted: what stopped the process that was running last; None if nothing did.
        worker: the process that is running.
        appended: called with the number of each append that was written.
    """

    def __init__(self, clock: VirtualClock, plan: Plan, journal: Journal) -> None:
        super().__init__(lambda: clock.seconds)
        self.append_count = 0
        self.halted: AppendMode | None = None
        self.worker = ""
        self.appended: Callable[[int], object] = lambda _: None
        self._clock = clock
        self._journal = journal
        self._faults = {fault.at: fault for fault in plan if isinstance(fault, AppendFault)}

    async def append(
        self, run_id: str, expected_version: int, records: Sequence[Record], standing: Standing | None = None
    ) -> None:
        """See `Log.append`."""
        self.append_count = number = self.append_count + 1
        fault = self._faults.get(number)
        self._journal.add(Appended(self._clock.seconds, self.worker, number, expected_version, records, fault))
        if fault is not None and fault.mode in _BEFORE:
            await self._strike(fault.mode)
        await super().append(run_id, expected_version, records, standing)
        self._journal.written.add(number)
        self.appended(number)
        if fault is not None and fault.mode not in _BEFORE:
            await self._strike(fault.mode)

    async def _strike(self, mode: AppendMode) -> None:
        if mode not in _FAILS:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop), "only a simulated process can be halted"
            self.halted = mode
            loop.halt()
        await asyncio.sleep(0)
        if mode in _FAILS:
            raise LogUnavailable(f"simulated: {mode}")

    def length(self, run_id: str) -> int:
        """Return how many events of a run are stored."""
        return len(self._runs.get(run_id, ()))

    def records(self, run_id: str) -> list[Record]:
        """Return the events of a run, without asking as a coordinator would have to."""
        return list(self._runs.get(run_id, ()))
