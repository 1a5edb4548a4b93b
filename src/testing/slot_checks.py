"""The invariants of locks and limits: of one run over its history, and of all runs over the order of the log."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..saga import events as e
from .history_checks import History

__all__ = ["SLOT_INVARIANTS", "no_more_have_one_than_may"]

_ABOUT: tuple[type[e.Event], ...] = (
    *(e.RunStarted, e.LockAwaited, e.SlotTaken, e.ActionStarted, e.TimerSet, e.SignalAwaited, e.RunCommitted),
    *(e.RunFailing, e.RunCompleted),
)
_GOES_ON = (e.ActionStarted, e.TimerSet, e.SignalAwaited, e.RunCommitted, e.RunCompleted)
_ENDS = (e.RunCompleted, e.RunCompensated, e.RunAbandoned)


def slots_are_taken_in_turn(history: History) -> Iterator[str]:
    """L1: a run has what its limits say before it does anything; then each lock it waits for, in the order of keys."""
    started = history.of(e.RunStarted)
    limits = [limit.name for _, event in started for limit in event.limits or ()]
    if not limits and not history.of(e.LockAwaited, e.SlotTaken):
        return
    keys = {key for _, event in started for key in event.locks or ()}
    awaited: str | None = None
    for place, event in history.of(*_ABOUT):
        waits_for = limits[0] if limits else None if awaited is None else f"lock {awaited}"
        match event:
            case e.LockAwaited(key=key):
                if waits_for is not None:
                    yield f"the lock {key!r} is asked for at {place}, beside {waits_for!r}"
                if key not in keys and any(key < other for other in keys):
                    yield f"the lock {key!r} is asked for at {place}, out of order"
                awaited = key
            case e.SlotTaken(name=name):
                if waits_for != name:
                    yield f"{name!r} is taken at {place}, and the run waits for {waits_for!r}"
                if limits:
                    limits.pop(0)
                elif awaited is not None:
                    keys.add(awaited)
                    awaited = None
            case e.RunFailing():
                limits, awaited = [], None
        if isinstance(event, _GOES_ON) and waits_for is not None:
            yield f"{type(event).__name__} stands at {place}, while the run waits for {waits_for!r}"


@dataclass(slots=True)
class _Had:
    """Who has something of one name."""

    size: int = 1
    runs: set[str] = field(default_factory=set)


def no_more_have_one_than_may(log: Iterable[tuple[str, e.Event]]) -> Iterator[tuple[str, str]]:
    """L2: in the order of the log, no lock is had by two runs, and no limit by more than its size.

    A run keeps a lock until it ends, and a limit until it ends or is parked; where a parked one is set going again, it
    has its limits beyond the size, so it is not counted.

    Args:
        log: all events of all runs, each with its run, in the order of the log.

    Yields:
        A run, and what is wrong with it.
    """
    had: dict[str, _Had] = {}
    for run_id, event in log:
        if isinstance(event, e.RunStarted):
            for limit in event.limits or ():
                had.setdefault(limit.name, _Had()).size = limit.size
            for key in event.locks or ():  # It has them with the run of which it is a step.
                had.setdefault(f"lock {key}", _Had())
        elif isinstance(event, e.SlotTaken):
            having = had.setdefault(event.name, _Had())
            having.runs.add(run_id)
            others = {other for other in having.runs if not _are_kin(other, run_id)}
            if len(others) >= having.size:
                yield run_id, f"it takes {event.name!r}, which {', '.join(sorted(others))} has"
        elif isinstance(event, (*_ENDS, e.RunParked)):
            for name, having in had.items():
                if isinstance(event, _ENDS) or not name.startswith("lock "):
                    having.runs.discard(run_id)


def _are_kin(one: str, other: str) -> bool:
    """Whether one of two runs is the other, or a step of it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


SLOT_INVARIANTS: tuple[Callable[[History], Iterator[str]], ...] = (slots_are_taken_in_turn,)
