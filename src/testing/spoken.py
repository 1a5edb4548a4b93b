"""What people say to a run while it is under way, and when: as values that print as the Python that makes them again.

Most of it is said in another process than the one that has the run: it is on record at once, between two appends of the
workers, and whoever has the run finds that somebody else has written to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import DefinitionError

__all__ = ["Abandon", "Cancel", "Deadline", "Signal", "Spoken", "Undo", "positive"]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody cancels the run.

    Attributes:
        after: as soon as this append is durable, counted as for an `AppendFault`.
        elsewhere: in another process; else in the one that has just appended.
    """

    after: int
    elsewhere: bool = False

    def __init__(self, after: int, *, elsewhere: bool = False) -> None:
        object.__setattr__(self, "after", positive("after", after))
        object.__setattr__(self, "elsewhere", elsewhere)

    def __repr__(self) -> str:
        return f"Cancel({self.after}{', elsewhere=True' * self.elsewhere})"


@dataclass(frozen=True, slots=True)
class Abandon:
    """Somebody abandons the run.

    Attributes:
        after: as for `Cancel`.
        elsewhere: as for `Cancel`; True if left out.
    """

    after: int
    elsewhere: bool = True

    def __init__(self, after: int, *, elsewhere: bool = True) -> None:
        object.__setattr__(self, "after", positive("after", after))
        object.__setattr__(self, "elsewhere", elsewhere)

    def __repr__(self) -> str:
        return f"Abandon({self.after}{', elsewhere=False' * (not self.elsewhere)})"


@dataclass(frozen=True, slots=True)
class Signal:
    """Somebody tells the run something, whether it waits for that or not.

    Attributes:
        after: as for `Cancel`.
        name: of the signal.
        payload: of the signal.
        key: what it is known by; that of the scenario's first signal of this name, if left out, which is then told
            early, and once more when the run waits for it.
        elsewhere: as for `Cancel`; True if left out.
    """

    after: int
    name: str
    payload: Any = None
    key: str = ""
    elsewhere: bool = True

    def __init__(self, after: int, name: str, payload: Any = None, *, key: str = "", elsewhere: bool = True) -> None:
        object.__setattr__(self, "after", positive("after", after))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "payload", payload)
        object.__setattr__(self, "key", key or f"{name}-1")
        object.__setattr__(self, "elsewhere", elsewhere)

    def __hash__(self) -> int:
        return hash((self.after, self.name, self.key, self.elsewhere))

    def __repr__(self) -> str:
        words = [str(self.after), repr(self.name), *([repr(self.payload)] if self.payload is not None else [])]
        words += [f"key={self.key!r}"] if self.key != f"{self.name}-1" else []
        words += ["elsewhere=False"] if not self.elsewhere else []
        return f"Signal({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Undo:
    """Somebody has the run undone, as soon as it is known to be completed."""

    def __repr__(self) -> str:
        return "Undo()"


@dataclass(frozen=True, slots=True)
class Deadline:
    """The run is started with a deadline.

    Attributes:
        seconds: of its `deadline_seconds`.
    """

    seconds: float

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < float("inf"):
            raise DefinitionError(f"seconds={seconds!r}; use more than 0")
        object.__setattr__(self, "seconds", seconds)

    def __repr__(self) -> str:
        return f"Deadline({self.seconds!r})"


Spoken = Cancel | Abandon | Signal | Undo | Deadline


def positive(name: str, value: int) -> int:
    """Return a whole number from 1.

    Raises:
        DefinitionError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DefinitionError(f"{name}={value!r}; use a whole number from 1")
    return value


def keyed(signals: Iterable[tuple[str, Any]]) -> list[tuple[str, Any, str]]:
    """Return signals with their keys: the n-th of a name has the key `NAME-n`."""
    found: list[tuple[str, Any, str]] = []
    for name, payload in signals:
        found.append((name, payload, f"{name}-{1 + sum(known == name for known, _, _ in found)}"))
    return found
