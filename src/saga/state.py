"""What a run's events add up to.

`evolve(state, event)` folds one event into the state and returns it. It decides nothing and checks nothing: what is in
the log has happened. The state is changed in place, because a run of ten thousand steps must not copy ten thousand
steps for each event; it belongs to whoever folds it (decision record 003).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

from ..actions.values import JsonText
from . import events as e
from .events import ErrorInfo, Event, Remaining, RunStatus
from .slots import NONE, Slots, is_limit, slots_after
from .unwind import UnwindPlan, plan_unwind
from .waits import Wait, Waits


class StepStatus(Enum):
    """How the doing of a step stands."""

    RUNNING = auto()
    """An attempt was started."""
    WAITING = auto()
    """The next attempt is due at `due_at`."""
    HELD = auto()
    """Unknown, and a person is to decide."""
    SUCCEEDED = auto()
    FAILED = auto()
    UNKNOWN = auto()


class UndoStatus(Enum):
    """How the undoing of a step stands."""

    NONE = auto()
    RUNNING = auto()
    WAITING = auto()
    COMPENSATED = auto()
    FAILED = auto()
    WAIVED = auto()


@dataclass(slots=True)
class Step:
    """One call of an action. `started_at` and `undo_started_at` are those of the first attempt."""

    path: str
    action: str
    input: JsonText
    idempotency_key: str
    irreversible: bool
    started_at: datetime
    started_version: int
    """The version of the latest `ActionStarted`."""
    attempts: int = 1
    budget_from: int = 0
    """Attempts that were made before a person asked for more; they do not count against the step's budget."""
    status: StepStatus = StepStatus.RUNNING
    last_unknown: bool = False
    """An attempt's outcome is unknown, and none has succeeded since: a later failure does not say what that one did."""
    settled_version: int = 0
    settled_at: datetime | None = None
    output: JsonText | None = None
    error: ErrorInfo | None = None
    due_at: datetime | None = None
    undo: UndoStatus = UndoStatus.NONE
    undo_attempts: int = 0
    undo_budget_from: int = 0
    """Attempts that were made before a person asked for more; they do not count against the undo's budget."""
    undo_key: str = ""
    """The idempotency key of its undo, once that has begun."""
    undo_started_at: datetime | None = None
    undo_due_at: datetime | None = None
    undo_error: ErrorInfo | None = None
    child: str | None = None
    """The run that the step is, where it is a saga's."""
    is_partly_undone: bool = False
    is_held_unknown: bool = False
    """It is held because of an attempt whose outcome is unknown, and not because one has failed."""

    @property
    def stands(self) -> bool:
        """Whether the step may have left an effect."""
        return self.status in (StepStatus.SUCCEEDED, StepStatus.UNKNOWN)


@dataclass(slots=True)
class RunState:
    """A run after some of its events; after none of them, an empty state of version 0."""

    run_id: str
    version: int = 0
    status: RunStatus = RunStatus.RUNNING
    saga: str = ""
    saga_version: int = 0
    input: JsonText = ""
    parent: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    deadline: datetime | None = None
    trace: str | None = None
    worker: str | None = None
    epoch: int = 0
    lapses: int = 0
    """How many owners in a row fell silent without anything getting done."""
    steps: dict[str, Step] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    """Steps that are running, waiting or held."""
    held: int = 0
    waits: Waits = field(default_factory=Waits)
    slots: Slots = NONE
    commits: set[str] = field(default_factory=set)
    """Where the saga passed its point of no return."""
    failing: e.RunFailing | None = None
    undoing: set[str] = field(default_factory=set)
    """Steps whose undo is running or waiting."""
    plan: UnwindPlan | None = None
    parked: e.RunParked | None = None
    abandoned: e.RunAbandoned | None = None
    output: JsonText | None = None
    remaining: tuple[Remaining, ...] = ()

    @property
    def at_rest(self) -> bool:
        """Whether nothing happens to the run by itself: it has ended, or is parked, or does not exist."""
        return self.status.ended or self.status is RunStatus.PARKED or not self.version

    @property
    def only_waits(self) -> bool:
        """Whether nothing happens to the run before a time comes or somebody tells it something."""
        return self.status is RunStatus.RUNNING and not self.active and bool(self.waits.open or self.slots.queue)


def evolve(state: RunState, event: Event) -> RunState:
    """Fold one event into `state`, which is changed and returned."""
    state.version += 1
    _FOLDS.get(type(event), _run)(state, event)
    return state


def fold(run_id: str, events: Iterable[Event]) -> RunState:
    """Return the state of a run after `events`, from its first."""
    state = RunState(run_id)
    for event in events:
        evolve(state, event)
    return state


def _action_started(state: RunState, event: e.ActionStarted) -> None:
    step = state.steps.get(event.step)
    if step is None:
        step = state.steps[event.step] = Step(
            event.step,
            event.action,
            event.input or "",
            event.idempotency_key,
            event.irreversible,
            event.occurred_at,
            state.version,
            child=event.child,
        )
    if step.status is StepStatus.HELD:
        state.held -= 1
    step.status = StepStatus.RUNNING
    step.attempts = event.attempt
    step.started_version = state.version
    state.active.add(event.step)


def _action_succeeded(state: RunState, event: e.ActionSucceeded) -> None:
    step = state.steps[event.step]
    state.lapses = 0
    step.output = event.output
    _settle(state, step, StepStatus.SUCCEEDED, event.occurred_at)


def _attempt_ended(state: RunState, event: e.ActionFailed | e.ActionUnknown) -> None:
    step = state.steps[event.step]
    step.error = event.error
    step.last_unknown = step.last_unknown or isinstance(event, e.ActionUnknown)
    step.is_partly_undone = isinstance(event, e.ActionFailed) and bool(event.remaining)
    if event.retry_at is not None:
        step.status, step.due_at = StepStatus.WAITING, event.retry_at
    elif event.parks:
        step.status, step.is_held_unknown = StepStatus.HELD, isinstance(event, e.ActionUnknown)
        state.held += 1
    else:
        _settle(state, step, StepStatus.UNKNOWN if step.last_unknown else StepStatus.FAILED, event.occurred_at)


def _settle(state: RunState, step: Step, status: StepStatus, at: datetime) -> None:
    step.status, step.settled_version, step.settled_at, step.due_at = status, state.version, at, None
    step.last_unknown = status is StepStatus.UNKNOWN
    state.active.discard(step.path)


def _undo(
    state: RunState,
    event: e.CompensationStarted | e.ActionCompensated | e.CompensationFailed | e.CompensationWaived,
) -> None:
    step = state.steps[event.step]
    state.plan = state.plan or plan_unwind(state.steps.values())
    match event:
        case e.CompensationStarted():
            step.undo, step.undo_attempts, step.undo_key = UndoStatus.RUNNING, event.attempt, event.idempotency_key
            step.undo_started_at = step.undo_started_at or event.occurred_at
            state.undoing.add(event.step)
            state.plan.began(event.step)
        case e.CompensationFailed():
            step.undo_error, step.undo_due_at = event.error, event.retry_at
            step.undo = UndoStatus.FAILED if event.retry_at is None else UndoStatus.WAITING
            if event.retry_at is None:
                state.undoing.discard(event.step)
        case _:
            state.lapses = 0
            step.undo = UndoStatus.COMPENSATED if isinstance(event, e.ActionCompensated) else UndoStatus.WAIVED
            step.is_partly_undone = isinstance(event, e.ActionCompensated) and bool(event.remaining)
            step.undo_due_at = None
            state.undoing.discard(event.step)
            state.plan.resolved(event.step)


def _run(state: RunState, event: Event) -> None:
    state.slots = slots_after(state.slots, event)
    match event:
        case e.RunStarted():
            state.saga, state.saga_version = event.saga, event.saga_version
            state.input, state.tags, state.started_at = event.input, event.tags, event.occurred_at
            state.deadline, state.parent = event.deadline, event.parent
            state.trace = event.trace
        case e.RunClaimed():
            state.worker, state.epoch = event.worker, event.epoch
            state.lapses += event.lapsed
        case e.RunFailing():
            state.lapses = 0 if state.at_rest else state.lapses
            state.status, state.failing, state.parked = RunStatus.UNWINDING, event, None
            state.waits.give_up()
            _settle_the_waiting(state, event.occurred_at)
        case e.RunParked():
            state.status, state.parked, state.remaining = RunStatus.PARKED, event, event.remaining
        case e.RunResumed():
            state.lapses = 0
            state.status = RunStatus.UNWINDING if state.failing else RunStatus.RUNNING
            state.parked, state.remaining = None, ()
            for path in event.retries:
                _try_again(state, state.steps[path], event.occurred_at)
        case e.RunCompleted():
            state.status, state.output = RunStatus.COMPLETED, event.output
            state.waits.give_up()
        case e.RunCompensated():
            state.remaining = event.remaining
            state.status = RunStatus.PARTIALLY_COMPENSATED if event.remaining else RunStatus.COMPENSATED
        case e.RunAbandoned():
            state.status, state.remaining, state.parked = RunStatus.ABANDONED, event.remaining, None
            state.abandoned = event
            state.waits.give_up()


def _try_again(state: RunState, step: Step, due_at: datetime) -> None:
    if step.undo is UndoStatus.FAILED:
        step.undo, step.undo_due_at, step.undo_budget_from = UndoStatus.WAITING, due_at, step.undo_attempts
        state.undoing.add(step.path)
    elif step.status is StepStatus.HELD:
        step.status, step.due_at, step.budget_from = StepStatus.WAITING, due_at, step.attempts
        state.held -= 1


def _wait(state: RunState, event: e.TimerSet | e.SignalAwaited | e.TimerFired | e.SignalReceived) -> None:
    match event:
        case e.TimerSet(step=path, due_at=due_at):
            state.waits.begin(Wait(path, None, due_at), event.occurred_at)
        case e.SignalAwaited(step=path, signal=signal, due_at=due_at):
            state.waits.begin(Wait(path, signal, due_at), event.occurred_at)
        case e.TimerFired(step=path):
            state.waits.fire(path, event.occurred_at)
            state.lapses = 0
        case e.SignalReceived(signal=signal, payload=payload, key=key):
            state.waits.receive(signal, payload, key, event.occurred_at)


def _lock(state: RunState, event: e.LockAwaited | e.SlotTaken) -> None:
    state.slots = slots_after(state.slots, event)
    if isinstance(event, e.LockAwaited):
        state.waits.begin(Wait(event.step, None, None, key=event.key), event.occurred_at)
    elif not is_limit(event):
        state.waits.fire(event.step, event.occurred_at)


def _committed(state: RunState, event: e.RunCommitted) -> None:
    state.commits.add(event.step)


def _settle_the_waiting(state: RunState, at: datetime) -> None:
    """A run that is failing starts no further attempt, so what waited for one is as settled as it will ever be."""
    for path in [path for path in state.active if state.steps[path].status is not StepStatus.RUNNING]:
        step = state.steps[path]
        _settle(state, step, StepStatus.UNKNOWN if step.last_unknown else StepStatus.FAILED, at)
    state.held = 0


_FOLDS: dict[type[Event], Callable[[RunState, Any], None]] = {
    e.ActionStarted: _action_started,
    e.ActionSucceeded: _action_succeeded,
    e.ActionFailed: _attempt_ended,
    e.ActionUnknown: _attempt_ended,
    e.CompensationStarted: _undo,
    e.ActionCompensated: _undo,
    e.CompensationFailed: _undo,
    e.CompensationWaived: _undo,
    e.TimerSet: _wait,
    e.SignalAwaited: _wait,
    e.TimerFired: _wait,
    e.SignalReceived: _wait,
    e.RunCommitted: _committed,
    e.LockAwaited: _lock,
    e.SlotTaken: _lock,
}
"""What folds an event of a step or a wait; all others are folded by `_run`. Each miss of an `isinstance` with a
pydantic model costs as much as the fold itself, so the class is looked up."""
