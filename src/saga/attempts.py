"""Enters the handlers of one run and says what came of it, as moments for `decide`.

This is where an action's policies are asked. What a handler leaves running when its time is up (a thread, or a task
that would not be cancelled) is a *straggler*: no undo of its step is entered while it may still act. An async handler
runs in the attempt's own task, so an attempt that has become a straggler cannot return its moment: it is told instead.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ..actions.action import Action, OnUnknown, Part
from ..actions.call import Call, Outcome
from ..actions.entering import Late, MakeCall, Raised, Returned, TimedOut, enter
from ..actions.retrying import UNDO_POLICY
from ..errors import InvalidValue, OutcomeUnknown
from .admission import Admission
from .events import ErrorInfo, UnknownWhy
from .failures import describe
from .host import Host
from .moments import AttemptFailed, AttemptSucceeded, AttemptUnknown, UndoFailed, UndoSucceeded
from .state import RunState, Step, StepStatus
from .transacting import Settled, Transacting

DoMoment = AttemptSucceeded | AttemptFailed | AttemptUnknown
UndoMoment = UndoSucceeded | UndoFailed
Entry = Returned | Raised | TimedOut
Entered = (Returned, Raised, TimedOut)
M = TypeVar("M", bound=DoMoment | UndoMoment)
Tell = Callable[[DoMoment | UndoMoment], None]


class Entering(NamedTuple):
    """What a handler is entered for, and with."""

    step: Step
    values: tuple[Any, ...]
    call: MakeCall
    late: Late


class Attempts:
    """Enters handlers for the steps of one run.

    Args:
        state: the run.
        host: what the coordinator's drivers share.
        durable_version: returns the version up to which the run is durable, as far as is known here.
    """

    def __init__(self, state: RunState, host: Host, durable_version: Callable[[], int]) -> None:
        self._state = state
        self._run_id = state.run_id
        self._host = host
        self._actions = host.registry.actions
        self._clock = host.clock
        self._threads = host.threads
        self._stragglers = host.stragglers
        self._substitute = host.substitute
        self._transacting = Transacting(state, host, durable_version)
        self.admission: Admission | None = None

    async def do(self, step: Step, attempt: int, tell: Tell) -> DoMoment | Settled | None:
        """Enter the action's handler once, or find by its probe that an earlier attempt has landed.

        Args:
            step: the step.
            attempt: which attempt.
            tell: gets what came of it if an async handler goes on although its time is up.

        Returns:
            What came of it; None where that has been told already.
        """
        action = self._actions.get(step.action)
        if action is None:
            error = ErrorInfo(type="DefinitionError", message=f"no action {step.action!r} is registered here")
            return AttemptUnknown(step.path, attempt, UnknownWhy.CRASHED, error, None, parks=True)
        try:
            values = action.do_values(step.input)
        except InvalidValue as error:
            return AttemptFailed(step.path, attempt, describe(error), None)
        await self._stragglers.end(self._run_id, step.path, action.work.timeout_seconds)
        entry = await self._do_or_probe(action, step, attempt, values, tell)
        return self._done(action, step, attempt, entry) if isinstance(entry, Entered) else entry

    async def undo(self, step: Step, attempt: int, tell: Tell) -> UndoMoment | Settled | None:
        """Enter the action's undo once, unless a probe says that there is nothing to undo; otherwise like `do`."""
        action = self._actions.get(step.action)
        part = action.compensation if action else None
        if action is None or part is None:
            message = f"no undo of {step.action!r} is registered here; register it and retry the run"
            return UndoFailed(step.path, attempt, ErrorInfo(type="DefinitionError", message=message), None)
        if not await self._stragglers.end(self._run_id, step.path, part.timeout_seconds):
            late = TimeoutError("an attempt of the action is still running; undoing it now could be overtaken by it")
            return self._undone(part, step, attempt, TimedOut(0.0, None), late)
        try:
            entry = await self._probe_and_undo(action, part, step, attempt, tell)
        except InvalidValue as error:
            return UndoFailed(step.path, attempt, describe(error), None)
        return self._undone(part, step, attempt, entry) if isinstance(entry, Entered) else entry

    async def _do_or_probe(
        self, action: Action[Any, Any], step: Step, attempt: int, values: tuple[Any, ...], tell: Tell
    ) -> Entry | DoMoment | Settled | None:
        call = self._call(step, attempt, step.idempotency_key)
        late = partial(self._late, step, lambda entry: tell(self._done(action, step, attempt, entry)))
        if step.last_unknown and action.prober:
            found = await self._enter(action.prober, step, values, call, late)
            match found:
                case Returned(value=None):
                    pass
                case Returned():
                    return found
                case Raised(error=error):
                    info = describe(error)
                    return Raised(OutcomeUnknown(f"the probe raised {info.type}: {info.message}"))
                case TimedOut() | None:
                    return found
        if action.transactional:
            done = partial(self._done, action, step, attempt)
            return await self._transact(action.work, Entering(step, values, call, late), done)
        return await self._enter(action.work, step, values, call, late)

    async def _probe_and_undo(
        self, action: Action[Any, Any], part: Part, step: Step, attempt: int, tell: Tell
    ) -> Entry | UndoMoment | Settled | None:
        """Return how the undo ended; where a probe says that nothing is there, it has nothing to do."""
        late = partial(self._late, step, lambda entry: tell(self._undone(part, step, attempt, entry)))
        outcome = Outcome.SUCCEEDED if step.status is StepStatus.SUCCEEDED else Outcome.UNKNOWN
        call = self._call(step, attempt, step.undo_key, outcome, undoes=step.idempotency_key)
        values = action.undo_values(step.input, step.output)
        if outcome is Outcome.UNKNOWN and action.prober:
            asking = self._call(step, attempt, step.idempotency_key, outcome)
            found = await self._enter(action.prober, step, values[:-1], asking, late)
            if not isinstance(found, Returned) or found.value is None:
                return found
            values = (*values[:-1], found.value)
        if action.transactional and part.handler.wants_call:
            undone = partial(self._undone, part, step, attempt)
            return await self._transact(part, Entering(step, values, call, late), undone)
        return await self._enter(part, step, values, call, late)

    async def _transact(
        self, part: Part, entering: Entering, moment_of: Callable[[Returned], M]
    ) -> "Entry | M | Settled | None":
        """Enter a handler in a transaction; what it returned is on record then, together with what it wrote."""
        await (
            self._host.may_enter()
            if self.admission is None
            else self.admission.enter(entering.step, part.timeout_seconds)
        )
        return await self._transacting.enter(
            part,
            entering.call,
            entering.late,
            lambda call, late: self._entered(part, entering._replace(call=call, late=late)),
            moment_of,
        )

    def _call(
        self, step: Step, attempt: int, key: str, outcome: Outcome | None = None, undoes: str | None = None
    ) -> MakeCall:
        return partial(
            Call,
            run_id=self._run_id,
            step=step.path,
            attempt=attempt,
            idempotency_key=key,
            undoes=undoes,
            outcome=outcome,
        )

    def _note(self, step: Step, entry: TimedOut) -> None:
        if entry.straggler is not None:
            self._stragglers.note(self._run_id, step.path, entry.straggler)

    def _late(self, step: Step, tell: Late, entry: TimedOut) -> None:
        self._note(step, entry)
        tell(entry)

    async def _enter(self, part: Part, step: Step, values: tuple[Any, ...], call: MakeCall, late: Late) -> Entry | None:
        # Last of all: whoever waited for a straggler, or for a probe, may have been stopped meanwhile and lost the run.
        await (self._host.may_enter() if self.admission is None else self.admission.enter(step, part.timeout_seconds))
        return await self._entered(part, Entering(step, values, call, late))

    async def _entered(self, part: Part, entering: Entering) -> Entry | None:
        step, values, call, late = entering
        handler = part.handler if self._substitute is None else self._substitute(part.handler, call())
        entry = await enter(
            handler,
            values,
            call,
            timeout_seconds=part.timeout_seconds,
            threads=self._threads,
            clock=self._clock,
            late=late,
        )
        if isinstance(entry, TimedOut):
            self._note(step, entry)
        return entry

    def _done(self, action: Action[Any, Any], step: Step, attempt: int, entry: Entry) -> DoMoment:
        match entry:
            case Returned(value):
                try:
                    return AttemptSucceeded(step.path, attempt, action.output.encode(value))
                except InvalidValue as error:
                    return AttemptUnknown(step.path, attempt, UnknownWhy.UNSTORABLE, describe(error), None)
            case Raised(OutcomeUnknown() as error):
                return self._unknown(action, step, attempt, UnknownWhy.LOST, error)
            case TimedOut(rolled_back=False):
                return self._unknown(action, step, attempt, UnknownWhy.TIMED_OUT, _timeout(entry))
            case Raised() | TimedOut():
                raised = entry.error if isinstance(entry, Raised) else _timeout(entry)
                retry_at, info = self._retry_at(
                    action.work, step.started_at, attempt - step.budget_from, raised, unknown=False
                )
                return AttemptFailed(step.path, attempt, info, retry_at)

    def crashed(self, step: Step) -> DoMoment:
        """Return what becomes of an attempt that was under way when its process ended.

        If there is to be another one, it is made at once: decision record 027.
        """
        action = self._actions.get(step.action)
        error = OutcomeUnknown("the process ended while the attempt was under way")
        if action is None:
            return AttemptUnknown(step.path, step.attempts, UnknownWhy.CRASHED, describe(error), None, parks=True)
        unknown = self._unknown(action, step, step.attempts, UnknownWhy.CRASHED, error)
        return unknown if unknown.retry_at is None else replace(unknown, retry_at=self._clock.now())

    def undo_crashed(self, step: Step) -> UndoFailed:
        """Return what becomes of an undo that was under way when its process ended: it is tried again at once."""
        error = describe(OutcomeUnknown("the process ended while the undo was under way"))
        return UndoFailed(step.path, step.undo_attempts, error, self._clock.now())

    def _unknown(
        self, action: Action[Any, Any], step: Step, attempt: int, why: UnknownWhy, error: BaseException
    ) -> AttemptUnknown:
        retry_at, info = None, describe(error)
        if action.on_unknown is OnUnknown.RETRY:
            retry_at, info = self._retry_at(
                action.work, step.started_at, attempt - step.budget_from, error, unknown=True
            )
        return AttemptUnknown(step.path, attempt, why, info, retry_at, parks=action.on_unknown is OnUnknown.PARK)

    def _undone(
        self, part: Part, step: Step, attempt: int, entry: Entry, late: BaseException | None = None
    ) -> UndoMoment:
        match entry:
            case Returned():
                return UndoSucceeded(step.path, attempt)
            case Raised(raised):
                error, unknown = raised, isinstance(raised, OutcomeUnknown)
            case TimedOut():
                error, unknown = late or _timeout(entry), True
        since = step.undo_started_at or self._clock.now()
        counted = attempt - step.undo_budget_from
        retry_at, info = self._retry_at(part, since, counted, error, unknown=unknown)
        return UndoFailed(step.path, attempt, info, retry_at)

    def _retry_at(
        self, part: Part, since: datetime, attempt: int, error: BaseException, *, unknown: bool
    ) -> tuple[datetime | None, ErrorInfo]:
        now = self._clock.now()
        # Past its point of no return a run parks where a step fails, as it does where an undo fails.
        policy = part.policy.no_shorter_than(UNDO_POLICY) if self._state.commits else part.policy
        ask = policy.wait_after_unknown if unknown else policy.wait_after_failure
        info = describe(error)
        try:
            wait = ask(attempt, error, (now - since).total_seconds())
            return (None if wait is None else now + timedelta(seconds=wait)), info
        except BaseException as broken:  # A user's policy; its failure ends the step, and both errors are on record.
            note = f"{info.message} (and the retry policy raised {describe(broken).type}: {describe(broken).message})"
            return None, ErrorInfo(type=info.type, message=note)


def _timeout(entry: TimedOut) -> TimeoutError:
    return TimeoutError(f"no answer within {entry.seconds:g} s")
