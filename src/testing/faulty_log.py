"""A log in memory whose appends fail, or whose process dies or stops over one, where a plan or a verb says so."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..errors import LogUnavailable
from ..saga.log.limits import Grant, Need
from ..saga.log.memory import MemoryLog
from ..saga.log.port import Pulse, Record, Standing
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
        untimely: the claims of runs whose owner's lease held, as run id, owner and claimant.
    """

    def __init__(self, clock: VirtualClock, plan: Plan, journal: Journal) -> None:
        super().__init__(lambda: clock.seconds)
        self.append_count = 0
        self.halted: AppendMode | None = None
        self.worker = ""
        self.appended: Callable[[int], object] = lambda _: None
        self.untimely: list[tuple[str, str, str]] = []
        self._clock = clock
        self._journal = journal
        self._faults = {fault.at: fault for fault in plan if isinstance(fault, AppendFault)}
        self._ordered: deque[AppendMode] = deque()
        self._silent_until: dict[str, float] = {}
        self._mended_count = 0
        self._is_elsewhere = False
        self._elsewhere_count = 0
        self._unanswered_count = 0
        self._beats: dict[str, float] = {}

    # Faults by verb

    def break_next(self, mode: AppendMode, count: int = 1) -> None:
        """Let this go wrong with the next appends, so many, one after the other with what was asked for before."""
        self._ordered.extend([mode] * count)

    def fall_silent(self, seconds: float, worker: str | None = None) -> None:
        """Answer nothing for so long, to one process or to all: no append, no question, no beat of a lease."""
        self._silent_until[worker or ""] = self._clock.seconds + seconds

    @contextmanager
    def from_elsewhere(self) -> Iterator[None]:
        """Take what is appended meanwhile as another process's, which no fault strikes and no plan counts."""
        self._is_elsewhere = True
        try:
            yield
        finally:
            self._is_elsewhere = False

    def mend(self) -> None:
        """Let nothing more go wrong, not even with the appends that are under way."""
        self._mended_count = self.append_count
        self._faults.clear()
        self._ordered.clear()
        self._silent_until.clear()

    @property
    def is_silent(self) -> bool:
        """Whether it does not answer the process that is running."""
        silent = self._silent_until
        return bool(silent) and self._clock.seconds < max(silent.get("", 0.0), silent.get(self.worker, 0.0))

    def note_beat(self, worker: str) -> None:
        """Note that a worker renews its lease."""
        self._beats[worker] = self._clock.seconds
        self._journal.beat(worker, self._clock.seconds, self._roster._leases[worker])  # noqa: SLF001

    def answer(self) -> None:
        """Do nothing, if it answers.

        Raises:
            LogUnavailable: it does not.
        """
        if self.is_silent:
            raise LogUnavailable("simulated: the log does not answer")

    def _check_open(self) -> None:
        super()._check_open()
        if not self._is_elsewhere:
            self.answer()

    def _fault(self, number: int) -> AppendFault | None:
        if self.is_silent:
            return AppendFault(number, AppendMode.FAIL_BEFORE)
        if self._ordered:
            return AppendFault(number, self._ordered.popleft())
        return self._faults.get(number)

    # What a log does

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        """See `Log.append`."""
        if self._is_elsewhere:
            await super().append(run_id, expected_version, records, standing, ring)
            self._elsewhere_count -= 1
            number = self._elsewhere_count
            self._journal.add(
                Appended(self._clock.seconds, "elsewhere", number, expected_version, records, None, run_id)
            )
            self._journal.written.add(number)
            return
        self.append_count = number = self.append_count + 1
        fault = self._fault(number)
        self._journal.add(Appended(self._clock.seconds, self.worker, number, expected_version, records, fault, run_id))
        if fault is not None and fault.mode in _BEFORE:
            await self._strike(fault.mode)
        before = self.standing(run_id)
        await super().append(run_id, expected_version, records, standing, ring)
        # Not what was asked for: who repeats an append that went unanswered may be told so when others have the run.
        self._judge(run_id, before, self.standing(run_id))
        self._journal.written.add(number)
        self.appended(number)
        if fault is not None and fault.mode not in _BEFORE and number > self._mended_count:
            await self._strike(fault.mode)

    def _judge(self, run_id: str, before: Standing | None, after: Standing | None) -> None:
        """Note a claim of what another worker had, whose lease holds, and not from a beat of this very instant only."""
        owner, claimant = before and before.owner, after and after.owner
        if owner and claimant and owner != claimant:
            lasts = self._roster._leases.get(owner, 0.0) - self._clock.seconds  # noqa: SLF001
            if lasts > 0.0 and self._beats.get(owner) != self._clock.seconds:
                self.untimely.append((run_id, owner, claimant))

    async def _strike(self, mode: AppendMode) -> None:
        if mode not in _FAILS:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop), "only a simulated process can be halted"
            self.halted = mode
            loop.halt()
        await asyncio.sleep(0)
        if mode in _FAILS:
            raise LogUnavailable(f"simulated: {mode}")

    async def release(self, worker: str) -> None:
        """See `Log.release`."""
        await super().release(worker)
        self._journal.released(worker)

    async def share(self, need: Need) -> Grant:
        """See `Log.share`. Every other ask that a silent log does not answer is carried out all the same."""
        if self.is_silent and not self._is_elsewhere:
            self._unanswered_count += 1
            if self._unanswered_count % 2:
                self._limits.share(need)
        return await super().share(need)

    def pulse(self, worker: str, lease_seconds: float) -> Pulse:
        """See `Log.pulse`."""
        return _Pulse(super().pulse(worker, lease_seconds), self, worker)

    # What only a simulation may ask

    @property
    def run_ids(self) -> list[str]:
        """Every run, in the order in which they were started."""
        return list(self._runs)

    def standing(self, run_id: str) -> Standing | None:
        """Return what the table of unfinished runs says of one."""
        return self._roster._standings.get(run_id)  # noqa: SLF001 - nobody else has to know of a single run

    def held(self, run_id: str) -> frozenset[str]:
        """Return the names of the slots that a run has."""
        return self._roster.holding(run_id).slots

    def in_order(self) -> list[tuple[str, int]]:
        """Return all records as run id and version, in the order of the log."""
        return self._order

    def length(self, run_id: str) -> int:
        """Return how many events of a run are stored."""
        return len(self._runs.get(run_id, ()))

    def records(self, run_id: str) -> list[Record]:
        """Return the events of a run, without asking as a coordinator would have to."""
        return list(self._runs.get(run_id, ()))


class _Pulse:
    """A pulse over a log that does not always answer."""

    def __init__(self, pulse: Pulse, log: FaultyLog, worker: str) -> None:
        self._pulse = pulse
        self._log = log
        self._worker = worker

    def beat(self) -> None:
        self._log.answer()
        self._pulse.beat()
        self._log.note_beat(self._worker)

    def close(self) -> None:
        self._pulse.close()
