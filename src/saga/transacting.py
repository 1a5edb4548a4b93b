"""Enters handlers in a transaction of the log's database, and records their success in it: decision record 031.

The record is written as somebody else would write it: beside the driver, behind whatever the run has by then. Its
driver then re-reads, as it does after every foreign event. So the transaction never waits for an append of its own run,
which on SQLite would wait for the transaction.

Whoever has lost the run meanwhile finds the new owner's claim before its own record, and rolls back: what its handler
wrote vanishes with it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from ..actions.action import Action, Part
from ..actions.entering import Late, MakeCall, Raised, Returned, TimedOut
from ..errors import AppendConflict, DefinitionError, ValueTooLarge
from .decisions import decide
from .events import ErrorInfo, Event, RunAbandoned, RunClaimed
from .failures import describe
from .host import Host
from .log.patience import until_answered
from .log.port import Log, Record
from .log.transactions import Transaction, lending
from .moments import AttemptFailed, AttemptSucceeded, AttemptUnknown, UndoFailed, UndoSucceeded
from .state import RunState

__all__ = ["Settled", "Transacting", "check_transactional"]

M = TypeVar("M", bound=AttemptSucceeded | AttemptFailed | AttemptUnknown | UndoSucceeded | UndoFailed)
Entry = Returned | Raised | TimedOut
Enter = Callable[[MakeCall, Late], Awaitable[Entry | None]]


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of an attempt is for the driver to read in the log.

    Attributes:
        path: the step.
        error: why nothing of the attempt is there: the run is not ours any more, or has ended. None: it is recorded.
    """

    path: str
    error: ErrorInfo | None = None


def check_transactional(actions: Iterable[Action[Any, Any]], log: Log) -> None:
    """Check that the log lends transactions to those actions that need them.

    Raises:
        DefinitionError: it does not.
    """
    for action in actions:
        if action.transactional and lending(log) is None:
            raise DefinitionError(
                f"action {action.name}: is transactional, and {log!r} has no transactions; use sqlite:///... or "
                "postgresql://..., in tests too"
            )


class Transacting:
    """Enters the transactional handlers of one run.

    Args:
        state: the run.
        host: what the coordinator's drivers share.
        durable_version: returns the version up to which the run is durable, as far as is known here.
    """

    def __init__(self, state: RunState, host: Host, durable_version: Callable[[], int]) -> None:
        self._state = state
        self._host = host
        self._durable_version = durable_version

    async def enter(
        self, part: Part, call: MakeCall, late: Late, enter: Enter, moment_of: Callable[[Returned], M]
    ) -> Entry | M | Settled | None:
        """Enter a handler in a transaction, and commit its success with what it wrote.

        Args:
            part: whose handler it is.
            call: makes its `Call`.
            late: told that its time is up if it goes on in spite of that.
            enter: enters it.
            moment_of: returns what follows from its having returned.

        Returns:
            How it ended, if it did not succeed; then nothing of it is there.
        """
        async with self._begun(part) as transaction:

            def cut(timed_out: TimedOut) -> None:
                transaction.cut()
                late(replace(timed_out, rolled_back=True))

            entry = await enter(partial(call, connection=transaction.connection), cut)
            match entry:
                case Returned():
                    moment = moment_of(entry)
                    return await self._succeeded(transaction, moment) if _is_success(moment) else _refused(moment)
                case TimedOut():
                    transaction.cut()
                    return replace(entry, rolled_back=True)
            return entry

    @asynccontextmanager
    async def _begun(self, part: Part) -> AsyncIterator[Transaction]:
        """Begin a transaction, however long the database is away: the attempt has not been entered yet."""
        log = lending(self._host.log)
        assert log is not None, "checked when the coordinator was built"
        assert part.timeout_seconds is not None, "checked as well"
        plain, seconds = not part.handler.is_async, part.timeout_seconds
        async with AsyncExitStack() as stack:
            yield await until_answered(
                lambda: stack.enter_async_context(log.transaction(plain=plain, timeout_seconds=seconds))
            )

    async def _succeeded(self, transaction: Transaction, moment: M) -> Raised | M | Settled:
        events = decide(self._state, moment, self._host.clock.now())
        if not events:
            return self._lost(moment.path)
        try:
            records = [self._host.codec.encode(event) for event in events]
        except ValueTooLarge as error:
            return cast(
                "M", AttemptFailed(moment.path, moment.attempt, describe(error), None)
            )  # An undo has no output.
        try:
            version = await self._appended(transaction, records)
        except Exception as error:  # Of whatever driver it is; the transaction is lost.
            return Raised(error)
        if version is None:
            return self._lost(moment.path)
        try:
            await transaction.commit()
        except Exception as error:  # As above; but now only the log knows.
            if not await self._landed(transaction, version, records):
                return Raised(error)
        self._host.observers.recorded(self._state, events)
        return Settled(moment.path)

    async def _appended(self, transaction: Transaction, records: Sequence[Record]) -> int | None:
        """Append behind whatever the run has, and return behind which version; None if that is not ours to do."""
        version = self._durable_version()
        while not await transaction.append(self._state.run_id, version, records):
            theirs = await self._host.log.read(self._state.run_id, version)
            if self._ends_it(map(self._host.codec.decode, theirs)):
                return None
            version += len(theirs)
        return version

    def _ends_it(self, events: Iterable[Event]) -> bool:
        """Whether the run is not ours any more, or over. A claim that our own driver has made is no reason."""
        state = self._state
        return any(
            isinstance(event, RunAbandoned)
            or (isinstance(event, RunClaimed) and (event.worker != state.worker or event.epoch > state.epoch))
            for event in events
        )

    async def _landed(self, transaction: Transaction, version: int, records: Sequence[Record]) -> bool:
        """Find out how a commit went whose reply we never had. Asks until the database answers."""
        await until_answered(transaction.ended)
        stored = await until_answered(lambda: self._host.log.read(self._state.run_id, version))
        return stored[: len(records)] == list(records)

    def _lost(self, path: str) -> Settled:
        return Settled(path, describe(AppendConflict(self._state.run_id, self._durable_version())))


def _is_success(moment: object) -> bool:
    return isinstance(moment, AttemptSucceeded | UndoSucceeded)


def _refused(moment: M) -> M:
    """What was returned cannot be recorded. Elsewhere the outcome is unknown then; here nothing has landed."""
    if isinstance(moment, AttemptUnknown):
        return cast("M", AttemptFailed(moment.path, moment.attempt, moment.error, None))
    return moment
