"""The events of one run on their way to the log: in order, in batches, and who is told when they are durable."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from . import events as e
from .awaited import Awaited
from .events import Event, FailingReason
from .log.port import Record, Standing
from .moments import CommitAsked, Diverged, LockAsked, Moment, SagaFailed, SagaReturned, StepAsked, WaitAsked
from .slots import NONE, slots_after
from .standing import standing_after, standing_of, unowned
from .state import RunState

BATCH_BYTES = 1 << 20
"""A run's pending events go into appends of about this size, so that a wide group does not make one huge commit."""

_TELLS = (e.ActionSucceeded, e.ActionFailed, e.ActionUnknown, e.TimerFired, e.SignalReceived, e.SlotTaken)
"""Events from which the saga function may learn something before they are durable."""

_STARTS = (e.ActionStarted, e.CompensationStarted)

_OF_THE_SAGA = (StepAsked, WaitAsked, LockAsked, CommitAsked, SagaReturned, Diverged)
_RAISED = (FailingReason.SAGA_RAISED, FailingReason.ACTION_FAILED)


class Batch(NamedTuple):
    """What is appended at once.

    Attributes:
        events: in order.
        records: the same, as they are stored.
        standing: how the run stands after them, while this worker has it.
        change: what is to be written of that, or None where nothing of it changes.
        lets_go: whether this worker lets go of the run, which only waits.
        asks: whether the log is asked for a slot, so that it is to be seen whether the run has it.
    """

    events: list[Event]
    records: list[Record]
    standing: Standing | None
    change: Standing | None
    lets_go: bool
    asks: bool = False


class Outbox:
    """What one run has yet to append.

    Args:
        state: the run as it stands in the log.

    Attributes:
        durable_version: the version of the last event that is durable.
    """

    def __init__(self, state: RunState) -> None:
        self.durable_version = state.version
        self._standing = unowned(standing_of(state))
        self._written = self._standing
        self._slots = state.slots
        self._decided: deque[tuple[Event, Moment]] = deque()
        """What pending events were decided from, each with the last of its events."""
        self._events: list[Event] = []
        self._records: list[Record] = []
        self._waiting: list[tuple[int, Awaited[None]]] = []
        self._failure: BaseException | None = None

    def __bool__(self) -> bool:
        """Whether anything is pending."""
        return bool(self._events)

    def put(self, events: Iterable[Event], records: Iterable[Record]) -> None:
        """Add events and their records; they are the run's next."""
        self._events += events
        self._records += records

    def decided(self, last: Event, moment: Moment) -> None:
        """Note from what moment the latest events were decided, the last of them being `last`."""
        self._decided.append((last, moment))

    def rebase(self, state: RunState, version: int) -> tuple[bool, list[Moment]]:
        """Forget what is pending, because others have written up to `version`, where `state` stands.

        Returns:
            Whether the saga function may have been told of what is forgotten, so that it has to be called anew; and the
            moments to decide anew, without those that the function will bring about again.
        """
        has_told = any(isinstance(event, _TELLS) for event, _ in self._decided)
        moments = [moment for _, moment in self._decided if not (has_told and _is_of_the_saga(moment))]
        self._events, self._records = [], []
        self._decided.clear()
        self.durable_version = version
        self._slots = state.slots
        self._standing, self._written = standing_of(state), None
        return has_told, moments

    def withdraw_starts(self) -> None:
        """Forget the pending starts of attempts: none is begun any more."""
        kept = [index for index, event in enumerate(self._events) if not isinstance(event, _STARTS)]
        self._events = [self._events[index] for index in kept]
        self._records = [self._records[index] for index in kept]
        self._decided = deque(pair for pair in self._decided if not isinstance(pair[0], _STARTS))

    def next_batch(self, due_at: datetime | None) -> Batch:
        """Take out what is to be appended next; at least one event is pending.

        Args:
            due_at: until when the run only waits, if it does, so that this worker may let go of it.
        """
        size = count = 0
        for record in self._records:
            size += len(record.state)
            # A lock of a parent's is asked for and taken at once: nobody else is to see it asked for.
            if size > BATCH_BYTES and count and not isinstance(self._events[count - 1], e.LockAwaited):
                break
            count += 1
        events, self._events = self._events[:count], self._events[count:]
        records, self._records = self._records[:count], self._records[count:]
        standing, slots = self._standing, self._slots
        for event in events:
            standing = standing_after(standing, event)
            slots = slots_after(slots, event)
        if slots is not NONE and standing is not None:
            standing = standing._replace(slots=slots.wanted())
        self._slots = slots
        awaited, change = slots.next, standing
        only_waits = due_at is not None and not self._events and standing is not None
        if only_waits and standing is not None and awaited is None:
            change = standing._replace(owner=None, due_at=due_at)
        elif only_waits and standing is not None:
            change = standing._replace(queued_until=due_at)
        change = None if change == self._written else change
        return Batch(events, records, standing, change, only_waits and awaited is None, asks=awaited is not None)

    def appended(self, batch: Batch) -> None:
        """Note that a batch is durable, and tell those who wait for it."""
        self.durable_version += len(batch.events)
        self._standing = batch.standing
        self._written = batch.change or self._written
        decided = self._decided
        for event in batch.events:
            if decided and decided[0][0] is event:
                decided.popleft()
        self._tell()

    async def durable(self, version: int) -> None:
        """Wait until the event of this version is durable; raises what `fail` is given."""
        if self.durable_version < version:
            if self._failure is not None:
                raise self._failure
            waiting: Awaited[None] = Awaited()
            self._waiting.append((version, waiting))
            await waiting.wait()

    def wait_for(self, version: int) -> None:
        """Let all who wait for something to become durable wait for this version: theirs was decided anew."""
        self._waiting = [(version, waiting) for _, waiting in self._waiting]
        self._tell()

    def _tell(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.durable_version:
            self._waiting.pop(0)[1].settle(None)

    def fail(self, error: BaseException) -> None:
        """Tell those who wait, and those who will, that nothing more becomes durable."""
        self._failure = self._failure or error
        for _, waiting in self._waiting:
            waiting.fail(error)


def _is_of_the_saga(moment: Moment) -> bool:
    return isinstance(moment, _OF_THE_SAGA) or (isinstance(moment, SagaFailed) and moment.reason in _RAISED)
