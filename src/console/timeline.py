"""What happened in a run, as a picture needs it: rows of attempts on one scale of seconds.

A pure function of the recorded events. It draws nothing; `timeline_text` and `timeline_svg` do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ..saga import events as e
from ..saga.events import ErrorInfo, Event, Remaining, RunStatus
from ..saga.state import RunState, evolve
from .timeline_waits import Wait, WaitBook


class End(StrEnum):
    """How an attempt ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    COMPENSATED = "compensated"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One entry into a handler. Times are seconds since the run started.

    Attributes:
        number: from 1; an undo counts its own.
        start: when it was entered.
        stop: when it ended; for one that is still running, when the last event of the run occurred.
        end: how it ended.
        error: what it raised, `""` if nothing.
        retried: another attempt was to follow.
    """

    number: int
    start: float
    stop: float
    end: End
    error: str = ""
    retried: bool = False

    @property
    def took(self) -> float:
        """Seconds."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Row:
    """One step: the attempts to do it, and those to undo it.

    Attributes:
        standing: why its effect stands although the run was undone, or None.
        waived: who said that it needs no more undoing, and why; `""` if nobody did.
        child: the run that the step is, where it is a saga's.
    """

    step: str
    action: str
    irreversible: bool
    attempts: tuple[Attempt, ...]
    undo: tuple[Attempt, ...] = ()
    standing: e.RemainingWhy | None = None
    waived: str = ""
    child: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the whole run: it fails, is parked, resumed, told something, taken over.

    Attributes:
        at: seconds since the run started.
        kind: what happened, in a word that stays.
        text: who, why, where.
        is_retry: it was resumed by trying again what had failed.
    """

    at: float
    kind: str
    text: str
    is_retry: bool = False

    @property
    def word(self) -> str:
        """What happened, in the word for the command that people know: to resume is another one than to retry."""
        return "retried" if self.is_retry else self.kind


@dataclass(frozen=True, slots=True)
class Pivot:
    """The run passed its point of no return, so many seconds after its start."""

    step: str
    at: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """One run.

    Attributes:
        took: seconds from the first event to the last.
        failing_at: when the run began to fail, in seconds since its start; None if it never did.
        waits: where its saga waited, in the order in which the waits began.
        pivots: where it passed a point of no return.
        deadline: by when it was to have ended, or None.
        parent: the run of which it is a step, or None.
    """

    run_id: str
    saga: str
    version: int
    status: RunStatus
    started_at: datetime | None
    took: float
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    remaining: tuple[Remaining, ...]
    failing_at: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    waits: tuple[Wait, ...] = ()
    pivots: tuple[Pivot, ...] = ()
    deadline: datetime | None = None
    parent: str | None = None

    @property
    def lines(self) -> "tuple[Row | Wait | Pivot, ...]":
        """What is drawn: steps, waits and points of no return, in the order in which they began."""
        return tuple(sorted((*self.rows, *self.waits, *self.pivots), key=_place))


def began(line: Row | Wait | Pivot) -> float:
    """When a line begins, in seconds since the run started."""
    match line:
        case Row():
            return line.attempts[0].start
        case Wait():
            return line.start
    return line.at


def _place(line: Row | Wait | Pivot) -> tuple[float, list[int]]:
    """Where a line stands; those that begin at once stand as they are numbered."""
    return began(line), [int(number) for number in line.step.split(".")]


def timeline(run_id: str, events: Sequence[Event]) -> Timeline:
    """Return what `events`, from the run's first one on, say about the run."""
    state = RunState(run_id)
    book = _Book(events, state)
    for event in events:
        book.enter(event)
    standing = {remaining.step: remaining.why for remaining in state.remaining}
    return Timeline(
        run_id=run_id,
        saga=state.saga,
        version=state.saga_version,
        status=state.status,
        started_at=state.started_at,
        took=book.end,
        rows=tuple(draft.row(standing.get(path), book.end) for path, draft in book.drafts.items()),
        notes=tuple(book.notes),
        remaining=state.remaining,
        failing_at=book.failing_at,
        tags=state.tags,
        waits=book.waits.all(book.end),
        pivots=tuple(book.pivots),
        deadline=state.deadline,
        parent=state.parent,
    )


@dataclass(slots=True)
class _Attempts:
    """Attempts as they come in: a start, then an end."""

    closed: list[Attempt] = field(default_factory=list)
    opened: tuple[int, float] | None = None

    def start(self, number: int, at: float) -> None:
        self.opened = (number, at)

    def stop(self, at: float, end: End, error: ErrorInfo | None = None, *, retried: bool = False) -> None:
        if self.opened is not None:
            number, start = self.opened
            self.closed.append(Attempt(number, start, max(start, at), end, _said(error), retried))
            self.opened = None

    def all(self, now: float) -> tuple[Attempt, ...]:
        if self.opened is None:
            return tuple(self.closed)
        number, start = self.opened
        return (*self.closed, Attempt(number, start, max(start, now), End.RUNNING))


@dataclass(slots=True)
class _Draft:
    """A row that is being written."""

    step: str
    action: str
    irreversible: bool
    child: str | None
    doing: _Attempts = field(default_factory=_Attempts)
    undoing: _Attempts = field(default_factory=_Attempts)
    waived: str = ""

    def row(self, standing: e.RemainingWhy | None, now: float) -> Row:
        return Row(
            self.step,
            self.action,
            self.irreversible,
            self.doing.all(now),
            self.undoing.all(now),
            standing,
            self.waived,
            self.child,
        )


class _Book:
    """Enters events one by one, and folds them into `state`."""

    def __init__(self, events: Sequence[Event], state: RunState) -> None:
        self._zero = events[0].occurred_at if events else None
        self.end = max((self._at(event) for event in events), default=0.0)
        self.drafts: dict[str, _Draft] = {}
        self.notes: list[Note] = []
        self.waits = WaitBook()
        self.pivots: list[Pivot] = []
        self.failing_at: float | None = None
        self._state = state
        self._last: Event | None = None

    def _at(self, event: Event) -> float:
        """Seconds since the start; never negative, because the clocks of two workers may differ."""
        return max(0.0, (event.occurred_at - self._zero).total_seconds()) if self._zero else 0.0

    def enter(self, event: Event) -> None:
        at = self._at(event)
        goes_on = isinstance(event, e.RunClaimed) and self._goes_on(event)
        completed = self._state.status is RunStatus.COMPLETED
        evolve(self._state, event)
        self.waits.enter(event, at, self._state)
        self._last = event
        match event:
            case e.RunClaimed() if goes_on:
                self.notes.append(Note(at, "goes on", f"with worker {event.worker}"))
            case e.RunFailing() if completed:
                self.notes.append(Note(at, "undone", f"on request, after it had completed: {_why_undone(event)}"))
                self.failing_at = at
            case e.ActionStarted():
                fresh = _Draft(event.step, event.action, event.irreversible, event.child)
                draft = self.drafts.setdefault(event.step, fresh)
                draft.doing.start(event.attempt, at)
            case e.ActionSucceeded():
                self.drafts[event.step].doing.stop(at, End.SUCCEEDED)
            case e.ActionFailed():
                self.drafts[event.step].doing.stop(at, End.FAILED, event.error, retried=event.retry_at is not None)
            case e.ActionUnknown():
                self.drafts[event.step].doing.stop(at, End.UNKNOWN, event.error, retried=event.retry_at is not None)
            case _:
                self._enter_undo(event, at)

    def _enter_undo(self, event: Event, at: float) -> None:
        match event:
            case e.CompensationStarted():
                self.drafts[event.step].undoing.start(event.attempt, at)
            case e.ActionCompensated():
                self.drafts[event.step].undoing.stop(at, End.COMPENSATED)
            case e.CompensationFailed():
                self.drafts[event.step].undoing.stop(at, End.FAILED, event.error, retried=event.retry_at is not None)
            case e.CompensationWaived():
                self.drafts[event.step].waived = f"{event.by}: {event.reason}"
                self.notes.append(Note(at, "waived", f"step {event.step} by {event.by}: {event.reason}"))
            case _:
                self._note(event, at)

    def _note(self, event: Event, at: float) -> None:
        match event:
            case e.RunFailing():
                self.notes.append(Note(at, "failing", _why_failing(event)))
                self.failing_at = at
            case e.RunAbandoned():
                self.notes.append(Note(at, "abandoned", f"by {event.by}: {event.reason}"))
            case e.RunCompleted():
                self.notes += [Note(at, "unresolved", self._unresolved(path)) for path in event.unresolved]
            case e.SignalReceived():
                self.notes.append(Note(at, "signal", f"{event.signal} by {event.by}"))
            case e.RunCommitted():
                self.pivots.append(Pivot(event.step, at))
            case e.RunParked():
                self.notes.append(Note(at, "parked", f"{event.reason.replace('_', ' ')}: {event.detail}"))
            case e.RunResumed():
                self.notes.append(Note(at, "resumed", f"by {event.by}: {event.reason}", bool(event.retries)))
            case e.RunClaimed() if event.epoch > 1:
                silent = ", because its owner had fallen silent" if event.lapsed else ""
                self.notes.append(Note(at, "taken over", f"by worker {event.worker} (epoch {event.epoch}){silent}"))

    def _unresolved(self, path: str) -> str:
        return f"step {path} ({self._state.steps[path].action}): nobody knows whether it was done"

    def _goes_on(self, claim: e.RunClaimed) -> bool:
        """Tell whether nobody had the run, because it only waited or rested: then nothing was taken from anybody."""
        state = self._state
        if claim.lapsed or claim.epoch == 1 or state.active or state.undoing:
            return False
        return bool(state.waits.open or state.slots.next) or isinstance(self._last, _SAID)


_SAID = (e.SignalReceived, e.RunFailing, e.RunResumed)
"""What wakes a run that nobody has."""


def _why_undone(event: e.RunFailing) -> str:
    return f"{event.by}: {event.error.message}"


def _why_failing(event: e.RunFailing) -> str:
    where = f" in step {event.step} ({event.action})" if event.step else ""
    by = f" by {event.by}" if event.by else ""
    return f"{event.reason.replace('_', ' ')}{where}{by}: {_said(event.error)}"


def _said(error: ErrorInfo | None) -> str:
    return "" if error is None else error.said.rstrip(": ")
