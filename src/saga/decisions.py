"""What a run does next: pure functions from a state and a moment to events.

`decide(state, moment, now)` changes nothing and looks at nothing but its arguments. It returns the events to record;
what they oblige the engine to do, once they are durable, follows from the events themselves (`effects.py`). A moment
that comes too late (an attempt to start in a run that is failing, a second end) is answered with no events.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from . import events as e
from . import moments as m
from .events import ErrorInfo, Event, FailingReason, ParkReason, Remaining, RemainingWhy, RunStatus
from .ids import idempotency_key, undo_idempotency_key
from .slots import BEFORE_ALL, lock_slot
from .state import RunState, Step, StepStatus, UndoStatus
from .unwind import UnwindPlan, plan_unwind

MAX_LAPSES = 5
"""A run that has silenced so many workers in a row, with nothing done in between, is parked instead of tried again."""


def decide(state: RunState, moment: m.Moment, now: datetime) -> tuple[Event, ...]:
    """Return the events that follow from `moment`.

    Args:
        state: the run as it stands; not changed.
        moment: what happened.
        now: aware UTC; the time of the events.
    """
    return tuple(_DECIDERS[type(moment)](state, moment, now))


def may_proceed(state: RunState) -> bool:
    """Whether `PROCEED` may be answered with anything: only where a run unwinds, or a step of it is held."""
    return state.status is RunStatus.UNWINDING or state.held > 0


def _step_asked(state: RunState, asked: m.StepAsked, now: datetime) -> tuple[Event, ...]:
    if state.status is not RunStatus.RUNNING:
        return ()
    return (
        _started(
            *(state, asked.path, asked.action, 1, now),
            input_text=asked.input,
            irreversible=asked.irreversible,
            child=asked.child,
        ),
    )


def _retry_due(state: RunState, due: m.RetryDue, now: datetime) -> tuple[Event, ...]:
    step = state.steps[due.path]
    if state.status is not RunStatus.RUNNING or step.status is not StepStatus.WAITING:
        return ()
    return (_started(state, due.path, step.action, step.attempts + 1, now, irreversible=step.irreversible),)


def _attempt_succeeded(state: RunState, ended: m.AttemptSucceeded, now: datetime) -> tuple[Event, ...]:
    if state.status.ended:
        return ()  # It was abandoned meanwhile.
    return (e.ActionSucceeded(occurred_at=now, step=ended.path, attempt=ended.attempt, output=ended.output),)


def _attempt_failed(state: RunState, ended: m.AttemptFailed, now: datetime) -> tuple[Event, ...]:
    if state.status.ended:
        return ()
    running = state.status is RunStatus.RUNNING
    event = e.ActionFailed(
        occurred_at=now,
        step=ended.path,
        attempt=ended.attempt,
        error=ended.error,
        retry_at=ended.retry_at if running else None,
        parks=running and ended.retry_at is None and bool(state.commits),
        remaining=ended.remaining,
    )
    return (event,)


def _attempt_unknown(state: RunState, ended: m.AttemptUnknown, now: datetime) -> tuple[Event, ...]:
    if state.status.ended:
        return ()
    running = state.status is RunStatus.RUNNING
    parks = ended.parks or (ended.retry_at is None and bool(state.commits))
    event = e.ActionUnknown(
        occurred_at=now,
        step=ended.path,
        attempt=ended.attempt,
        why=ended.why,
        error=ended.error,
        retry_at=ended.retry_at if running else None,
        parks=parks and running,
    )
    return (event,)


def _started(
    state: RunState,
    path: str,
    action: str,
    attempt: int,
    now: datetime,
    *,
    irreversible: bool,
    input_text: str | None = None,
    child: str | None = None,
) -> e.ActionStarted:
    return e.ActionStarted(
        occurred_at=now,
        step=path,
        action=action,
        attempt=attempt,
        input=input_text,
        idempotency_key=idempotency_key(state.run_id, path),
        irreversible=irreversible,
        child=child,
    )


def _saga(state: RunState, moment: m.SagaReturned | m.SagaFailed | m.Diverged, now: datetime) -> Iterator[Event]:
    running = state.status is RunStatus.RUNNING
    match moment:
        case m.SagaReturned(output):
            if running and not state.active:
                unresolved = tuple(s.path for s in state.steps.values() if s.status is StepStatus.UNKNOWN)
                yield e.RunCompleted(occurred_at=now, output=output, unresolved=unresolved)
        case m.SagaFailed(reason, error, action, step, by):
            parked = state.status is RunStatus.PARKED and state.failing is None
            if state.commits:
                yield from _cannot_fail(state, moment, now)
            elif running or (parked and reason is FailingReason.CANCELLED):
                yield e.RunFailing(occurred_at=now, reason=reason, error=error, action=action, step=step, by=by)
        case m.Diverged(detail):
            if running:
                yield e.RunParked(
                    occurred_at=now,
                    reason=ParkReason.DIVERGED,
                    detail=detail,
                    remaining=tuple(_remaining(state)),
                )


def _cannot_fail(state: RunState, moment: m.SagaFailed, now: datetime) -> Iterator[Event]:
    """Past its point of no return a run is not undone, whoever wants that: a saga that raises waits for a person."""
    if state.status is RunStatus.RUNNING and moment.reason in (FailingReason.SAGA_RAISED, FailingReason.ACTION_FAILED):
        yield e.RunParked(
            occurred_at=now,
            reason=ParkReason.FORWARD_FAILED,
            detail=f"the saga raised past its point of no return: {moment.error.said}",
            remaining=tuple(_remaining(state)),
        )


def _undo(state: RunState, moment: m.UndoSucceeded | m.UndoFailed | m.UndoDue, now: datetime) -> Iterator[Event]:
    if state.status.ended:
        return
    match moment:
        case m.UndoSucceeded(path, attempt, remaining):
            yield e.ActionCompensated(occurred_at=now, step=path, attempt=attempt, remaining=remaining)
        case m.UndoFailed(path, attempt, error, retry_at):
            yield e.CompensationFailed(occurred_at=now, step=path, attempt=attempt, error=error, retry_at=retry_at)
        case m.UndoDue(path):
            if state.status is RunStatus.UNWINDING and state.steps[path].undo is UndoStatus.WAITING:
                yield _undo_started(state, path, now)


def _undo_started(state: RunState, path: str, now: datetime) -> e.CompensationStarted:
    return e.CompensationStarted(
        occurred_at=now,
        step=path,
        attempt=state.steps[path].undo_attempts + 1,
        idempotency_key=undo_idempotency_key(state.run_id, path),
    )


def _claim(state: RunState, moment: m.Claim, now: datetime) -> Iterator[Event]:
    if state.at_rest:
        return  # A person has the next word in a parked run, and it is left to whoever claims it then.
    yield e.RunClaimed(occurred_at=now, worker=moment.worker, epoch=state.epoch + 1, lapsed=moment.lapsed)
    lapses = state.lapses + moment.lapsed
    if lapses >= MAX_LAPSES:
        yield e.RunParked(
            occurred_at=now,
            reason=ParkReason.WORKERS_DIED,
            detail=f"{lapses} workers in a row fell silent over this run",
            remaining=tuple(_remaining(state)),
        )


def _command(state: RunState, moment: m.Retry | m.Waive | m.Resume, now: datetime) -> Iterator[Event]:
    if state.status is not RunStatus.PARKED:
        return
    match moment:
        case m.Retry(by, reason):
            stuck = (s for s in state.steps.values() if s.undo is UndoStatus.FAILED or s.status is StepStatus.HELD)
            yield e.RunResumed(occurred_at=now, by=by, reason=reason, retries=tuple(step.path for step in stuck))
        case m.Waive(path, by, reason):
            step_or_none = state.steps.get(path)
            if step_or_none is not None and step_or_none.undo is UndoStatus.FAILED:
                yield e.CompensationWaived(occurred_at=now, step=path, by=by, reason=reason)
                yield e.RunResumed(occurred_at=now, by=by, reason=reason)
            elif step_or_none is not None and step_or_none.undo is UndoStatus.WAIVED:
                yield e.RunResumed(occurred_at=now, by=by, reason=reason)
        case m.Resume(by, reason):
            if state.parked is not None and state.parked.reason not in _OF_STEPS and not state.held:
                yield e.RunResumed(occurred_at=now, by=by, reason=reason)


_OF_STEPS = (ParkReason.UNDO_FAILED, ParkReason.OUTCOME_UNKNOWN)
"""Why a run is parked that nothing but another try, or a waiver, of a step helps."""


def _undo_asked(state: RunState, moment: m.Undo, now: datetime) -> Iterator[Event]:
    if state.status is RunStatus.COMPLETED and not state.commits:
        error = ErrorInfo(type="Undone", message=moment.reason)
        yield e.RunFailing(occurred_at=now, reason=FailingReason.UNDONE, error=error, by=moment.by)


def _abandon(state: RunState, moment: m.Abandon, now: datetime) -> Iterator[Event]:
    if state.version and not state.status.ended and not works_under_locks(state):
        kept = (RemainingWhy.IRREVERSIBLE, RemainingWhy.WAIVED, RemainingWhy.UNDO_FAILED)
        remaining = tuple(
            left if left.why in kept else left.model_copy(update={"why": RemainingWhy.ABANDONED})
            for left in _remaining(state)
        )
        yield e.RunAbandoned(occurred_at=now, by=moment.by, reason=moment.reason, remaining=remaining)


def works_under_locks(state: RunState) -> list[str]:
    """Return the runs under way that are steps of one and work under its locks: it is not abandoned before them."""
    children = [state.steps[path].child for path in sorted(state.active | state.undoing)]
    return [child for child in children if child is not None] if state.slots.keys else []


def _wait_asked(state: RunState, asked: m.WaitAsked, now: datetime) -> Iterator[Event]:
    if state.status is not RunStatus.RUNNING:
        return
    due_at = None if asked.seconds is None else now + timedelta(seconds=asked.seconds)
    if asked.signal is not None:
        yield e.SignalAwaited(occurred_at=now, step=asked.path, signal=asked.signal, due_at=due_at)
    elif due_at is not None:
        yield e.TimerSet(occurred_at=now, step=asked.path, due_at=due_at)


def _timer_due(state: RunState, due: m.TimerDue, now: datetime) -> Iterator[Event]:
    if state.status is RunStatus.RUNNING and due.path in state.waits.open:
        yield e.TimerFired(occurred_at=now, step=due.path)


def _signal(state: RunState, signal: m.Signal, now: datetime) -> Iterator[Event]:
    hears = state.status in (RunStatus.RUNNING, RunStatus.PARKED) and state.failing is None and state.version
    if hears and signal.key not in state.waits.received:
        yield e.SignalReceived(
            occurred_at=now, signal=signal.name, payload=signal.payload, by=signal.by, key=signal.key
        )


def _commit_asked(state: RunState, asked: m.CommitAsked, now: datetime) -> Iterator[Event]:
    if state.status is RunStatus.RUNNING:
        yield e.RunCommitted(occurred_at=now, step=asked.path)


def _lock_asked(state: RunState, asked: m.LockAsked, now: datetime) -> Iterator[Event]:
    if state.status is not RunStatus.RUNNING:
        return
    yield e.LockAwaited(occurred_at=now, step=asked.path, key=asked.key)
    if asked.key in state.slots.keys:
        yield e.SlotTaken(occurred_at=now, name=lock_slot(asked.key).name, step=asked.path)


def _slots_held(state: RunState, held: m.SlotsHeld, now: datetime) -> Iterator[Event]:
    awaited = state.slots.next
    if state.status is RunStatus.RUNNING and awaited is not None and awaited.name in held.names:
        if state.slots.queue:
            path = f"{BEFORE_ALL}{len(state.slots.limits) + 1}"
        else:
            path = next(wait.path for wait in state.waits.open.values() if wait.key is not None)
        yield e.SlotTaken(occurred_at=now, name=awaited.name, step=path)


def _proceed(state: RunState, _: m.Proceed, now: datetime) -> Iterator[Event]:
    if state.status is RunStatus.RUNNING and state.held and state.held == len(state.active):
        yield _parked_held(state, now)
    if state.status is not RunStatus.UNWINDING or state.active:
        return
    plan = state.plan or plan_unwind(state.steps.values())
    ready = plan.ready()
    for path in ready:
        yield _undo_started(state, path, now)
    if plan.done:
        yield e.RunCompensated(occurred_at=now, remaining=tuple(_remaining(state)))
    elif not ready and not state.undoing:
        yield _parked_undo(state, plan, now)


def _parked_held(state: RunState, now: datetime) -> e.RunParked:
    held = [step for step in state.steps.values() if step.status is StepStatus.HELD]
    is_unknown = any(step.is_held_unknown for step in held)
    return e.RunParked(
        occurred_at=now,
        reason=ParkReason.OUTCOME_UNKNOWN if is_unknown else ParkReason.FORWARD_FAILED,
        detail="; ".join(map(_why_held, held)),
        remaining=tuple(_remaining(state)),
    )


def _why_held(step: Step) -> str:
    if step.is_held_unknown:
        return f"nobody knows whether {step.action} (step {step.path}) landed"
    error = step.error.said if step.error else ""
    before = ", after an attempt of which nobody knows whether it landed" if step.last_unknown else ""
    return f"{step.action} (step {step.path}) failed past the point of no return{before}: {error}"


def _parked_undo(state: RunState, plan: UnwindPlan, now: datetime) -> e.RunParked:
    failed = [state.steps[path] for path in plan.order if state.steps[path].undo is UndoStatus.FAILED]
    errors = (f"{s.action} (step {s.path}): {s.undo_error.message if s.undo_error else ''}" for s in failed)
    return e.RunParked(
        occurred_at=now,
        reason=ParkReason.UNDO_FAILED,
        detail=f"cannot undo {'; '.join(errors)}",
        remaining=tuple(_remaining(state)),
    )


def _remaining(state: RunState) -> Iterator[Remaining]:
    for step in state.steps.values():
        why = _why_remaining(step)
        if why is not None:
            yield Remaining(step=step.path, action=step.action, why=why)


def _why_remaining(step: Step) -> RemainingWhy | None:
    if step.is_partly_undone:
        return RemainingWhy.PARTLY_UNDONE
    if not (step.stands or step.last_unknown or step.status is StepStatus.RUNNING):
        return None
    if step.irreversible:
        return RemainingWhy.IRREVERSIBLE
    match step.undo:
        case UndoStatus.COMPENSATED:
            return None
        case UndoStatus.WAIVED:
            return RemainingWhy.WAIVED
        case UndoStatus.FAILED:
            return RemainingWhy.UNDO_FAILED
        case _:
            return RemainingWhy.HELD_BACK


_DECIDERS: dict[type[m.Moment], Callable[[RunState, Any, datetime], Iterable[Event]]] = {
    m.StepAsked: _step_asked,
    m.RetryDue: _retry_due,
    m.AttemptSucceeded: _attempt_succeeded,
    m.AttemptFailed: _attempt_failed,
    m.AttemptUnknown: _attempt_unknown,
    m.SagaReturned: _saga,
    m.SagaFailed: _saga,
    m.Diverged: _saga,
    m.UndoSucceeded: _undo,
    m.UndoFailed: _undo,
    m.UndoDue: _undo,
    m.Claim: _claim,
    m.Retry: _command,
    m.Waive: _command,
    m.Resume: _command,
    m.Undo: _undo_asked,
    m.Abandon: _abandon,
    m.WaitAsked: _wait_asked,
    m.TimerDue: _timer_due,
    m.Signal: _signal,
    m.LockAsked: _lock_asked,
    m.SlotsHeld: _slots_held,
    m.CommitAsked: _commit_asked,
    m.Proceed: _proceed,
}
