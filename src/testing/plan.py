"""Plans of faults: what goes wrong in one simulation, as values that print as the Python that makes them again."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ..errors import DefinitionError
from .ledger import Kind
from .spoken import Abandon, Cancel, Deadline, Signal, Undo, positive

__all__ = [
    "CRASHES",
    "CUTS",
    "PAUSES",
    "AppendFault",
    "AppendMode",
    "Cancel",
    "Fault",
    "HandlerFault",
    "HandlerMode",
    "Plan",
]


M = TypeVar("M", bound=StrEnum)


class AppendMode(StrEnum):
    """What goes wrong with an append."""

    FAIL_BEFORE = "fail_before"
    """Nothing is written, and the log says that it did not answer."""
    DO_THEN_FAIL = "do_then_fail"
    """It is written, and the log says that it did not answer."""
    CRASH_BEFORE = "crash_before"
    """The process dies; nothing is written."""
    CRASH_AFTER = "crash_after"
    """It is written; the process dies before it knows."""
    PAUSE_BEFORE = "pause_before"
    """The process stops before it writes, and goes on when another one has taken over."""
    PAUSE_AFTER = "pause_after"
    """It is written; the process stops before it knows, and goes on when another one has taken over."""


CRASHES = (AppendMode.CRASH_BEFORE, AppendMode.CRASH_AFTER)
PAUSES = (AppendMode.PAUSE_BEFORE, AppendMode.PAUSE_AFTER)
CUTS = (AppendMode.FAIL_BEFORE, AppendMode.DO_THEN_FAIL, *CRASHES)
"""Every mode but the pauses."""


class HandlerMode(StrEnum):
    """What goes wrong with an entry into a handler."""

    RAISES = "raises"
    """Nothing lands, and it raises: the error of the scenario for this action, or `SimulatedFailure`."""
    VANISHES = "vanishes"
    """Nothing lands, and nobody knows: `OutcomeUnknown`."""
    LOSES_REPLY = "loses_reply"
    """It lands, and nobody knows: `OutcomeUnknown`."""
    HANGS = "hangs"
    """Nothing lands, and it does not return before its time is up."""
    LANDS_AND_HANGS = "lands_and_hangs"
    """It lands, and does not return before its time is up."""
    LANDS_AND_RAISES = "lands_and_raises"
    """It lands, and raises as if it had not. A `do` that does so breaks its word: it is not undone."""


@dataclass(frozen=True, slots=True)
class AppendFault:
    """Something goes wrong with one append to the log.

    Attributes:
        at: which append, from 1, counted over all processes of the simulation, recovery included.
        mode: what goes wrong; an `AppendMode` or its text.
    """

    at: int
    mode: AppendMode

    def __init__(self, at: int, mode: AppendMode | str) -> None:
        object.__setattr__(self, "at", positive("at", at))
        object.__setattr__(self, "mode", _mode(AppendMode, mode))

    def __repr__(self) -> str:
        return f"AppendFault({self.at}, {str(self.mode)!r})"


@dataclass(frozen=True, slots=True)
class HandlerFault:
    """Something goes wrong with an entry into an action's handler.

    Attributes:
        action: whose.
        mode: what goes wrong; a `HandlerMode` or its text.
        kind: in which of its handlers: `do`, `undo` or `probe`.
        entry: which entry into it, from 1, counted over all steps and processes of the simulation.
        for_good: that one and every later one.
    """

    action: str
    mode: HandlerMode
    kind: Kind = Kind.DO
    entry: int = 1
    for_good: bool = False

    def __init__(
        self,
        action: str,
        mode: HandlerMode | str,
        *,
        kind: Kind | str = Kind.DO,
        entry: int = 1,
        for_good: bool = False,
    ) -> None:
        object.__setattr__(self, "action", action)
        object.__setattr__(self, "mode", _mode(HandlerMode, mode))
        object.__setattr__(self, "kind", _mode(Kind, kind))
        object.__setattr__(self, "entry", positive("entry", entry))
        object.__setattr__(self, "for_good", for_good)

    def __repr__(self) -> str:
        kind = f", kind={str(self.kind)!r}" if self.kind is not Kind.DO else ""
        entry = f", entry={self.entry}" if self.entry != 1 else ""
        return f"HandlerFault({self.action!r}, {str(self.mode)!r}{kind}{entry}{', for_good=True' * self.for_good})"


Fault = AppendFault | HandlerFault | Cancel | Abandon | Signal | Undo | Deadline


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes wrong in one simulation.

    Attributes:
        faults: in any order; one that is never reached does not strike.
        order: seeds how long handlers take, and with it the order in which parallel branches end; 0: they take none.
    """

    faults: tuple[Fault, ...] = ()
    order: int = 0

    def __init__(self, *faults: Fault, order: int = 0) -> None:
        if strange := [fault for fault in faults if not isinstance(fault, Fault)]:
            raise DefinitionError(f"Plan: {strange[0]!r} is no fault; write Plan(fault, fault, order=0)")
        object.__setattr__(self, "faults", faults)
        object.__setattr__(self, "order", order)
        places = [fault.at for fault in faults if isinstance(fault, AppendFault)]
        if len(set(places)) != len(places):
            raise DefinitionError(f"{self}: an append has one fault at most")

    def __repr__(self) -> str:
        words = [*map(repr, self.faults), *([f"order={self.order}"] if self.order else [])]
        return f"Plan({', '.join(words)})"

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.faults)

    def also(self, fault: Fault) -> "Plan":
        """Return this plan with a further fault."""
        return Plan(*self.faults, fault, order=self.order)


def _mode(modes: type[M], mode: str) -> M:
    try:
        return modes(mode)
    except ValueError:
        raise DefinitionError(f"{mode!r} is none of {', '.join(map(repr, map(str, modes)))}") from None
