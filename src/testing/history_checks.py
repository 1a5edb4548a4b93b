"""The invariants of a run's history, one function each; the numbers are those of the design's list of invariants.

Pure functions over events. Each yields what is wrong, one sentence a breach, and nothing where all is well.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar

from ..saga import events as e
from .traces import UNDOABLE, Trace, trace

__all__ = ["INVARIANTS", "History"]

SETTLED = ("ok", "failed", "unknown")
_ACCEPTED = (e.RemainingWhy.IRREVERSIBLE, e.RemainingWhy.WAIVED, e.RemainingWhy.PARTLY_UNDONE)
_PARKED_AT_REST = (e.ParkReason.UNDO_FAILED, e.ParkReason.OUTCOME_UNKNOWN)
_MAY_STAND_TWICE = (e.RunParked, e.RunResumed, e.RunStarted)
"""Of starts, `one_start_and_one_end` says the same."""
_SETS_A_TIME = (e.ActionFailed, e.ActionUnknown, e.CompensationFailed)
_STARTS = (e.ActionStarted, e.CompensationStarted)
_SETS_GOING = (e.RunResumed, e.RunFailing)
_GETS_DONE = (e.ActionSucceeded, e.ActionCompensated, e.CompensationWaived, e.RunResumed, e.TimerFired)
_ONCE_A_STEP: tuple[type[e.ActionSucceeded | e.ActionCompensated], ...] = (e.ActionSucceeded, e.ActionCompensated)
_COMMANDS: tuple[type[e.Event], ...] = (e.RunFailing, e.RunResumed, e.CompensationWaived, e.RunAbandoned)
_ASKED_FOR = (e.FailingReason.CANCELLED, e.FailingReason.UNDONE)
_LAPSES_AT_MOST = 5

E = TypeVar("E", bound=e.Event)


class History:
    """A run's events, and what follows from them, worked out once.

    Args:
        events: from the first, in order.
    """

    def __init__(self, events: Sequence[e.Event]) -> None:
        self.events = events
        self._of: dict[type[e.Event], list[tuple[int, Any]]] = {}
        for placed in enumerate(events):
            self._of.setdefault(type(placed[1]), []).append(placed)

    def of(self, *kinds: type[E]) -> list[tuple[int, E]]:
        """Return the events of these classes with their places, in order.

        A healthy run has none of most, and that an `isinstance` with a pydantic model is false costs a microsecond.
        """
        found = [self._of[kind] for kind in kinds if kind in self._of]
        if len(found) > 1:
            return sorted(chain.from_iterable(found), key=_place)
        return found[0] if found else []

    @cached_property
    def steps(self) -> dict[str, Trace]:
        """Every step's automaton after all events."""
        return trace(self.events)

    def owner(self, version: int) -> str | None:
        """Return who had the run when it had so many events."""
        return next((event.worker for place, event in reversed(self.of(e.RunClaimed)) if place < version), None)


def _place(placed: tuple[int, e.Event]) -> int:
    return placed[0]


def nothing_twice(history: History) -> Iterator[str]:
    """I1: no event stands in the log twice."""
    for event, count in Counter(event for event in history.events if type(event) not in _MAY_STAND_TWICE).items():
        if count > 1:
            yield f"{count} times {event.TOPIC} {event.model_dump_json()}"


def one_start_and_one_end(history: History) -> Iterator[str]:
    """I2: the start comes first and once; there is at most one end, and nothing after it.

    But a person may have a completed run undone, and then it ends once more.
    """
    starts = [place for place, _ in history.of(e.RunStarted)]
    if starts != [0]:
        yield f"RunStarted stands at {starts}"
    ends = [place for place, _ in history.of(e.RunCompleted, e.RunCompensated, e.RunAbandoned)]
    if ends and _is_undone(history.events, ends[0]):
        ends = ends[1:]
    if ends and ends != [len(history.events) - 1]:
        yield f"ends stand at {ends} of {len(history.events)}"


def _is_undone(events: Sequence[e.Event], end: int) -> bool:
    """Tell whether a person has had the run undone that completed at `end`."""
    match events[end : end + 2]:
        case [e.RunCompleted(), e.RunFailing(reason=e.FailingReason.UNDONE)]:
            return True
    return False


def steps_follow_the_automaton(history: History) -> Iterator[str]:
    """I3: each step's events are accepted by the automaton, and its attempts are consecutive."""
    for step in history.steps.values():
        for breach in step.breaches:
            yield f"step {step.path}: {breach}"


def one_success_a_step(history: History) -> Iterator[str]:
    """I5, I11: at most one success and one compensation a step, and none of a step that never began."""
    for kind in _ONCE_A_STEP:
        for path, count in Counter(event.step for _, event in history.of(kind)).items():
            if count > 1:
                yield f"step {path}: {count} times {kind.__name__}"
    for step in history.steps.values():
        if step.undo_began >= 0 and step.doing not in UNDOABLE:
            yield f"step {step.path}: undone although it is {step.doing}"


def nothing_new_when_failing(history: History) -> Iterator[str]:
    """I7: no attempt begins after the run is failing, and that is said once."""
    failing = [place for place, _ in history.of(e.RunFailing)]
    if len(failing) > 1:
        yield f"RunFailing stands at {failing}"
    for place, event in history.of(e.ActionStarted):
        if failing and place > failing[0]:
            yield f"step {event.step}: attempt {event.attempt} began in a failing run"


def undo_only_when_all_is_settled(history: History) -> Iterator[str]:
    """I8: nothing is undone before the run is failing and every attempt has ended."""
    never = len(history.events)
    failing = next((place for place, _ in history.of(e.RunFailing)), never)
    steps = history.steps.values()
    last_settled = max((step.settled_at if step.doing in SETTLED else never for step in steps), default=-1)
    for step in steps:
        if 0 <= step.undo_began < max(failing, last_settled):
            yield f"step {step.path}: its undo began before all attempts had ended"


def what_is_undone(history: History) -> Iterator[str]:
    """I9: what is undone is what succeeded or is unknown, and can be undone; at the end of an unwind, all of it."""
    events = history.events
    over = bool(events) and type(events[-1]) is e.RunCompensated
    for step in history.steps.values():
        wanted = step.doing in UNDOABLE and not step.irreversible
        if step.undo_began >= 0 and not wanted:
            yield f"step {step.path}: its undo began, and it is {'irreversible' if step.irreversible else step.doing}"
        if over and wanted and step.undoing not in ("undone", "waived"):
            yield f"step {step.path}: {step.doing}, but its undoing is {step.undoing}"


def the_unwind_is_the_mirror(history: History) -> Iterator[str]:
    """I10: if B began after A had settled, B's undoing ends before A's begins."""
    events = history.events
    never = len(events)
    steps = [step for step in history.steps.values() if step.doing in UNDOABLE and not step.irreversible]
    steps.sort(key=lambda step: step.latest_start)
    starts = [step.latest_start for step in steps]
    latest_end = [never] * (len(steps) + 1)
    latest_end[-1] = -1
    for index in range(len(steps) - 1, -1, -1):
        ended = steps[index].undo_ended
        latest_end[index] = max(latest_end[index + 1], never if ended < 0 else ended)
    for step in steps:
        if 0 <= step.undo_began < latest_end[bisect_right(starts, step.settled_at)]:
            yield f"step {step.path}: its undo began before a later step was undone"


def ends_say_what_is_so(history: History) -> Iterator[str]:
    """I12: `completed` undid nothing and left nothing open; `compensated` left nothing but what it says."""
    events = history.events
    steps = history.steps
    match events[-1] if events else None:
        case e.RunCompleted(unresolved=unresolved):
            if open_ones := [step.path for step in steps.values() if step.doing not in SETTLED]:
                yield f"completed with steps under way: {open_ones}"
            if undone := [step.path for step in steps.values() if step.undo_began >= 0]:
                yield f"completed, but undid {undone}"
            if sorted(unresolved) != sorted(step.path for step in steps.values() if step.doing == "unknown"):
                yield f"unresolved are not {unresolved}"
            if history.of(e.RunFailing):
                yield "completed although it was failing"
        case e.RunCompensated(remaining=remaining):
            yield from _remaining_fits(steps.values(), remaining)
            if bad := [item for item in remaining if item.why not in _ACCEPTED]:
                yield f"ended although it could go on: {bad}"
            if not history.of(e.RunFailing):
                yield "compensated without a reason"
        case e.RunAbandoned(remaining=remaining):
            standing = {path for path, step in steps.items() if _remains(step) or step.doing == "running"}
            if {item.step for item in remaining} != standing:
                yield f"abandoned with {[item.step for item in remaining]}, but what may stand is {sorted(standing)}"


def parked_says_why_and_what(history: History) -> Iterator[str]:
    """I12: a parked run gives a reason, and names what stands."""
    for place, event in history.of(e.RunParked):
        if not event.detail:
            yield "parked without a detail"
        if event.reason in _PARKED_AT_REST:
            steps = trace(history.events[:place])
            yield from _remaining_fits(steps.values(), event.remaining)
            if event.reason is e.ParkReason.UNDO_FAILED:
                yield from _parked_too_early(list(steps.values()))


def _parked_too_early(steps: Sequence[Trace]) -> Iterator[str]:
    """An undo that failed holds back only what must wait for it; the rest is undone first."""
    wanted = [s for s in steps if s.doing in UNDOABLE and not s.irreversible and s.undoing not in ("undone", "waived")]
    last_start = max((step.latest_start for step in wanted), default=-1)
    for step in wanted:
        if step.undoing in ("running", "backoff"):
            yield f"parked while the undo of step {step.path} was {step.undoing}"
        elif step.undoing == "none" and last_start <= step.settled_at:
            yield f"parked although step {step.path} could be undone"


def parked_runs_wait(history: History) -> Iterator[str]:
    """I12: a parked run is nobody's business until a person has said something."""
    if not history.of(e.RunParked):
        return
    parked = False
    for place, event in enumerate(history.events):
        if isinstance(event, e.RunParked):
            parked = True
        elif isinstance(event, _SETS_GOING):
            parked = False
        elif parked and isinstance(event, (e.RunClaimed, *_STARTS)):
            yield f"{type(event).__name__} stands at {place}, and nobody had set the parked run going"


def commands_have_an_actor(history: History) -> Iterator[str]:
    """I12: who cancels, retries or waives is on record, and why."""
    for _, event in history.of(*_COMMANDS):
        match event:
            case e.RunFailing(reason=why, by=by, error=error) if why in _ASKED_FOR:
                known = bool(by and error.message)
            case e.RunResumed() | e.CompensationWaived() | e.RunAbandoned():
                known = bool(event.by and event.reason)
            case _:
                known = True
        if not known:
            yield f"nobody knows who said {type(event).__name__}, or why"


def silent_workers_are_counted(history: History) -> Iterator[str]:
    """I19: a run over which five workers fell silent in a row, with nothing done in between, is parked; no other is."""
    lapses, is_parked = 0, False
    for place, event in history.of(e.RunClaimed, e.RunParked, e.RunFailing, e.RunCompleted, *_GETS_DONE):
        match event:
            case e.RunFailing() if not is_parked:
                continue  # Only a person has a parked run undone, and so tried again.
            case e.RunClaimed():
                lapses += event.lapsed
                if lapses > _LAPSES_AT_MOST:
                    yield f"{lapses} workers in a row fell silent, and it was claimed again at {place}"
            case e.RunParked():
                if event.reason is e.ParkReason.WORKERS_DIED and lapses < _LAPSES_AT_MOST:
                    yield f"parked at {place} when {lapses} workers had fallen silent"
            case _:
                lapses = 0
        is_parked = isinstance(event, e.RunParked)


def _remaining_fits(steps: Iterable[Trace], remaining: Sequence[e.Remaining]) -> Iterator[str]:
    expected = {step.path: _why(step) for step in steps if _remains(step)}
    found = {item.step: item.why for item in remaining}
    if found != expected or len(found) != len(remaining):
        yield f"remaining is {found}, but what stands is {expected}"


def _remains(step: Trace) -> bool:
    may_stand = step.doing in UNDOABLE or (step.doubtful and step.doing in ("held", "backoff"))
    return step.is_partly_undone or (may_stand and step.undoing != "undone")


def _why(step: Trace) -> e.RemainingWhy:
    if step.is_partly_undone:
        return e.RemainingWhy.PARTLY_UNDONE
    if step.irreversible:
        return e.RemainingWhy.IRREVERSIBLE
    known = {"waived": e.RemainingWhy.WAIVED, "failed": e.RemainingWhy.UNDO_FAILED}
    return known.get(step.undoing, e.RemainingWhy.HELD_BACK)


def epochs_rise(history: History) -> Iterator[str]:
    """I13: each claim has the next epoch, and the first claim comes with the start."""
    epochs = [event.epoch for _, event in history.of(e.RunClaimed)]
    if epochs != list(range(1, len(epochs) + 1)):
        yield f"epochs are {epochs}"


def keys_are_stable(history: History) -> Iterator[str]:
    """I15: one key for all attempts of a step, another for its undo, and no key of two steps."""
    keys: list[str] = []
    for step in history.steps.values():
        for of, found in (("attempts", step.keys), ("undo", step.undo_keys)):
            if len(found) > 1:
                yield f"step {step.path}: its {of} carry {len(found)} keys"
            keys += found
    if len(set(keys)) != len(keys):
        yield "two steps, or a step and its undo, share a key"


def waits_are_kept(history: History) -> Iterator[str]:
    """I20: no attempt, and no undo, begins before the time that the failure before it has set; crashes included."""
    due: dict[str, datetime] = {}
    for event in history.events if history.of(*_SETS_A_TIME) else ():
        if isinstance(event, e.RunFailing):
            due.clear()  # What waited for another attempt is settled.
        elif isinstance(event, e.RunResumed):
            due = {path: at for path, at in due.items() if path not in event.retries}
        elif isinstance(event, _SETS_A_TIME):
            if event.retry_at is not None:
                due[event.step] = event.retry_at
        elif isinstance(event, _STARTS):
            due_at = due.pop(event.step, event.occurred_at)
            if event.occurred_at < due_at:
                yield f"step {event.step}: attempt {event.attempt} began before its time"


def claims_leave_nothing_under_way(history: History) -> Iterator[str]:
    """I13: what a worker had under way is called unknown by the next one before anything follows from it."""
    under_way: set[tuple[str, bool]] = set()
    foreign: set[tuple[str, bool]] = set()
    runs: set[str] = set()
    worker = ""
    if [place for place, _ in history.of(e.RunClaimed)] == [1]:
        return  # Nobody had it but whoever started it.
    for event in history.events:
        match event:
            case e.RunClaimed():
                foreign |= under_way if event.worker != worker else set()
                worker = event.worker
            case e.ActionStarted(child=str()):
                runs.add(event.step)
            case e.ActionStarted() | e.CompensationStarted() if event.step not in runs:
                under_way.add((event.step, isinstance(event, e.ActionStarted)))
            case e.ActionSucceeded() | e.ActionCompensated():
                what = (event.step, isinstance(event, e.ActionSucceeded))
                under_way.discard(what)
                if what in foreign:
                    yield f"step {event.step}: another worker reports that an attempt of the one before succeeded"
            case e.ActionFailed() | e.ActionUnknown() | e.CompensationFailed():
                what = (event.step, not isinstance(event, e.CompensationFailed))
                under_way.discard(what)
                foreign.discard(what)


INVARIANTS: tuple[Callable[[History], Iterator[str]], ...] = (
    nothing_twice,
    one_start_and_one_end,
    steps_follow_the_automaton,
    one_success_a_step,
    nothing_new_when_failing,
    undo_only_when_all_is_settled,
    what_is_undone,
    the_unwind_is_the_mirror,
    ends_say_what_is_so,
    parked_says_why_and_what,
    parked_runs_wait,
    commands_have_an_actor,
    silent_workers_are_counted,
    epochs_rise,
    keys_are_stable,
    waits_are_kept,
    claims_leave_nothing_under_way,
)
