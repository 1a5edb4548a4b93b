"""What a run has of what only so many runs may have at once: locks, and the limits of its saga (decision record 033).

A run never waits for more than one at a time, and it asks in an order that is the same for all runs: first the limits
of its saga, then locks by their keys. So no circle of runs that wait for each other can come about.
"""

from collections.abc import Mapping
from typing import NamedTuple

from . import events as e
from .events import Event
from .log.port import Slot


def lock_slot(key: str) -> Slot:
    """Return what a run has that has the lock of this key."""
    return Slot(f"lock {key}", 1)


BEFORE_ALL = "0."
"""The paths of the limits begin with this; a saga numbers from 1."""


def is_limit(taken: e.SlotTaken) -> bool:
    """Whether it is a limit that was taken, and not a lock."""
    return taken.step.startswith(BEFORE_ALL)


def saga_limits(
    saga: str, concurrency: int | None, per_tag: Mapping[str, int], tags: Mapping[str, str]
) -> tuple[e.Limit, ...]:
    """Return what a run of a saga is to have before it begins, in the order in which it asks.

    Those of its tags come first: however many runs of one tenant wait, no more of them stand in the way of the others
    than may be under way. What workers before slots leave behind is found by how the names begin (sqlite_004.sql).
    """
    limits = [e.Limit(name=f"saga {saga} {tag}={tags[tag]}", size=size) for tag, size in per_tag.items() if tag in tags]
    if concurrency is not None:
        limits.append(e.Limit(name=f"saga {saga}", size=concurrency))
    return tuple(limits)


class Slots(NamedTuple):
    """What one run has, and what it waits for. A value: `slots_after` makes the next one.

    Attributes:
        queue: limits that it has yet to get before it begins, in order.
        limits: names of those that it has.
        locks: keys of the locks that it has, in the order in which it got them.
        awaited: the key of the lock that it waits for.
        inherited: keys of the locks that the run has of which it is a step.
        is_parked: it does nothing, and needs no limit meanwhile.
    """

    queue: tuple[Slot, ...] = ()
    limits: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    awaited: str | None = None
    inherited: tuple[str, ...] = ()
    is_parked: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all locks that hold for the run."""
        return (*self.inherited, *self.locks)

    @property
    def next(self) -> Slot | None:
        """What it waits for."""
        if self.queue:
            return self.queue[0]
        return None if self.awaited is None else lock_slot(self.awaited)

    def wanted(self) -> tuple[Slot, ...] | None:
        """Return what the log is to keep for it; None if it has nothing and never had.

        What it has had before, it does not wait for: a parked run that a person sets going again goes beyond the limit,
        because runs that have a place there may be waiting for its locks.
        """
        if self is NONE:
            return None
        locks = [Slot(lock_slot(key).name, 0) for key in self.locks]
        if self.is_parked:
            return tuple(locks)
        further = self.next
        return (*(Slot(name, 0) for name in self.limits), *locks, *(() if further is None else (further,)))


NONE = Slots()
"""Of a run that never asked for anything."""

_ENDED = Slots(is_parked=True)

_MATTERS = frozenset(
    (
        *(e.RunStarted, e.LockAwaited, e.SlotTaken, e.RunFailing, e.RunParked, e.RunResumed),
        *(e.RunCompleted, e.RunCompensated, e.RunAbandoned),
    )
)


def slots_after(slots: Slots, event: Event) -> Slots:
    """Return what a run has after `event`."""
    if type(event) not in _MATTERS:
        return slots
    match event:
        case e.RunStarted(limits=limits, locks=keys) if limits or keys:
            queue = tuple(Slot(limit.name, limit.size) for limit in limits or ())
            return Slots(queue=queue, inherited=tuple(keys or ()))
        case e.LockAwaited(key=key):
            return slots._replace(awaited=key)
        case e.SlotTaken(name=name):
            return _taken(slots, name)
    return slots if slots is NONE else _of_the_run(slots, event)


def _taken(slots: Slots, name: str) -> Slots:
    if slots.queue and slots.queue[0].name == name:
        return slots._replace(queue=slots.queue[1:], limits=(*slots.limits, name))
    key = slots.awaited
    if key is None or lock_slot(key).name != name:
        return slots
    return slots._replace(awaited=None, locks=slots.locks if key in slots.keys else (*slots.locks, key))


def _of_the_run(slots: Slots, event: Event) -> Slots:
    match event:
        case e.RunFailing():
            return slots._replace(queue=(), awaited=None, is_parked=False)
        case e.RunParked():
            return slots._replace(is_parked=True)
        case e.RunResumed():
            return slots._replace(is_parked=False)
        case e.RunCompleted() | e.RunCompensated() | e.RunAbandoned():
            return _ENDED
    return slots


def refusal(slots: Slots, key: str) -> str | None:
    """Return why a run that has these slots may not ask for a lock, or None."""
    highest = max(slots.keys, default="")
    if key in slots.keys or key > highest:
        return None
    return (
        f"the run has the lock {highest!r} already, and locks are taken in the order of their keys, so that no runs "
        "wait for each other in a circle; take them in one call: run.lock(key, another)"
    )
