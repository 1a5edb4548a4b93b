"""Holds the invariants of a run's history over its events, and over a ledger of what its handlers did.

Pure: it reads and returns what is wrong. It knows nothing of the engine's own state (`amends.saga.state`), so that the
two can be held against each other.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..saga.events import Event
from .history_checks import INVARIANTS, History
from .ledger import Note
from .ledger_checks import LEDGER_INVARIANTS
from .slot_checks import SLOT_INVARIANTS
from .wait_checks import WAIT_INVARIANTS

__all__ = ["Violation", "breaches_of", "check", "place_of"]


ALL_INVARIANTS = (*INVARIANTS, *WAIT_INVARIANTS, *SLOT_INVARIANTS)


class Violation(NamedTuple):
    """A breach of an invariant: which one, and what is wrong in one sentence."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


def check(events: Sequence[Event], ledger: Iterable[Note] | None = None) -> list[Violation]:
    """Return every breach of an invariant in one run's history, and in what its handlers did if that is known.

    Args:
        events: the run's, from its first.
        ledger: what the handlers of this run did, in the order of what happened.
    """
    return breaches_of(History(events), ledger)


def breaches_of(history: History, ledger: Iterable[Note] | None = None) -> list[Violation]:
    """Do the same for a history that something else looks at, too."""
    found = [Violation(holds.__name__, what) for holds in ALL_INVARIANTS for what in holds(history)]
    if ledger is not None:
        notes = list(ledger)
        found += [Violation(holds.__name__, what) for holds in LEDGER_INVARIANTS for what in holds(history, notes)]
    return found


def place_of(violation: Violation, events: Sequence[Event]) -> int | None:
    """Return the index of the event with which an invariant of the history was first broken.

    None where it is no invariant of the history alone.
    """
    for holds in ALL_INVARIANTS:
        if holds.__name__ == violation.invariant:
            prefixes = range(1, len(events) + 1)
            return next((n - 1 for n in prefixes if any(holds(History(events[:n])))), None)
    return None
