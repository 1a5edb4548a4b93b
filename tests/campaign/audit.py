"""The independent checker: holds what the log says of a run against what the ledger saw its handlers do.

It knows the events and the ledger, and nothing of the engine. What can be seen in the events alone is the business of
`tests.checker`, which it calls.
"""

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from amends.saga import events as e
from tests.campaign.ledger import At, Line, standing
from tests.checker import Entry, Trace, check_history, trace

__all__ = ["Facts", "audit"]

LATE_SECONDS = 0.3
"""A handler entered so long after its run was taken shows a worker that did not look at its lease."""

AWAKE_SECONDS = 0.25
"""What a worker that was stopped may take, once it goes on, to end the entry that it was stopped in."""

LATE_FOR_DEADLINE_SECONDS = 5.0
"""A worker that was stopped, or whose database is away, may find out so late."""

Starts = e.ActionStarted | e.CompensationStarted
Results = e.ActionSucceeded | e.ActionFailed | e.ActionCompensated | e.CompensationFailed


@dataclass(frozen=True)
class Facts:
    """What is known of a run.

    Attributes:
        events: from the log.
        lines: of the ledger, its own, in order.
        continued: of each process that was stopped, when it went on (wall time, nanoseconds).
        claimed: when the claim of each epoch was there at the latest (wall time, nanoseconds).
        gone: the workers that gave up their runs in good order.
    """

    events: Sequence[e.Event]
    lines: Sequence[Line]
    continued: Mapping[int, Sequence[int]]
    claimed: Mapping[int, int]
    gone: Collection[str | None] = ()


def audit(facts: Facts) -> list[str]:
    """Return every breach, one sentence each."""
    entries = [_entry(line) for line in facts.lines if line.at is At.ENTER]
    found = check_history(facts.events, entries)
    for check in (
        nobody_steals,
        entered_by_the_owner,
        results_are_the_owners,
        entered_in_time,
        undone_in_order,
        deadlines_are_kept,
        effects_are_right,
    ):
        found += [f"{check.__name__}: {breach}" for breach in check(facts)]
    return found


def nobody_steals(facts: Facts) -> Iterator[str]:
    """A run changes hands when its owner has fallen silent or gone, or when a person has resumed it; else never.

    A worker whose lease had lapsed claims what it has anew: that changes nothing. A run that has waited may have been
    let go of, and is whoever's claims it first then; so is a completed run that a person has undone, and a parked one
    that a person has cancelled.
    """
    owner = resumed = before = None
    has_waited = False
    for event in facts.events:
        is_off = isinstance(event, e.RunFailing) and isinstance(before, e.RunParked)
        if isinstance(event, e.RunResumed) or _is_asked_undo(event) or is_off:
            resumed = owner
        before = event
        has_waited |= isinstance(event, e.TimerSet | e.SignalAwaited | e.LockAwaited | e.SlotTaken)
        has_waited |= isinstance(event, e.RunStarted) and bool(event.limits)
        if isinstance(event, e.RunClaimed):
            was_well = owner not in (None, resumed, event.worker) and owner not in facts.gone and not has_waited
            if was_well and not event.lapsed:
                yield f"{event.worker} took it from {owner}, who was well"
            owner = event.worker


def entered_by_the_owner(facts: Facts) -> Iterator[str]:
    """I13, I14: each handler was entered by the worker whose claim stands before its started event."""
    owners = {_attempt(event): owner for event, owner in _owned(facts.events) if isinstance(event, Starts)}
    for line in facts.lines:
        if line.at is At.ENTER and line.kind != "probe":
            owner = owners.get((line.kind, line.step, line.attempt))
            if owner != line.worker:
                yield f"{_name(line)} was entered by {line.worker}, but {owner} had the run"


def results_are_the_owners(facts: Facts) -> Iterator[str]:
    """I13: a result on record was seen by the owner's own process, and its output is the owner's."""
    ended = {
        (line.step, line.attempt, line.worker, "undo" if line.kind == "undo" else "do", line.at)
        for line in facts.lines
        if line.at in (At.EXIT, At.RAISE)
    }
    for event, owner in _owned(facts.events):
        if not isinstance(event, Results) or _was_interrupted(event):
            continue
        at = At.EXIT if isinstance(event, e.ActionSucceeded | e.ActionCompensated) else At.RAISE
        seen = {kind for kind in ("do", "undo") if (event.step, event.attempt, owner, kind, at) in ended}
        if not seen:
            yield f"{type(event).__name__} of step {event.step}, attempt {event.attempt}, but {owner} saw nothing of it"
        if isinstance(event, e.ActionSucceeded) and json.loads(event.output)["worker"] != owner:
            yield f"step {event.step} has the output {event.output}, but {owner} had the run"


def _was_interrupted(event: Results) -> bool:
    return isinstance(event, e.CompensationFailed) and event.error.type.endswith("OutcomeUnknown")


def entered_in_time(facts: Facts) -> Iterator[str]:
    """I14: nobody enters a handler of a run that was taken from him, but for one that he was about to enter."""
    taken = dict(_taken(facts))
    for line in facts.lines:
        if line.at is not At.ENTER or line.worker not in taken:
            continue
        late = (line.at_ns - taken[line.worker]) / 1e9
        awake = min((line.at_ns - at for at in facts.continued.get(line.pid, ()) if at < line.at_ns), default=None)
        excused = awake is not None and awake / 1e9 < AWAKE_SECONDS
        if late > LATE_SECONDS and not excused:
            yield f"{_name(line)} was entered {late:.3f} s after the run was taken from {line.worker}"


def undone_in_order(facts: Facts) -> Iterator[str]:
    """I10, as the world saw it: what began after a step had succeeded is undone before that step's undo is entered."""
    recorded = {_attempt(event) for event in facts.events if isinstance(event, e.ActionCompensated)}
    entered: dict[str, int] = {}
    left: dict[str, int] = {}
    for place, line in enumerate(facts.lines):
        if line.kind == "undo" and line.at is At.ENTER:
            entered.setdefault(line.step, place)
        if line.kind == "undo" and line.at is At.EXIT and ("undo", line.step, line.attempt) in recorded:
            left.setdefault(line.step, place)
    steps = trace(facts.events)
    for first, second in itertools.product(entered.keys() & steps.keys(), left):
        if steps[first].settled_at < steps[second].latest_start and entered[first] < left[second]:
            yield f"the undo of step {first} was entered before that of step {second} had ended"


def deadlines_are_kept(facts: Facts) -> Iterator[str]:
    """No run fails of its deadline before that, and none does anything new long after it."""
    started = facts.events[0]
    deadline = started.deadline if isinstance(started, e.RunStarted) else None
    for event in facts.events:
        failed = isinstance(event, e.RunFailing) and event.reason is e.FailingReason.DEADLINE
        if failed and (deadline is None or event.occurred_at < deadline):
            yield f"its deadline, {deadline}, was said to have passed at {event.occurred_at}"
        if deadline is not None and isinstance(event, e.ActionStarted):
            late_seconds = (event.occurred_at - deadline).total_seconds()
            if late_seconds > LATE_FOR_DEADLINE_SECONDS:
                yield f"step {event.step} was begun {late_seconds:.1f} s after the deadline"


def effects_are_right(facts: Facts) -> Iterator[str]:
    """I18: completed: each effect; compensated: none; else exactly those that remain.

    Of what was under way when the run was abandoned, nobody can say it.
    """
    last = facts.events[-1]
    if not isinstance(last, e.RunCompleted | e.RunCompensated | e.RunParked | e.RunAbandoned):
        yield f"it stands at {type(last).__name__}"
        return
    effects = standing(facts.lines)
    remaining = set() if isinstance(last, e.RunCompleted) else {item.step for item in last.remaining}
    for step in trace(facts.events).values():
        wanted = _wanted(step, kept=isinstance(last, e.RunCompleted) or step.path in remaining)
        if isinstance(last, e.RunAbandoned) and step.undoing in ("running", "backoff"):
            wanted = None
        (key,) = step.keys
        if wanted is not None and wanted is not (key in effects):
            how = f"{step.action}, {step.doing}, {step.undoing}"
            yield f"step {step.path} ({how}): its effect {'stands' if key in effects else 'is not there'}"


def _is_asked_undo(event: e.Event) -> bool:
    return isinstance(event, e.RunFailing) and event.reason is e.FailingReason.UNDONE


def _wanted(step: Trace, *, kept: bool) -> bool | None:
    """Return whether the step's effect must stand; None where nobody can say."""
    if step.doing == "failed" or not kept:
        return False
    return True if step.doing == "ok" else None


def _owned(events: Sequence[e.Event]) -> Iterator[tuple[e.Event, str]]:
    """Yield each event with the worker that had the run."""
    owner = ""
    for event in events:
        if isinstance(event, e.RunClaimed):
            owner = event.worker
        yield event, owner


def _taken(facts: Facts) -> Iterator[tuple[str, int]]:
    """Yield when the run had been taken for good from each worker that had it (wall time, nanoseconds)."""
    claims = [event for event in facts.events if isinstance(event, e.RunClaimed)]
    for place, claim in enumerate(claims[:-1]):
        if all(later.worker != claim.worker for later in claims[place + 1 :]):
            yield claim.worker, facts.claimed[claims[place + 1].epoch]


def _attempt(event: Starts | e.ActionCompensated) -> tuple[str, str, int]:
    return "do" if isinstance(event, e.ActionStarted) else "undo", event.step, event.attempt


def _entry(line: Line) -> Entry:
    return Entry(line.kind, line.run_id, line.action, line.step, line.attempt, line.key)


def _name(line: Line) -> str:
    return f"{line.kind} {line.attempt} of step {line.step} ({line.action})"
