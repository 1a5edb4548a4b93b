"""The table of unfinished runs and the leases of workers, in memory."""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from .following import Bell
from .port import FOR_EVER, Claimable, Holding, Queue, Standing
from .slots import Slots

__all__ = ["Roster"]


class Roster:
    """Who has which unfinished run, and until when.

    Args:
        now: seconds; the time of all leases.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._standings: dict[str, Standing] = {}
        self._rung: dict[str, int] = {}
        self._leases: dict[str, float] = {}
        self._slots = Slots()
        self._bell = Bell()
        self._heard_count = 0

    def note(self, run_id: str, standing: Standing | None) -> None:
        """Take what an append says of its run."""
        if standing is None:
            return
        for other in () if standing.slots is None else self._slots.note(run_id, standing.slots):
            self.ring(other)
        if standing.at_rest:
            self._standings.pop(run_id, None)
            self._rung.pop(run_id, None)
            return
        if standing.queued_until is not None and not self._slots.has_all(run_id):
            standing = standing.queued()
        if standing.outside:
            known = self._standings.get(run_id)
            standing = standing._replace(owner=known.owner if known else None, outside=False)
        self._standings[run_id] = standing
        if standing.is_for_anybody:
            self._bell.ring()

    def ring(self, run_id: str | None) -> None:
        """Have the owner of a run look at it, or whoever claims it."""
        standing = None if run_id is None else self._standings.get(run_id)
        if run_id is not None and standing is not None:
            self._rung[run_id] = self._rung.get(run_id, 0) + 1
            self._standings[run_id] = standing._replace(due_at=None)
            self._bell.ring()

    def holding(self, run_id: str) -> Holding:
        """See `Log.holding`."""
        standing = self._standings.get(run_id)
        return Holding(None if standing is None else standing.owner, self._slots.held(run_id))

    def queues(self, limit: int) -> list[Queue]:
        """See `Log.queues`."""
        return self._slots.queues(limit)

    def rung(self, worker: str) -> dict[str, int]:
        """See `Log.rung`."""
        return {run_id: self._rung[run_id] for run_id in self.owned(worker) if run_id in self._rung}

    def wake_due(self, now: datetime, limit: int) -> datetime | None:
        """See `Log.wake`."""
        waiting = sorted((how.due_at, run_id) for run_id, how in self._standings.items() if how.due_at is not None)
        due = [(due_at, run_id) for due_at, run_id in waiting if due_at <= now][:limit]
        for _, run_id in due:
            self._standings[run_id] = self._standings[run_id]._replace(due_at=None)
        later = [due_at for due_at, _ in waiting[len(due) :] if due_at != FOR_EVER]
        return later[0] if later else None

    def pulse(self, worker: str, lease_seconds: float) -> "_Beat":
        """Return what renews the lease of a worker."""
        return _Beat(self._leases, worker, lease_seconds, self._now)

    def is_alive(self, worker: str) -> bool:
        """Return whether the lease of a worker holds."""
        now = self._now()
        return self._leases.get(worker, now) > now

    def claimable(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """See `Log.claimable`."""
        self._heard_count = self._bell.ring_count
        return [run for run in self._free() if _knows(known, run)][:limit]

    def unknown(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """See `Log.unknown`."""
        return [run for run in self._free() if not _knows(known, run)][:limit]

    def owned(self, worker: str) -> set[str]:
        """See `Log.owned`."""
        return {run_id for run_id, standing in self._standings.items() if standing.owner == worker}

    def release(self, worker: str) -> None:
        """See `Log.release`."""
        for run_id in self.owned(worker):
            self._standings[run_id] = self._standings[run_id]._replace(owner=None)
        self._leases.pop(worker, None)
        self._bell.ring()

    async def wait(self, seconds: float) -> None:
        """See `Log.wait_for_work`."""
        await self._bell.wait(self._heard_count, seconds)

    def wake(self) -> None:
        """End the waiting of everybody."""
        self._bell.ring()

    def _free(self) -> Iterator[Claimable]:
        for run_id, standing in self._standings.items():
            lapsed = standing.owner is not None and not self.is_alive(standing.owner)
            if standing.due_at is None and (standing.owner is None or lapsed):
                yield Claimable(run_id, standing.saga, standing.version, standing.unwinding, lapsed)


class _Beat:
    """A `Pulse` in memory."""

    def __init__(self, leases: dict[str, float], worker: str, lease_seconds: float, now: Callable[[], float]) -> None:
        self._leases = leases
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._now = now

    def beat(self) -> None:
        self._leases[self._worker] = self._now() + self._lease_seconds

    def close(self) -> None:
        pass


def _knows(known: Collection[tuple[str, int]], run: Claimable) -> bool:
    return (run.saga, run.version) in known or (run.unwinding and any(run.saga == name for name, _ in known))
