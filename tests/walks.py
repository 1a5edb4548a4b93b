"""Histories of every kind of event: random moments, in any order, answered by the engine's own decisions.

What a saga would never ask for in this order may be in them; what the engine would never record may not.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from hypothesis import strategies as st

from amends.saga import events as e
from amends.saga import moments as m
from amends.saga.decisions import decide, may_proceed
from amends.saga.state import RunState, Step, StepStatus, UndoStatus, evolve
from tests.unit.recorded import BUSY, ZERO

NAMES = ("approved", "paid")
_CHOICES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 10_000)), max_size=30)


@st.composite
def walks(draw: st.DrawFn) -> list[e.Event]:
    """One run, cut anywhere."""
    deadline = draw(st.sampled_from([None, ZERO + timedelta(days=1)]))
    tags = draw(st.sampled_from([{}, {"tenant": "acme"}]))
    events: list[e.Event] = [
        e.RunStarted(occurred_at=ZERO, saga="s", saga_version=1, input="{}", tags=tags, deadline=deadline),
        e.RunClaimed(occurred_at=ZERO, worker="w", epoch=1),
    ]
    state = RunState("run")
    for event in events:
        evolve(state, event)
    for second, (rarity, choice) in enumerate(draw(_CHOICES), start=1):
        now = ZERO + timedelta(seconds=second)
        possible = _RARE if rarity == 0 else list(usual(state, now))
        for event in decide(state, possible[choice % len(possible)], now):
            evolve(state, event)
            events.append(event)
    return events


def usual(state: RunState, now: datetime) -> Iterator[m.Moment]:
    """What may happen to a run that stands so."""
    path = str(len(state.steps) + len(state.waits.all) + len(state.commits) + 1)
    later = now + timedelta(seconds=5)
    yield m.StepAsked(path, "a", "{}", irreversible=False)
    yield m.StepAsked(path, "b", "{}", irreversible=True)
    for name in NAMES:
        yield m.WaitAsked(path, name, None)
        yield m.WaitAsked(path, name, 5.0)
        yield m.Signal(name, "{}", "ada", f"{name}{state.version % 5}")
    yield m.WaitAsked(path, None, 5.0)
    yield from [m.PROCEED] * (4 if may_proceed(state) else 1)
    yield from map(m.TimerDue, state.waits.open)
    for step in state.steps.values():
        yield from _of_step(step, later)
    if state.status.ended:
        yield from [m.Undo("eve", "left")] * 8
    if state.status is e.RunStatus.PARKED:
        yield from (m.Retry("ada", "mended"), m.Resume("ada", "mended"))


def _of_step(step: Step, later: datetime) -> Iterator[m.Moment]:
    path = step.path
    if step.status is StepStatus.RUNNING:
        yield from (m.AttemptSucceeded(path, step.attempts, "{}") for _ in range(3))
        for retry_at in (None, later):
            yield m.AttemptFailed(path, step.attempts, BUSY, retry_at)
            yield m.AttemptUnknown(path, step.attempts, e.UnknownWhy.LOST, BUSY, retry_at)
        yield m.AttemptUnknown(path, step.attempts, e.UnknownWhy.TIMED_OUT, BUSY, None, parks=True)
    elif step.status is StepStatus.WAITING:
        yield m.RetryDue(path)
    match step.undo:
        case UndoStatus.RUNNING:
            yield m.UndoSucceeded(path, step.undo_attempts)
            yield m.UndoFailed(path, step.undo_attempts, BUSY, None)
            yield m.UndoFailed(path, step.undo_attempts, BUSY, later)
        case UndoStatus.WAITING:
            yield m.UndoDue(path)
        case UndoStatus.FAILED:
            yield m.Waive(path, "ada", "by hand")


_RARE: list[m.Moment] = [
    m.Claim("other", lapsed=False),
    m.Claim("other", lapsed=True),
    m.SagaFailed(e.FailingReason.SAGA_RAISED, BUSY),
    m.SagaFailed(e.FailingReason.DEADLINE, BUSY),
    m.SagaFailed(e.FailingReason.CANCELLED, BUSY, by="bob"),
    m.Diverged("another step"),
    m.SagaReturned("{}"),
    m.SagaReturned("{}"),
    m.CommitAsked("99"),
    m.Abandon("bob", "no use"),
    m.Resume("ada", "mended"),
]
"""What befalls a saga, and what people say, once in a while."""
