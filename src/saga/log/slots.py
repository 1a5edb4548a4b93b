"""Who gets a slot, and, in memory, which run has which and who waits for one."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from .port import Queue, Slot

__all__ = ["SHOWN_RUNS", "Slots", "fitting"]

SHOWN_RUNS = 3
"""Of how many runs `Log.queues` tells that have a slot."""

T = TypeVar("T")


def fitting(held_count: int, waiting: Iterable[tuple[T, int]]) -> Iterator[T]:
    """Yield those that get a slot: each has room by its own size, and nobody overtakes the first who has none.

    Args:
        held_count: how many have a slot.
        waiting: who waits, and its size; who has waited longest comes first.
    """
    for count, (who, size) in enumerate(waiting, held_count):
        if count >= size:
            return
        yield who


class _Place:
    """A run's place in one queue."""

    __slots__ = ("held", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.held = size == 0


class Slots:
    """All queues, each in the order in which its runs asked."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[str, _Place]] = {}
        self._names: dict[str, list[str]] = {}

    def note(self, run_id: str, slots: tuple[Slot, ...]) -> list[str]:
        """Take what a run has and waits for from here on; return the other runs that have got a slot by that."""
        wanted = {slot.name: slot.size for slot in slots}
        known = self._names.pop(run_id, [])
        for name in known:
            if name not in wanted:
                del self._queues[name][run_id]
        for name, size in wanted.items():
            self._queues.setdefault(name, {}).setdefault(run_id, _Place(size))
        if wanted:
            self._names[run_id] = list(wanted)
        granted = [other for name in dict.fromkeys((*known, *wanted)) for other in self._grant(name)]
        return [other for other in granted if other != run_id]

    def held(self, run_id: str) -> frozenset[str]:
        """Return the names of the slots that a run has."""
        return frozenset(name for name in self._names.get(run_id, ()) if self._queues[name][run_id].held)

    def has_all(self, run_id: str) -> bool:
        """Whether a run waits for none."""
        return len(self.held(run_id)) == len(self._names.get(run_id, ()))

    def queues(self, limit: int) -> list[Queue]:
        """See `Log.queues`."""
        found = []
        for name, queue in self._queues.items():
            having = [run_id for run_id, place in queue.items() if place.held]
            size = max(place.size for place in queue.values())
            found.append(Queue(name, size, len(having), len(queue) - len(having), tuple(having[:SHOWN_RUNS])))
        return sorted(found, key=lambda queue: (-queue.waiting, -queue.held, queue.name))[:limit]

    def _grant(self, name: str) -> list[str]:
        queue = self._queues[name]
        if not queue:
            del self._queues[name]
            return []
        waiting = [(run_id, place.size) for run_id, place in queue.items() if not place.held]
        granted = list(fitting(len(queue) - len(waiting), waiting))
        for run_id in granted:
            queue[run_id].held = True
        return granted
