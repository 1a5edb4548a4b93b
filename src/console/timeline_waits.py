"""The waits and signals of a run as a picture needs them: when each began and ended, how, and who had spoken.

Which signal goes to which wait is the engine's to say, so the state that is asked here is the engine's own fold.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ..saga import events as e
from ..saga.events import Event
from ..saga.state import RunState
from ..saga.waits import WaitStatus


class WaitEnd(StrEnum):
    """How a wait ended."""

    WAITING = "waiting"
    SIGNALLED = "signalled"
    TIMED_OUT = "timed out"
    """Its time was up: so a sleep ends, and a wait for a signal that does not come."""
    LEFT = "left"
    """The run ended or failed meanwhile."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A place in the saga where the run waited. Times are seconds since the run started.

    Attributes:
        step: its path.
        signal: the name of the signal it waits for; None for a sleep.
        start: when it began.
        stop: when it ended; for one that has not, when the last event of the run occurred.
        end: how it ended.
        due_at: until when it waits at most, or None.
        by: who gave the signal; `""` if none came.
    """

    step: str
    signal: str | None
    start: float
    stop: float
    end: WaitEnd
    due_at: datetime | None
    by: str = ""

    @property
    def took(self) -> float:
        """Seconds."""
        return self.stop - self.start

    @property
    def label(self) -> str:
        """What it does, in words."""
        return "sleeps" if self.signal is None else f"waits for {self.signal}"

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        match self.end:
            case WaitEnd.SIGNALLED:
                return f"told by {self.by}"
            case WaitEnd.TIMED_OUT:
                return "over" if self.signal is None else "timed out"
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

    def all(self, now: float) -> tuple[Wait, ...]:
        """Return the waits; those that are not over last until now."""
        return tuple(
            replace(wait, stop=max(wait.start, now)) if wait.end is WaitEnd.WAITING else wait
            for wait in self.drafts.values()
        )

    def _was_told(self, path: str, wait: Wait, state: RunState) -> bool:
        return wait.end is WaitEnd.WAITING and state.waits.all[path].status is WaitStatus.SIGNALLED

    def _end(self, path: str, at: float, end: WaitEnd, by: str = "") -> None:
        wait = self.drafts[path]
        self.drafts[path] = replace(wait, stop=max(wait.start, at), end=end, by=by)
