"""A log in memory whose appends fail, or whose process dies or stops over one, where a plan says so."""

import asyncio
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from ..errors import LogUnavailable
from ..saga.log.memory import MemoryLog
from ..saga.log.port import Record, Standing
from .virtual_time import VirtualClock, VirtualLoop


class Mode(StrEnum):
    """What goes wrong with an append."""

    FAIL_BEFORE = "fail_before"
    """Nothing is written, and the log says that it did not answer."""
    DO_THEN_FAIL = "do_then_fail"
    """It is written, and the log says that it did not answer."""
    CRASH_BEFORE = "crash_before"
    """The process dies; nothing is written."""
    CRASH_AFTER = "crash_after"
    """It is written; the process dies before it knows."""
    PAUSE_BEFORE = "pause_before"
    """The process stops before it writes, and goes on when another one has taken over."""
    PAUSE_AFTER = "pause_after"
    """It is written; the process stops before it knows, and goes on when another one has taken over."""


FOUR_CUTS = (Mode.FAIL_BEFORE, Mode.DO_THEN_FAIL, Mode.CRASH_BEFORE, Mode.CRASH_AFTER)
CRASHES = (Mode.CRASH_BEFORE, Mode.CRASH_AFTER)
PAUSES = (Mode.PAUSE_BEFORE, Mode.PAUSE_AFTER)
_BEFORE = (Mode.FAIL_BEFORE, Mode.CRASH_BEFORE, Mode.PAUSE_BEFORE)
_FAILS = (Mode.FAIL_BEFORE, Mode.DO_THEN_FAIL)


class Fault(NamedTuple):
    """What goes wrong with the append of this number, from 1, counted over all processes."""

    at: int
    mode: Mode

    def __str__(self) -> str:
        return f"{self.mode} at append {self.at}"


class FaultyLog(MemoryLog):
    """A `MemoryLog` in virtual time, with faults.

    Args:
        clock: the time of its leases.
        faults: at most one for each append.

    Attributes:
        append_count: the appends so far, those that failed included.
        fired: the faults that have struck.
        halted: what stopped the process that was running last; None if nothing did.
    """

    def __init__(self, clock: VirtualClock, faults: Iterable[Fault] = ()) -> None:
        super().__init__(lambda: clock.seconds)
        self.append_count = 0
        self.fired: list[Fault] = []
        self.halted: Mode | None = None
        self._faults = {fault.at: fault for fault in faults}

    async def append(
        self, run_id: str, expected_version: int, records: Sequence[Record], standing: Standing | None = None
    ) -> None:
        """See `Log.append`."""
        self.append_count += 1
        fault = self._faults.get(self.append_count)
        if fault is None:
            return await super().append(run_id, expected_version, records, standing)
        self.fired.append(fault)
        if fault.mode in _BEFORE:
            await self._strike(fault.mode)
        await super().append(run_id, expected_version, records, standing)
        if fault.mode not in _BEFORE:
            await self._strike(fault.mode)
        return None

    async def _strike(self, mode: Mode) -> None:
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
