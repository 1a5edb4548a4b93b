"""The unwind plan: what is undone, and what must wait for what.

The unwind is the mirror of the run: if B started after A had succeeded, B's undo ends before A's begins. Each step
spans an interval of versions, from its last start to its settling, so the steps form an interval order, and that makes
the plan short. Sorted by start, latest first, the undos that a step must wait for are always the first so many of the
list: those that started after it had settled. Steps whose intervals overlap wait for none of each other.

(Garcia-Molina and Salem, "Sagas", 1987, ask for the reverse order of a sequence; this is the same for branches.)
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


class _Undoable(Protocol):
    path: str
    irreversible: bool
    started_version: int
    settled_version: int

    @property
    def stands(self) -> bool: ...


@dataclass(slots=True)
class UnwindPlan:
    """The undos of a run, in order, and how far they have got.

    Attributes:
        order: the steps to undo, by the version of their start, latest first.
        waits_for: for each step, how many at the head of `order` must be resolved before its undo may begin.
    """

    order: tuple[str, ...]
    waits_for: dict[str, int]
    _queue: tuple[str, ...] = ()
    """The same steps in the order in which they become ready."""
    _begun: int = 0
    _resolved_head: int = 0
    _resolved: set[str] = field(default_factory=set)
    _early: set[str] = field(default_factory=set)

    def ready(self) -> tuple[str, ...]:
        """Return the steps whose undo may begin now and has not begun."""
        ready = []
        for index in range(self._begun, len(self._queue)):
            path = self._queue[index]
            if self.waits_for[path] > self._resolved_head:
                break
            if path not in self._early:
                ready.append(path)
        return tuple(ready)

    def began(self, path: str) -> None:
        """Note that an undo has begun; again for a further attempt changes nothing."""
        self._early.add(path)
        while self._begun < len(self._queue) and self._queue[self._begun] in self._early:
            self._begun += 1

    def resolved(self, path: str) -> None:
        """Note that a step is undone or waived."""
        self.began(path)
        self._resolved.add(path)
        while self._resolved_head < len(self.order) and self.order[self._resolved_head] in self._resolved:
            self._resolved_head += 1

    @property
    def done(self) -> bool:
        """Whether every step is undone or waived."""
        return self._resolved_head == len(self.order)


def plan_unwind(steps: Iterable[_Undoable]) -> UnwindPlan:
    """Plan the undoing of every step that may have left an effect and can be undone.

    Args:
        steps: all steps of a run that has nothing under way.
    """
    undoable = sorted(
        (step for step in steps if step.stands and not step.irreversible), key=lambda step: -step.started_version
    )
    negated_starts = [-step.started_version for step in undoable]
    waits_for = {step.path: bisect_left(negated_starts, -step.settled_version) for step in undoable}
    order = tuple(step.path for step in undoable)
    return UnwindPlan(order, waits_for, tuple(sorted(order, key=waits_for.__getitem__)))
