"""amends: event-sourced sagas with compensations.

Write *actions* (named, typed units of work, each with a way to undo it) and *sagas* (async functions that call
actions through their run). A `Coordinator` runs them: every step is an event, and when a step fails for good, what
was done is undone.
"""

from .actions.action import Action, OnUnknown, action
from .actions.call import Call, Outcome
from .actions.rate import Rate
from .errors import (
    ActionError,
    AmendsError,
    AppendConflict,
    CommandRefused,
    CoordinatorClosed,
    DefinitionError,
    InvalidName,
    InvalidValue,
    InvariantBroken,
    LockRefused,
    LogCorrupt,
    LogError,
    LogUnavailable,
    OutcomeUnknown,
    ProjectionAhead,
    ProjectionError,
    ProjectionOutdated,
    RebuildUnderWay,
    RequestError,
    RunConflict,
    RunFailed,
    SchemaMismatch,
    SignalConflict,
    SignalTimedOut,
    SimulatedFailure,
    SimulationStuck,
    UnknownName,
    UnknownTask,
    ValueTooLarge,
)
from .saga.coordinator import Coordinator
from .saga.definition import Saga, saga
from .saga.events import RunStatus
from .saga.handle import RunHandle
from .saga.run import Run

__all__ = [
    "Action",
    "ActionError",
    "AmendsError",
    "AppendConflict",
    "Call",
    "CommandRefused",
    "Coordinator",
    "CoordinatorClosed",
    "DefinitionError",
    "InvalidName",
    "InvalidValue",
    "InvariantBroken",
    "LockRefused",
    "LogCorrupt",
    "LogError",
    "LogUnavailable",
    "OnUnknown",
    "Outcome",
    "OutcomeUnknown",
    "ProjectionAhead",
    "ProjectionError",
    "ProjectionOutdated",
    "Rate",
    "RebuildUnderWay",
    "RequestError",
    "Run",
    "RunConflict",
    "RunFailed",
    "RunHandle",
    "RunStatus",
    "Saga",
    "SchemaMismatch",
    "SignalConflict",
    "SignalTimedOut",
    "SimulatedFailure",
    "SimulationStuck",
    "UnknownName",
    "UnknownTask",
    "ValueTooLarge",
    "action",
    "saga",
]
