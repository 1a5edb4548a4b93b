"""A log in memory: for tests, simulations and demonstrations. Nothing outlives the object.

It keeps the same promises as the others but for durability, and draws no random number, so a simulation that runs on
it is repeatable.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime

from ...errors import AppendConflict, LogUnavailable
from .following import Bell, Notification, tail
from .limits import Grant, Need, Sharing
from .memory_limits import MemoryLimits
from .port import Backlog, Claimable, Holding, Pulse, Queue, Record, Standing
from .roster import Roster
from .writer import Append, is_stored

__all__ = ["MemoryLog"]

_PAGE_COUNT = 500


class MemoryLog:
    """A `Log` whose records live as long as the object does, over any number of `close` and `open`.

    Args:
        now: seconds, for leases; a simulation gives its own.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._runs: dict[str, list[Record]] = {}
        self._order: list[tuple[str, int]] = []
        """The run and the version of each record, in the order of all."""
        self._bell = Bell()
        self._bell.break_off()
        self._roster = Roster(now)
        self._limits = MemoryLimits(now, self._roster.is_alive)
        self._open_count = 0
        self._commit_count = 0

    def __repr__(self) -> str:
        return "memory"

    async def open(self) -> None:
        """Make the log usable; each of several coordinators that share it opens and closes it for itself."""
        self._open_count += 1
        self._bell.mend()

    async def close(self) -> None:
        """End the followers and refuse further calls; the records stay."""
        self._open_count = max(0, self._open_count - 1)
        if not self._open_count:
            self._bell.break_off()
            self._roster.wake()

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        """Add records to a run, all or nothing; see `Log.append`.

        Raises:
            AppendConflict: the run is at another version, written by somebody else.
            LogUnavailable: the log is not open.
        """
        if not records:
            raise ValueError("an append takes at least one record")
        self._check_open()
        stored = self._runs.get(run_id, [])
        if len(stored) == expected_version:
            self._commit_count += 1
            self._store(run_id, expected_version, records)
            self._roster.note(run_id, standing)
            self._roster.ring(ring)
        elif not is_stored(Append(run_id, expected_version, records), stored[expected_version:]):
            raise AppendConflict(run_id, expected_version)
        # A real log never answers in the same turn of the event loop, and code must not come to rely on one that does.
        await asyncio.sleep(0)

    @property
    def backlog(self) -> Backlog:
        """Nothing ever waits to be written; `commit_count` counts the appends."""
        return Backlog(0, 0, self._commit_count)

    async def read(self, run_id: str, after_version: int = 0) -> list[Record]:
        """Return a run's records with versions above `after_version`, in order; see `Log.read`."""
        self._check_open()
        await asyncio.sleep(0)
        return self._runs.get(run_id, [])[after_version:]

    def follow(self, after_position: int = 0) -> AsyncIterator[list[Notification]]:
        """Yield all records of all runs in one order, and wait for more; see `Log.follow`."""
        return tail(self._bell, self._read_page, after_position, poll_seconds=None)

    async def _read_page(self, after_position: int) -> list[Notification]:
        page = self._order[after_position : after_position + _PAGE_COUNT]
        return [self._notification(position, *place) for position, place in enumerate(page, after_position + 1)]

    def _notification(self, position: int, run_id: str, version: int) -> Notification:
        topic, state = self._runs[run_id][version - 1]
        return Notification(id=position, originator_id=run_id, originator_version=version, topic=topic, state=state)

    def pulse(self, worker: str, lease_seconds: float) -> Pulse:
        """Return what renews the lease of `worker`; see `Log.pulse`."""
        return self._roster.pulse(worker, lease_seconds)

    async def claimable(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return unfinished runs that nobody has; see `Log.claimable`."""
        self._check_open()
        return self._roster.claimable(known, limit)

    async def unknown(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """Return what `claimable` leaves out for want of knowledge; see `Log.unknown`."""
        self._check_open()
        return self._roster.unknown(known, limit)

    async def owned(self, worker: str) -> set[str]:
        """Return the unfinished runs that `worker` has; see `Log.owned`."""
        self._check_open()
        return self._roster.owned(worker)

    async def rung(self, worker: str) -> Mapping[str, int]:
        """Return which runs of `worker` were rung for, and how often; see `Log.rung`."""
        self._check_open()
        return self._roster.rung(worker)

    async def holding(self, run_id: str) -> Holding:
        """Return who has a run, and which slots it has; see `Log.holding`."""
        self._check_open()
        return self._roster.holding(run_id)

    async def queues(self, limit: int) -> list[Queue]:
        """Return what runs have and wait for; see `Log.queues`."""
        self._check_open()
        return self._roster.queues(limit)

    async def wake(self, now: datetime, limit: int) -> datetime | None:
        """Make waiting runs claimable that are due; see `Log.wake`."""
        self._check_open()
        return self._roster.wake_due(now, limit)

    async def release(self, worker: str) -> None:
        """Give up all runs of `worker`; see `Log.release`."""
        self._check_open()
        self._roster.release(worker)

    async def share(self, need: Need) -> Grant:
        """Share a limit with the other workers; see `Log.share`."""
        self._check_open()
        grant = self._limits.share(need)
        await asyncio.sleep(0)
        return grant

    async def shares(self) -> list[Sharing]:
        """Return who has what of which limit; see `Log.shares`."""
        self._check_open()
        return self._limits.shares()

    async def wait_for_work(self, seconds: float) -> None:
        """Wait until a run may have become claimable; see `Log.wait_for_work`."""
        self._check_open()
        await self._roster.wait(seconds)

    def _store(self, run_id: str, expected_version: int, records: Sequence[Record]) -> None:
        self._runs.setdefault(run_id, []).extend(records)
        for version in range(expected_version + 1, expected_version + 1 + len(records)):
            self._order.append((run_id, version))
        self._bell.ring()

    def _check_open(self) -> None:
        if self._bell.is_broken:
            raise LogUnavailable("the log is not open")
