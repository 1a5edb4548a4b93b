"""What undoing a run would do, before anybody asks: a pure function of its state, and of the plans of its children."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .events import Remaining, RemainingWhy, RunStatus
from .state import RunState, UndoStatus
from .unwind import plan_unwind

_DONE = (UndoStatus.COMPENSATED, UndoStatus.WAIVED)


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """An undo that would be entered.

    Attributes:
        step: the step's path.
        action: its action.
        stage: from 1; every undo of the stages before has ended before this one begins, at the latest.
    """

    step: str
    action: str
    stage: int


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What would be undone, and what not.

    Attributes:
        undos: in the order of their stages.
        remaining: what would stand all the same, and why.
        is_committed: the run has passed its point of no return, so that nothing at all is undone.
        is_failing: the run unwinds already, or was undone, so that asking for it changes nothing.
    """

    undos: tuple[PlannedUndo, ...]
    remaining: tuple[Remaining, ...]
    is_committed: bool
    is_failing: bool = False


COMMITTED = "it has passed its point of no return, so nothing of it is undone"


def undo_refused(state: RunState) -> str | None:
    """Return why a run that stands so cannot be undone; None if it can, or if asking for it changes nothing."""
    match state.status:
        case RunStatus.RUNNING | RunStatus.PARKED if state.failing is None and not state.commits:
            return "only a completed run can be undone; cancel this one"
        case RunStatus.RUNNING if state.commits:
            return f"{COMMITTED}; abandon ends it where it stands"
        case RunStatus.PARKED if state.commits:
            return f"{COMMITTED}; retry, resume or waive what it is parked over, or abandon it where it stands"
        case RunStatus.COMPLETED if state.commits:
            return COMMITTED
        case RunStatus.ABANDONED:
            return "a person has ended it; only a completed run is undone"
    return None


def children_to_undo(state: RunState) -> dict[str, str]:
    """Return the runs that would be undone with a run, because they are steps of it, by step."""
    steps = (step for step in state.steps.values() if step.stands and step.undo not in _DONE)
    return {step.path: step.child for step in steps if step.child is not None}


def undo_plan(state: RunState, children: Mapping[str, UndoPlan] = {}) -> UndoPlan:
    """Return what would be undone of a run, as it stands.

    Args:
        state: the run.
        children: what would be undone of the runs that are steps of it, by step.
    """
    plan = plan_unwind(step for step in state.steps.values() if step.undo not in _DONE)
    stages: list[int] = []
    highest = [0]
    for path in plan.order:
        stages.append(highest[plan.waits_for[path]] + 1)
        highest.append(max(highest[-1], stages[-1]))
    undos = [PlannedUndo(p, state.steps[p].action, stage) for p, stage in zip(plan.order, stages, strict=True)]
    remaining = tuple(_remaining(state, children))
    if state.commits:
        return UndoPlan((), remaining, is_committed=True)
    in_order = tuple(sorted(undos, key=lambda undo: undo.stage))
    return UndoPlan(in_order, remaining, is_committed=False, is_failing=state.failing is not None)


def _remaining(state: RunState, children: Mapping[str, UndoPlan]) -> Iterator[Remaining]:
    for step in state.steps.values():
        child = children.get(step.path)
        if step.stands and step.irreversible:
            yield Remaining(step=step.path, action=step.action, why=RemainingWhy.IRREVERSIBLE)
        elif child is not None and child.is_committed:  # Its undo would be refused, and the run parked over that.
            yield Remaining(step=step.path, action=step.action, why=RemainingWhy.UNDO_FAILED)
        elif child is not None and child.remaining:
            yield Remaining(step=step.path, action=step.action, why=RemainingWhy.PARTLY_UNDONE)
