"""Histories of every kind of event: random moments, in any order, answered by the engine's own decisions.

What a saga would never ask for in this order may be in them; what the engine would never record may not.
"""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st

from amends.saga import events as e
from amends.saga import moments as m
from amends.saga.decisions import decide
from amends.saga.state import RunState, StepStatus, UndoStatus, evolve
from tests.unit.recorded import BUSY, ZERO

PEOPLE = st.sampled_from(["ada", "bob"])
SIGNALS = st.sampled_from(["approved", "paid"])

Draw = Callable[[st.SearchStrategy[object]], object]


@st.composite
def walks(draw: st.DrawFn, most: int = 30) -> list[e.Event]:
    """One run, cut anywhere."""
    deadline = draw(st.none() | st.just(ZERO + timedelta(days=1)))
    tags = draw(st.sampled_from([{}, {"tenant": "acme"}]))
    events: list[e.Event] = [
        e.RunStarted(occurred_at=ZERO, saga="s", saga_version=1, input="{}", tags=tags, deadline=deadline),
        e.RunClaimed(occurred_at=ZERO, worker="w", epoch=1),
    ]
    state = RunState("run")
    for event in events:
        evolve(state, event)
    for second in range(draw(st.integers(0, most))):
        now = ZERO + timedelta(seconds=second + 1)
        for event in decide(state, draw(moments(state, now)), now):
            evolve(state, event)
            events.append(event)
    return events


def moments(state: RunState, now: object) -> st.SearchStrategy[m.Moment]:
    """What may happen to a run that stands so."""
    path = str(len(state.steps) + len(state.waits.all) + len(state.commits) + 1)
    later = now + timedelta(seconds=5)  # type: ignore[operator]
    found: list[st.SearchStrategy[m.Moment]] = [
        st.builds(m.StepAsked, st.just(path), st.just("a"), st.just("{}"), st.booleans()),
        st.builds(m.WaitAsked, st.just(path), SIGNALS, st.none() | st.just(5.0)),
        st.builds(m.WaitAsked, st.just(path), st.none(), st.just(5.0)),
        st.builds(m.Signal, SIGNALS, st.just("{}"), PEOPLE, st.sampled_from("abcdef")),
        st.just(m.SagaReturned("{}")),
        st.just(m.PROCEED),
    ]
    if state.waits.open:
        found += [st.builds(m.TimerDue, st.sampled_from(list(state.waits.open)))] * 2
    for step in state.steps.values():
        if step.status is StepStatus.RUNNING:
            found += attempt_ends(step.path, step.attempts, later)
        elif step.status is StepStatus.WAITING:
            found.append(st.just(m.RetryDue(step.path)))
        if step.undo is UndoStatus.RUNNING:
            ended = (st.just(step.path), st.just(step.undo_attempts))
            found.append(st.builds(m.UndoSucceeded, *ended))
            found.append(st.builds(m.UndoFailed, *ended, st.just(BUSY), st.none() | st.just(later)))
        elif step.undo is UndoStatus.WAITING:
            found.append(st.just(m.UndoDue(step.path)))
        elif step.undo is UndoStatus.FAILED:
            found.append(st.builds(m.Waive, st.just(step.path), PEOPLE, st.just("by hand")))
    return st.one_of(*found, st.one_of(rare()))


def attempt_ends(path: str, attempt: int, later: object) -> list[st.SearchStrategy[m.Moment]]:
    """How an attempt may end."""
    step, retry_at = (st.just(path), st.just(attempt)), st.none() | st.just(later)
    why = st.sampled_from(e.UnknownWhy)
    return [
        st.builds(m.AttemptSucceeded, *step, st.just("{}")),
        st.builds(m.AttemptFailed, *step, st.just(BUSY), retry_at),
        st.builds(m.AttemptUnknown, *step, why, st.just(BUSY), retry_at, st.booleans()),
    ]


def rare() -> list[st.SearchStrategy[m.Moment]]:
    """What happens once in a while: what people say, and what befalls a saga."""
    said = (PEOPLE, st.just("because"))
    failing = st.sampled_from([e.FailingReason.SAGA_RAISED, e.FailingReason.DEADLINE])
    return [
        st.builds(m.Claim, st.just("other"), st.booleans()),
        st.builds(m.SagaFailed, failing, st.just(BUSY)),
        st.builds(m.SagaFailed, st.just(e.FailingReason.CANCELLED), st.just(BUSY), by=PEOPLE),
        st.just(m.Diverged("another step")),
        st.just(m.CommitAsked("9")),
        *(st.builds(said_so, *said) for said_so in (m.Retry, m.Resume, m.Undo, m.Abandon)),
    ]
