"""The events of a run: everything that ever happens to it, and the only thing that is stored.

Each is a frozen model, one JSON document, one row. Values (inputs, outputs) stand in them as JSON *text*: opaque to
every tool that reads the log, so that no payload can make an event unreadable. The set of topics only grows, and so
do the fields of an event, always with a default, because what was written once is read for ever.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ..actions.values import JsonText

Path = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
"""A step's address in its run: `1`, `2`, `3.1.2`; from the structure of the saga's code, never from timing."""


class RunStatus(StrEnum):
    """How a run stands. `parked` is an alarm, not an end."""

    RUNNING = "running"
    UNWINDING = "unwinding"
    PARKED = "parked"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    PARTIALLY_COMPENSATED = "partially_compensated"
    ABANDONED = "abandoned"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the run, unless a person has a completed one undone."""
        return self in _ENDS


_ENDS = frozenset({RunStatus.COMPLETED, RunStatus.COMPENSATED, RunStatus.PARTIALLY_COMPENSATED, RunStatus.ABANDONED})


class UnknownWhy(StrEnum):
    """Why nobody can say whether an attempt's effect landed."""

    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    """The handler raised `OutcomeUnknown`."""
    UNSTORABLE = "unstorable"
    """The handler returned something that cannot be recorded."""


class FailingReason(StrEnum):
    """Why a run does nothing new any more and is undone."""

    ACTION_FAILED = "action_failed"
    SAGA_RAISED = "saga_raised"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    UNDONE = "undone"
    """A person asked for a completed run to be undone."""


class ParkReason(StrEnum):
    """Why a run needs a person."""

    UNDO_FAILED = "undo_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DIVERGED = "diverged"
    """The saga function asks for other steps than the recorded ones."""
    WORKERS_DIED = "workers_died"
    """One worker after the other fell silent over it."""
    FORWARD_FAILED = "forward_failed"
    """A step failed for good, or the saga raised, after the point of no return."""


class RemainingWhy(StrEnum):
    """Why a step's effect stands although its run was undone."""

    IRREVERSIBLE = "irreversible"
    WAIVED = "waived"
    UNDO_FAILED = "undo_failed"
    HELD_BACK = "held_back"
    """Its undo must wait for one that failed, or for a person."""
    ABANDONED = "abandoned"
    """Its run was abandoned with it."""
    PARTLY_UNDONE = "partly_undone"
    """It is a run of its own, which was undone, but not all of it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorInfo(_Frozen):
    """What an attempt raised: the class's name, and its text, redacted and cut."""

    type: str
    message: str

    @property
    def said(self) -> str:
        """The error as people read it: without the module that its class is from."""
        return f"{self.type.rpartition('.')[2]}: {self.message}"


class Remaining(_Frozen):
    """A step whose effect stands although its run was undone."""

    step: Path
    action: str
    why: RemainingWhy


class Limit(_Frozen):
    """So many runs at once may have something of this name."""

    name: str
    size: int


class Event(_Frozen):
    """What all events have."""

    TOPIC: ClassVar[str]
    occurred_at: AwareDatetime


class RunStarted(Event):
    """A run exists. First in its stream."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunStarted"
    saga: str
    saga_version: int
    input: JsonText
    tags: dict[str, str] = Field(default_factory=dict)
    deadline: AwareDatetime | None = None
    parent: str | None = None
    """The run of which this one is a step."""
    trace: str | None = None
    """The trace context that the run belongs to, whichever worker hosts it: a W3C `traceparent`."""
    limits: tuple[Limit, ...] | None = None
    """What it is to have before its saga is called, in the order in which it asks for it."""
    locks: tuple[str, ...] | None = None
    """Keys of the locks that the run has of which this one is a step; they hold for this one, too."""


class RunClaimed(Event):
    """A worker owns the run from here on; the epoch counts its owners."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunClaimed"
    worker: str
    epoch: int
    lapsed: bool = False
    """The owner before had fallen silent: it died, or the run killed it."""
    start: int | None = None
    """Which of its worker's starts it comes with: no two of them are the same bytes, not even of one instant."""


class ActionStarted(Event):
    """An attempt may be entered. The input stands in the first attempt only."""

    TOPIC: ClassVar[str] = "amends.saga.events:ActionStarted"
    step: Path
    action: str
    attempt: int
    input: JsonText | None = None
    idempotency_key: str
    irreversible: bool = False
    child: str | None = None
    """The run that the step is, where it is a saga's."""


class ActionSucceeded(Event):
    """An attempt returned."""

    TOPIC: ClassVar[str] = "amends.saga.events:ActionSucceeded"
    step: Path
    attempt: int
    output: JsonText


class ActionFailed(Event):
    """An attempt raised. Without `retry_at` the step failed for good.

    `parks` says that a person is to decide, because the run is past its point of no return.
    """

    TOPIC: ClassVar[str] = "amends.saga.events:ActionFailed"
    step: Path
    attempt: int
    error: ErrorInfo
    retry_at: AwareDatetime | None = None
    parks: bool = False
    remaining: tuple[Remaining, ...] = ()
    """What stands of the run that the step is, although it was undone."""


class ActionUnknown(Event):
    """Nobody can say whether an attempt's effect landed. Without `retry_at` nobody tries to find out.

    `parks` says that a person is to decide.
    """

    TOPIC: ClassVar[str] = "amends.saga.events:ActionUnknown"
    step: Path
    attempt: int
    why: UnknownWhy
    error: ErrorInfo
    retry_at: AwareDatetime | None = None
    parks: bool = False


class RunFailing(Event):
    """From here nothing new is done: attempts under way end, then the run unwinds."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunFailing"
    reason: FailingReason
    error: ErrorInfo
    action: str | None = None
    step: Path | None = None
    by: str | None = None


class CompensationStarted(Event):
    """An attempt of an undo may be entered."""

    TOPIC: ClassVar[str] = "amends.saga.events:CompensationStarted"
    step: Path
    attempt: int
    idempotency_key: str


class ActionCompensated(Event):
    """An undo returned: the step's effect is gone."""

    TOPIC: ClassVar[str] = "amends.saga.events:ActionCompensated"
    step: Path
    attempt: int
    remaining: tuple[Remaining, ...] = ()
    """What stands of the run that the step is, although it was undone."""


class CompensationFailed(Event):
    """An attempt of an undo raised, timed out or was interrupted. Without `retry_at` the undo failed for good."""

    TOPIC: ClassVar[str] = "amends.saga.events:CompensationFailed"
    step: Path
    attempt: int
    error: ErrorInfo
    retry_at: AwareDatetime | None = None


class CompensationWaived(Event):
    """A person says that a step needs no more undoing."""

    TOPIC: ClassVar[str] = "amends.saga.events:CompensationWaived"
    step: Path
    by: str
    reason: str


class TimerSet(Event):
    """The run waits at this place in its saga until `due_at`."""

    TOPIC: ClassVar[str] = "amends.saga.events:TimerSet"
    step: Path
    due_at: AwareDatetime


class SignalAwaited(Event):
    """The run waits at this place in its saga for a signal, until `due_at` if there is one."""

    TOPIC: ClassVar[str] = "amends.saga.events:SignalAwaited"
    step: Path
    signal: str
    due_at: AwareDatetime | None = None


class TimerFired(Event):
    """A wait is over because its time was up."""

    TOPIC: ClassVar[str] = "amends.saga.events:TimerFired"
    step: Path


class SignalReceived(Event):
    """Somebody told the run something: the oldest wait for this name has it, or the next one that begins.

    A signal of a key that the run has received before is not recorded again.
    """

    TOPIC: ClassVar[str] = "amends.saga.events:SignalReceived"
    signal: str
    payload: JsonText
    by: str
    key: str


class LockAwaited(Event):
    """The saga asks for a lock at this place, and waits until it has it."""

    TOPIC: ClassVar[str] = "amends.saga.events:LockAwaited"
    step: Path
    key: str


class SlotTaken(Event):
    """The run has what it waited for: a lock, or a limit of its saga.

    It keeps a lock until it ends, and a limit until it ends or is parked.
    """

    TOPIC: ClassVar[str] = "amends.saga.events:SlotTaken"
    name: str
    step: Path
    """Where the saga asked for the lock; `0.1`, `0.2` and so on for the limits, which come before all steps."""


class RunCommitted(Event):
    """The saga passed its point of no return: from here the run only goes forward."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunCommitted"
    step: Path


class RunParked(Event):
    """The run waits for a person."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunParked"
    reason: ParkReason
    detail: str
    remaining: tuple[Remaining, ...] = ()


class RunResumed(Event):
    """A person lets a parked run go on, and says which steps are to be tried again."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunResumed"
    by: str
    reason: str
    retries: tuple[Path, ...] = ()


class RunCompleted(Event):
    """The saga returned. `unresolved` are steps that stayed unknown although it went on."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunCompleted"
    output: JsonText
    unresolved: tuple[Path, ...] = ()


class RunCompensated(Event):
    """The run was undone, but for what `remaining` says."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunCompensated"
    remaining: tuple[Remaining, ...] = ()


class RunAbandoned(Event):
    """A person ended the run where it stood, and nothing more is done or undone. `remaining` is all that stands."""

    TOPIC: ClassVar[str] = "amends.saga.events:RunAbandoned"
    by: str
    reason: str
    remaining: tuple[Remaining, ...] = ()


EVENT_TYPES: tuple[type[Event], ...] = (
    RunStarted,
    RunClaimed,
    ActionStarted,
    ActionSucceeded,
    ActionFailed,
    ActionUnknown,
    RunFailing,
    CompensationStarted,
    ActionCompensated,
    CompensationFailed,
    CompensationWaived,
    RunParked,
    RunResumed,
    RunCompleted,
    RunCompensated,
    TimerSet,
    SignalAwaited,
    TimerFired,
    SignalReceived,
    RunCommitted,
    RunAbandoned,
    LockAwaited,
    SlotTaken,
)
"""Every event of a run. A row with the topic of none of them is refused, but for those in `access.py`."""
