"""What can happen to a run: the inputs of `decide`. Values only; who makes them has looked at clocks and handlers."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, dataclass_transform

from ..actions.values import JsonText
from .events import ErrorInfo, FailingReason, Remaining, UnknownWhy

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(kind: type[T]) -> type[T]:
    """Make a class a frozen dataclass, for the type checker. At run time freezing would make one five times as dear."""
    return dataclass(slots=True, unsafe_hash=True)(kind)


@value
class StepAsked:
    """The saga asks for a step that it has not asked for before."""

    path: str
    action: str
    input: JsonText
    irreversible: bool
    child: str | None = None


@value
class RetryDue:
    """The wait before a step's next attempt is over."""

    path: str


@value
class AttemptSucceeded:
    """A handler returned."""

    path: str
    attempt: int
    output: JsonText


@value
class AttemptFailed:
    """A handler raised; `retry_at` is what the action's policy says."""

    path: str
    attempt: int
    error: ErrorInfo
    retry_at: datetime | None
    remaining: tuple[Remaining, ...] = ()


@value
class AttemptUnknown:
    """Nobody knows how an attempt ended; `retry_at` and `parks` are what the action's `on_unknown` says."""

    path: str
    attempt: int
    why: UnknownWhy
    error: ErrorInfo
    retry_at: datetime | None
    parks: bool = False


@value
class SagaReturned:
    """The saga function returned."""

    output: JsonText


@value
class SagaFailed:
    """The saga function raised, or somebody calls the run off."""

    reason: FailingReason
    error: ErrorInfo
    action: str | None = None
    step: str | None = None
    by: str | None = None


@value
class Diverged:
    """The saga function asks for another step than the recorded one."""

    detail: str


@value
class UndoSucceeded:
    """An undo returned."""

    path: str
    attempt: int
    remaining: tuple[Remaining, ...] = ()


@value
class UndoFailed:
    """An undo raised or timed out; `retry_at` is what its policy says."""

    path: str
    attempt: int
    error: ErrorInfo
    retry_at: datetime | None


@value
class UndoDue:
    """The wait before an undo's next attempt is over."""

    path: str


@value
class Claim:
    """A worker takes the run; `lapsed` says that its owner has fallen silent."""

    worker: str
    lapsed: bool


@value
class Retry:
    """A person asks for what a parked run could not do to be tried again."""

    by: str
    reason: str


@value
class Waive:
    """A person says that a step whose undo failed needs no more undoing."""

    path: str
    by: str
    reason: str


@value
class Resume:
    """A person lets a parked run go on, because its code or its surroundings were mended."""

    by: str
    reason: str


@value
class Undo:
    """A person asks for a completed run to be undone."""

    by: str
    reason: str


@value
class Abandon:
    """A person ends the run where it stands."""

    by: str
    reason: str


@value
class WaitAsked:
    """The saga waits for a time or, if there is a name, for a signal, and for so many seconds at most."""

    path: str
    signal: str | None
    seconds: float | None


@value
class TimerDue:
    """The time of a wait is up."""

    path: str


@value
class Signal:
    """Somebody tells the run something."""

    name: str
    payload: JsonText
    by: str
    key: str


@value
class LockAsked:
    """The saga asks for a lock."""

    path: str
    key: str


@value
class SlotsHeld:
    """The log says which slots the run has."""

    names: frozenset[str]


@value
class CommitAsked:
    """The saga passes its point of no return."""

    path: str


@value
class Proceed:
    """Nothing new: what follows from where the run stands?"""


PROCEED = Proceed()

RESULTS = (AttemptSucceeded, AttemptFailed, AttemptUnknown, UndoSucceeded, UndoFailed)
"""What came of an attempt."""

Moment = (
    StepAsked
    | RetryDue
    | AttemptSucceeded
    | AttemptFailed
    | AttemptUnknown
    | SagaReturned
    | SagaFailed
    | Diverged
    | UndoSucceeded
    | UndoFailed
    | UndoDue
    | Claim
    | Retry
    | Waive
    | Resume
    | Undo
    | Abandon
    | WaitAsked
    | TimerDue
    | Signal
    | LockAsked
    | SlotsHeld
    | CommitAsked
    | Proceed
)
