"""What a run waits for: times and signals, and which signal goes to which wait.

Signals of one name are a queue, and so are the waits for it: the n-th signal goes to the n-th wait that was not over
by then. Both orders are those of the log, so every replay gives each wait what it was given first.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from ..actions.values import JsonText


class WaitStatus(Enum):
    """How a wait stands."""

    OPEN = auto()
    FIRED = auto()
    """Its time was up, or it has the lock."""
    SIGNALLED = auto()


@dataclass(slots=True)
class Wait:
    """A place in a saga where it waits: for the lock of `key`, or for `signal`, or if there is neither, for a time."""

    path: str
    signal: str | None
    due_at: datetime | None
    status: WaitStatus = WaitStatus.OPEN
    payload: JsonText | None = None
    settled_at: datetime | None = None
    key: str | None = None

    @property
    def label(self) -> str:
        """What it waits for, in words."""
        if self.key is not None:
            return f"the lock {self.key!r}"
        return "a sleep" if self.signal is None else f"the signal {self.signal!r}"


@dataclass(slots=True)
class Waits:
    """All waits and signals of one run."""

    all: dict[str, Wait] = field(default_factory=dict)
    open: dict[str, Wait] = field(default_factory=dict)
    """Those that are not over, in the order in which they began."""
    received: dict[str, tuple[str, JsonText]] = field(default_factory=dict)
    """The name and the payload of each signal, by its key."""
    _unread: dict[str, deque[JsonText]] = field(default_factory=dict)

    def begin(self, wait: Wait, at: datetime) -> None:
        """Note that a wait has begun; a signal that came before ends it at once."""
        self.all[wait.path] = self.open[wait.path] = wait
        unread = self._unread.get(wait.signal) if wait.signal is not None else None
        if unread:
            self._end(wait, WaitStatus.SIGNALLED, at, unread.popleft())

    def fire(self, path: str, at: datetime) -> None:
        """Note that the time of a wait is up, or that it has its lock."""
        self._end(self.all[path], WaitStatus.FIRED, at)

    def receive(self, signal: str, payload: JsonText, key: str, at: datetime) -> None:
        """Note that a signal has come."""
        self.received[key] = signal, payload
        waiting = next((wait for wait in self.open.values() if wait.signal == signal), None)
        if waiting is not None:
            self._end(waiting, WaitStatus.SIGNALLED, at, payload)
        else:
            self._unread.setdefault(signal, deque()).append(payload)

    def give_up(self) -> None:
        """Note that nobody waits any more: the run has ended or is failing."""
        self.open.clear()

    def next_due(self) -> datetime | None:
        """Return when the next open wait is due by time; None if none will be."""
        return min((wait.due_at for wait in self.open.values() if wait.due_at is not None), default=None)

    def _end(self, wait: Wait, status: WaitStatus, at: datetime, payload: JsonText | None = None) -> None:
        wait.status, wait.settled_at, wait.payload = status, at, payload
        del self.open[wait.path]
