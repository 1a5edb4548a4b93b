"""What can happen to a run: the inputs of `decide`. Values only; who makes them has looked at clocks and handlers."""

from dataclasses import dataclass
from datetime import datetime

from ..actions.values import JsonText
from .events import ErrorInfo, FailingReason, UnknownWhy


@dataclass(frozen=True, slots=True)
class StepAsked:
    """The saga asks for a step that it has not asked for before."""

    path: str
    action: str
    input: JsonText
    irreversible: bool


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The wait before a step's next attempt is over."""

    path: str


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """A handler returned."""

    path: str
    attempt: int
    output: JsonText


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """A handler raised; `retry_at` is what the action's policy says."""

    path: str
    attempt: int
    error: ErrorInfo
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptUnknown:
    """Nobody knows how an attempt ended; `retry_at` and `parks` are what the action's `on_unknown` says."""

    path: str
    attempt: int
    why: UnknownWhy
    error: ErrorInfo
    retry_at: datetime | None
    parks: bool = False


@dataclass(frozen=True, slots=True)
class SagaReturned:
    """The saga function returned."""

    output: JsonText


@dataclass(frozen=True, slots=True)
class SagaFailed:
    """The saga function raised, or somebody calls the run off."""

    reason: FailingReason
    error: ErrorInfo
    action: str | None = None
    step: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Diverged:
    """The saga function asks for another step than the recorded one."""

    detail: str


@dataclass(frozen=True, slots=True)
class UndoSucceeded:
    """An undo returned."""

    path: str
    attempt: int


@dataclass(frozen=True, slots=True)
class UndoFailed:
    """An undo raised or timed out; `retry_at` is what its policy says."""

    path: str
    attempt: int
    error: ErrorInfo
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class UndoDue:
    """The wait before an undo's next attempt is over."""

    path: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker takes the run; `lapsed` says that its owner has fallen silent."""

    worker: str
    lapsed: bool


@dataclass(frozen=True, slots=True)
class Retry:
    """A person asks for what a parked run could not do to be tried again."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waive:
    """A person says that a step whose undo failed needs no more undoing."""

    path: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proceed:
    """Nothing new: what follows from where the run stands?"""


PROCEED = Proceed()

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
    | Proceed
)
