"""The waits and signals of a run as a picture needs them: when each began and ended, how, and who had spoken.

Which signal goes to which wait is the engine's to say, so the state that is asked here is the engine's own fold.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ..saga import events as e
from ..saga.events import Event
from ..saga.slots import BEFORE_ALL
from ..saga.state import RunState
from ..saga.waits import WaitStatus

SHOWN_SECONDS = 0.1
"""A wait for a limit that was shorter than this is not worth a line."""


class WaitEnd(StrEnum):
    """How a wait ended."""

    WAITING = "waiting"
    SIGNALLED = "signalled"
    TAKEN = "taken"
    """It had the lock, or what its saga's limit allows."""
    TIMED_OUT = "timed out"
    """Its time was up: so a sleep ends, and a wait for a signal that does not come."""
    LEFT = "left"
    """The run ended or failed meanwhile."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A place in the saga where the run waited. Times are seconds since the run started.

    Attributes:
        step: its path.
        signal: the name of the signal it waits for; None for a sleep, or where there is a slot.
        start: when it began.
        stop: when it ended; for one that has not, when the last event of the run occurred.
        end: how it ended.
        due_at: until when it waits at most, or None.
        by: who gave the signal; `""` if none came.
        slot: the lock or the limit that it waits for, or None.
    """

    step: str
    signal: str | None
    start: float
    stop: float
    end: WaitEnd
    due_at: datetime | None
    by: str = ""
    slot: str | None = None

    @property
    def is_sleep(self) -> bool:
        """Whether it waits for nothing but a time."""
        return self.signal is None and self.slot is None

    @property
    def took(self) -> float:
        """Seconds."""
        return self.stop - self.start

    @property
    def label(self) -> str:
        """What it does, in words."""
        return "sleeps" if self.is_sleep else f"waits for {self.slot or self.signal}"

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        match self.end:
            case WaitEnd.SIGNALLED:
                return f"told by {self.by}"
            case WaitEnd.TIMED_OUT:
                return "over" if self.is_sleep else "timed out"
            case WaitEnd.TAKEN:
                return "has it"
            case WaitEnd.LEFT:
                return "given up"
        until = "" if self.due_at is None else f" until {self.due_at:%Y-%m-%d %H:%M:%S} UTC"
        return f"still waiting{until}"


class WaitBook:
    """Enters the events of waits one by one, each after the engine's fold has taken it."""

    def __init__(self) -> None:
        self.drafts: dict[str, Wait] = {}
        self._early: dict[str, deque[str]] = defaultdict(deque)

    def enter(self, event: Event, at: float, state: RunState) -> None:
        """Take note of an event; `state` is the run with it."""
        if isinstance(event, e.RunStarted | e.LockAwaited | e.SlotTaken):
            self._enter_slot(event, at)
            return
        match event:
            case e.TimerSet() | e.SignalAwaited():
                name = event.signal if isinstance(event, e.SignalAwaited) else None
                begun = Wait(event.step, name, at, at, WaitEnd.WAITING, event.due_at)
                self.drafts[event.step] = begun
                if name is not None and state.waits.all[event.step].status is WaitStatus.SIGNALLED:
                    self._end(event.step, at, WaitEnd.SIGNALLED, self._early[name].popleft())
            case e.TimerFired():
                self._end(event.step, at, WaitEnd.TIMED_OUT)
            case e.SignalReceived():
                ended = (path for path, wait in self.drafts.items() if self._was_told(path, wait, state))
                path = next(ended, None)
                if path is None:
                    self._early[event.signal].append(event.by)
                else:
                    self._end(path, at, WaitEnd.SIGNALLED, event.by)
            case e.RunFailing() | e.RunCompleted() | e.RunAbandoned():
                for path, wait in self.drafts.items():
                    if wait.end is WaitEnd.WAITING:
                        self._end(path, at, WaitEnd.LEFT)

    def _enter_slot(self, event: e.RunStarted | e.LockAwaited | e.SlotTaken, at: float) -> None:
        match event:
            case e.RunStarted(limits=limits):
                for number, limit in enumerate(limits or (), start=1):
                    self._queue(f"{BEFORE_ALL}{number}", at, limit.name)
            case e.LockAwaited():
                self._queue(event.step, at, f"lock {event.key}")
            case e.SlotTaken():
                self._end(event.step, at, WaitEnd.TAKEN)

    def _queue(self, path: str, at: float, slot: str) -> None:
        self.drafts[path] = Wait(path, None, at, at, WaitEnd.WAITING, None, slot=slot)

    def all(self, now: float) -> tuple[Wait, ...]:
        """Return the waits; those that are not over last until now. What a run had at once, it did not wait for."""
        return tuple(
            replace(wait, stop=max(wait.start, now)) if wait.end is WaitEnd.WAITING else wait
            for wait in self.drafts.values()
            if wait.end is not WaitEnd.TAKEN or wait.took >= SHOWN_SECONDS or not wait.step.startswith(BEFORE_ALL)
        )

    def _was_told(self, path: str, wait: Wait, state: RunState) -> bool:
        told = state.waits.all.get(path)  # What it waits for before it begins is no wait of its function.
        return wait.end is WaitEnd.WAITING and told is not None and told.status is WaitStatus.SIGNALLED

    def _end(self, path: str, at: float, end: WaitEnd, by: str = "") -> None:
        wait = self.drafts[path]
        self.drafts[path] = replace(wait, stop=max(wait.start, at), end=end, by=by)
