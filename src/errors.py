"""Every error that a user of amends can meet, in one tree.

The branches say what the caller does next:

```
AmendsError
├── DefinitionError             mend the code: an action, a saga or a coordinator is put together wrongly
├── RequestError                mend the call: nothing was recorded
│   ├── InvalidValue            a value does not fit its type, or would not survive being stored
│   │   └── ValueTooLarge       an event would exceed `payload_limit_bytes`
│   ├── InvalidName             a run id, a tag or a URL is not of the allowed form
│   ├── UnknownName             no action, saga, run or signal of that name
│   ├── RunConflict             the run id is taken by another saga or another input
│   ├── SignalConflict          the run has received another signal of this key
│   ├── CommandRefused          as the run stands it cannot take this command
│   └── UnknownTask             a step was asked for from a task that the run does not know
├── ActionError                 inside a saga: a step failed for good; catch it to go another way, or let it pass
├── LockRefused                 inside a saga: a lock was asked for out of order, or beside something else
├── SignalTimedOut              inside a saga: no signal came in time; catch it to go another way, or let it pass
├── OutcomeUnknown              raised by a handler: nobody can say whether the effect landed
├── RunFailed                   the run ended without a result, or is parked for a person
├── LogError                    the event log
│   ├── LogUnavailable          wait: the database does not answer; what was asked may be asked again
│   ├── AppendConflict          somebody else wrote to the run; read it again
│   ├── LogCorrupt              call a person: an event that cannot be read, or is of no known topic
│   └── SchemaMismatch          migrate: the tables are not the ones that this version of the code knows
├── ProjectionError             a projection, a read model that is made of the log
│   ├── ProjectionOutdated      rebuild: its tables are missing, or were made by another version of it
│   ├── ProjectionAhead         rebuild: it has events that the log does not have; the log was restored
│   └── RebuildUnderWay         wait: another process is rebuilding it
├── CoordinatorClosed           the coordinator is not open, or is closing
├── SimulationStuck             in a simulation, everything waits for something that nothing in it will bring
├── SimulatedFailure            in a simulation, what a handler raises where the plan says that it raises
└── InvariantBroken             a test has found that something is left half done; read its story
```

Messages are made from the facts, which are attributes too, so a caller never has to read a message by machine.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actions.call import Outcome
    from .saga.events import ErrorInfo, Remaining, RunStatus

__all__ = [
    "ActionError",
    "AmendsError",
    "AppendConflict",
    "CommandRefused",
    "CoordinatorClosed",
    "DefinitionError",
    "InvalidName",
    "InvalidValue",
    "InvariantBroken",
    "LockRefused",
    "LogCorrupt",
    "LogError",
    "LogUnavailable",
    "OutcomeUnknown",
    "ProjectionAhead",
    "ProjectionError",
    "ProjectionOutdated",
    "RebuildUnderWay",
    "RequestError",
    "RunConflict",
    "RunFailed",
    "SchemaMismatch",
    "SignalConflict",
    "SignalTimedOut",
    "SimulatedFailure",
    "SimulationStuck",
    "UnknownName",
    "UnknownTask",
    "ValueTooLarge",
]


class AmendsError(Exception):
    """The root of all errors that amends raises."""


class DefinitionError(AmendsError, TypeError):
    """An action, a saga or a coordinator is put together wrongly; mend the code."""


class RequestError(AmendsError):
    """A call was refused before anything was recorded; mend the call."""


class InvalidValue(RequestError, ValueError):
    """A value does not fit its type, or would not survive being stored.

    Attributes:
        field: where in the value, as a dotted path (`"input.address.zip"`).
        problem: what is wrong there, and how to mend it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class ValueTooLarge(InvalidValue):
    """An event would exceed the coordinator's `payload_limit_bytes`.

    Attributes:
        size_bytes: what it would take.
        limit_bytes: what is allowed.
    """

    def __init__(self, field: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            field,
            f"takes {size_bytes:,} bytes, more than the {limit_bytes:,} allowed; store it elsewhere and pass a "
            "reference, or raise payload_limit_bytes",
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class InvalidName(RequestError, ValueError):
    """A run id, a tag or a URL is not of the allowed form."""


class UnknownName(RequestError, LookupError):
    """There is no action, saga, run or signal of that name.

    Attributes:
        kind: `"action"`, `"saga"`, `"run"`, `"step"`, `"signal"`, `"projection"` or `"hooks"`.
        name: what was asked for.
    """

    def __init__(self, kind: str, name: str, known: Sequence[str] = ()) -> None:
        given = f"; give it to Coordinator({kind}s=[...])" if kind in ("action", "saga") else ""
        hint = f"; known: {', '.join(sorted(known))}" if known else ""
        super().__init__(f"no {kind} {name!r}{given}{hint}")
        self.kind = kind
        self.name = name


class RunConflict(RequestError):
    """The run id is taken by another saga or another input; the run that has it is unharmed.

    Attributes:
        run_id: the id that was asked for.
    """

    def __init__(self, run_id: str, difference: str) -> None:
        super().__init__(
            f"run {run_id!r} exists with another {difference}; use another run_id, or the same {difference}"
        )
        self.run_id = run_id
        self.difference = difference


class SignalConflict(RequestError):
    """The run has received another signal of this key, with another name or another payload.

    Attributes:
        run_id: the run.
        key: the key.
    """

    def __init__(self, run_id: str, key: str) -> None:
        super().__init__(
            f"run {run_id!r} has received another signal of the key {key!r}; use a key of its own for each"
        )
        self.run_id = run_id
        self.key = key


class CommandRefused(RequestError):
    """As the run stands it cannot take this command, and never will.

    Attributes:
        run_id: the run.
        status: how it stands.
        why: one sentence.
    """

    def __init__(self, run_id: str, status: "RunStatus", why: str) -> None:
        super().__init__(f"run {run_id!r} is {status}: {why}")
        self.run_id = run_id
        self.status = status
        self.why = why


class UnknownTask(RequestError, RuntimeError):
    """A step was asked for from a task that the run does not know, so its path would depend on timing."""

    def __init__(self, call: str) -> None:
        super().__init__(
            f"{call} was called from a task that the run does not know; pass the branch to "
            "run.all(branch(run), ...) instead of creating a task for it"
        )
        self.call = call


class ActionError(AmendsError):
    """A step failed for good. Inside a saga: catch it to go another way, or let it pass and the run unwinds.

    Attributes:
        action: the action's name.
        step: the step's path.
        attempts: how many times the handler was tried.
        outcome: `failed`, or `unknown` when nobody can say whether the effect landed.
        error: the recorded error of the last attempt.
    """

    def __init__(self, *, action: str, step: str, attempts: int, outcome: "Outcome", error: "ErrorInfo") -> None:
        kind = error.type.rpartition(".")[2]
        super().__init__(f"{action} (step {step}) {outcome} after {attempts} attempt(s): {kind}: {error.message}")
        self.action = action
        self.step = step
        self.attempts = attempts
        self.outcome = outcome
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return (Exception.__new__, (type(self), *self.args), self.__dict__)


class SignalTimedOut(AmendsError, TimeoutError):
    """No signal came in time. Inside a saga: catch it to go another way, or let it pass and the run unwinds.

    Attributes:
        signal: its name.
        step: the path of the wait.
    """

    def __init__(self, signal: str, step: str) -> None:
        super().__init__(f"no signal {signal!r} came in time (step {step})")
        self.signal = signal
        self.step = step


class LockRefused(AmendsError):
    """A saga asked for a lock out of order, or beside something else: so that no two runs wait for each other."""


class OutcomeUnknown(AmendsError):
    """Raise this from a handler when nobody can say whether the effect landed (a lost reply, a read time-out).

    The attempt is recorded as *unknown* instead of *failed*: it is retried with the same idempotency key, and if it
    stays unknown, its undo is entered with `None` for the output.
    """


class RunFailed(AmendsError):
    """The run ended without a result, or is parked for a person.

    Attributes:
        run_id: the run.
        status: how it stands (`compensated`, `partially_compensated` or `parked`).
        action: the action whose failure was the reason, or None.
        reason: one sentence.
        remaining: the steps whose effects still stand.
    """

    def __init__(
        self, *, run_id: str, status: "RunStatus", action: str | None, reason: str, remaining: "Sequence[Remaining]"
    ) -> None:
        standing = (
            f"; still standing: {', '.join(f'{r.action} (step {r.step})' for r in remaining)}" if remaining else ""
        )
        super().__init__(f"run {run_id!r} is {status}: {reason}{standing}")
        self.run_id = run_id
        self.status = status
        self.action = action
        self.reason = reason
        self.remaining = tuple(remaining)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Exception.__new__, (type(self), *self.args), self.__dict__)


class LogError(AmendsError):
    """Something about the event log."""


class LogUnavailable(LogError, ConnectionError):
    """The database does not answer. What was asked may or may not have happened; ask again."""


class AppendConflict(LogError):
    """Somebody else wrote to the run; read it again.

    Attributes:
        run_id: the run.
        expected_version: the version that the append was to follow.
    """

    def __init__(self, run_id: str, expected_version: int) -> None:
        super().__init__(f"run {run_id!r} is no longer at version {expected_version}: somebody else wrote to it")
        self.run_id = run_id
        self.expected_version = expected_version


class LogCorrupt(LogError):
    """An event cannot be read, or is of no known topic. Nothing was imported and nothing was changed."""


class SchemaMismatch(LogError):
    """The tables are not the ones that this version of the code knows."""


class ProjectionError(AmendsError):
    """Something about a projection. The log and its runs are unharmed.

    Attributes:
        projection: its name.
    """

    def __init__(self, projection: str, problem: str) -> None:
        super().__init__(f"projection {projection!r}: {problem}")
        self.projection = projection
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        return (Exception.__new__, (type(self), *self.args), self.__dict__)


class ProjectionOutdated(ProjectionError):
    """Its tables are missing, or were made by another version of it; rebuild it."""

    def __init__(self, projection: str, problem: str) -> None:
        super().__init__(projection, f"{problem}; rebuild it (amends.projections.rebuild)")


class ProjectionAhead(ProjectionError):
    """It has applied events that the log does not have: the log was restored to an earlier state. Rebuild it.

    Hooks cannot be rebuilt: say from where they go on (`Projections.go_on_from`).

    Attributes:
        position: how far the projection has got.
        head: the last position of the log.
    """

    def __init__(self, projection: str, position: int, head: int, *, is_hook: bool = False) -> None:
        remedy = (
            "say where it goes on (Projections.go_on_from)" if is_hook else "rebuild it (amends.projections.rebuild)"
        )
        super().__init__(
            projection,
            f"it has applied another event at position {position} than the log has there (the log ends at {head}): the "
            f"log was restored to an earlier state; {remedy}",
        )
        self.position = position
        self.head = head


class RebuildUnderWay(ProjectionError):
    """Another process is rebuilding it; wait for that one, or end it."""

    def __init__(self, projection: str) -> None:
        super().__init__(projection, "another process is rebuilding it; wait until that one has ended")


class CoordinatorClosed(AmendsError, RuntimeError):
    """The coordinator is not open: use it inside `async with Coordinator(...)`, and not after."""


class SimulationStuck(AmendsError, RuntimeError):
    """In a simulation, everything waits for something that nothing in it will bring: a socket, a thread, an event."""


class SimulatedFailure(AmendsError):
    """In a simulation, what a handler raises where the plan of faults says that it raises."""


class InvariantBroken(AmendsError, AssertionError):
    """A simulation broke an invariant.

    Attributes:
        story: what happened, line by line, and how to bring it about again.
    """

    def __init__(self, message: str, story: str | Callable[[], str]) -> None:
        super().__init__(message)
        self._story = story

    @property
    def story(self) -> str:
        """What happened. Told only when somebody asks: a search for the smallest plan throws most of them away."""
        if not isinstance(self._story, str):
            self._story = self._story()
        return self._story

    def __str__(self) -> str:
        return f"{self.args[0]}\n\n{self.story}"
