"""What the handlers of a simulation did, noted outside the engine and its log, so that the two can be held together."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from ..actions.call import Call

__all__ = ["Act", "Kind", "Ledger", "Note"]


class Kind(StrEnum):
    """Which of an action's handlers."""

    DO = "do"
    UNDO = "undo"
    PROBE = "probe"


class Act(StrEnum):
    """What a handler does that is noted."""

    ENTERED = "entered"
    LANDED = "landed"
    """Its effect came into the world; for an undo, went out of it."""
    LEFT = "left"


class Note(NamedTuple):
    """One thing that a handler did.

    Attributes:
        act: what.
        kind: in which of the action's handlers.
        run_id: of which run.
        action: of which action.
        step: in which step.
        attempt: and attempt.
        key: the idempotency key that it was given.
        effect: the key by which the effect itself is known: that of the step's attempts, for its undo too.
        worker: the process it ran in; empty where that is not known.
        log_version: how many events of the run were durable then; None where that is not known.
    """

    act: Act
    kind: Kind
    run_id: str
    action: str
    step: str
    attempt: int
    key: str
    effect: str
    worker: str = ""
    log_version: int | None = None


class Ledger:
    """Takes notes until it is closed.

    Args:
        log_version: tells how many events of a run are durable now; None where nobody knows.

    Attributes:
        notes: in the order of what happened.
        worker: the process that is running now.
        closed: it takes no more notes.
    """

    def __init__(self, log_version: Callable[[str], int | None] = lambda _: None) -> None:
        self.notes: list[Note] = []
        self.worker = ""
        self.closed = False
        self.log_version = log_version
        self._standing: set[str] = set()

    def entered(self, kind: Kind, action: str, call: Call, log_version: int | None = None) -> None:
        """Note an entry into a handler.

        Args:
            kind: of which kind.
            action: of which action.
            call: what it was given to know.
            log_version: how many events of the run were durable when the entry was decided upon, one turn of the loop
                ago: a process that is stopped just then enters the handler when it goes on, whatever has happened.
        """
        self._note(Act.ENTERED, kind, action, call, log_version)

    def left(self, kind: Kind, action: str, call: Call) -> None:
        """Note that a handler has returned or raised."""
        self._note(Act.LEFT, kind, action, call)

    def landed(self, kind: Kind, action: str, call: Call) -> None:
        """Let the effect of an action come into the world, once for each key; or that of its undo, so that it goes."""
        if self.closed:
            return
        self._note(Act.LANDED, kind, action, call)
        if kind is Kind.UNDO:
            self._standing.discard(_effect(call))
        else:
            self._standing.add(_effect(call))

    def stands(self, effect: str) -> bool:
        """Return whether the effect of a step is in the world, by the key of its attempts."""
        return effect in self._standing

    def close(self) -> None:
        """Take no more notes: the world has ended."""
        self.closed = True

    def _note(self, act: Act, kind: Kind, action: str, call: Call, version: int | None = None) -> None:
        if not self.closed:
            version = self.log_version(call.run_id) if version is None else version
            key, effect = call.idempotency_key, _effect(call)
            note = (act, kind, call.run_id, action, call.step, call.attempt, key, effect, self.worker, version)
            self.notes.append(Note(*note))


def _effect(call: Call) -> str:
    return call.undoes or call.idempotency_key
