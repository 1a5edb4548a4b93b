"""What is known, inside a simulation, of the handler that is running: which, for which call, in which process."""

from contextvars import ContextVar
from dataclasses import dataclass

from ..actions.call import Call
from .ledger import Kind, Ledger
from .virtual_world import VirtualThreads

__all__ = ["ENTRY", "Entry", "spend"]


@dataclass(slots=True)
class Entry:
    """One entry into a handler of a simulation.

    Attributes:
        kind: which of the action's handlers.
        action: the action's name.
        call: what the handler was given to know.
        ledger: where it is noted.
        threads: where plain handlers of this process run.
        worker: the process.
        log_version: how many events of the run were durable when the entry was decided upon.
        landed: its effect has been noted.
    """

    kind: Kind
    action: str
    call: Call
    ledger: Ledger
    threads: VirtualThreads
    worker: str
    log_version: int | None = None
    landed: bool = False

    def enter(self) -> None:
        """Note that the handler is entered."""
        self.ledger.entered(self.kind, self.action, self.call, self.log_version)

    def land(self) -> None:
        """Note that the handler's effect has come into the world, or for an undo that it went; once."""
        if not self.landed and self.kind is not Kind.PROBE:
            self.landed = True
            self.ledger.landed(self.kind, self.action, self.call)


ENTRY: ContextVar[Entry | None] = ContextVar("amends_testing_entry", default=None)
"""The entry that the present task, or plain handler, belongs to."""


def spend(seconds: float) -> None:
    """Let the plain handler that is running take so long, in virtual seconds; outside of a simulation, no time passes.

    An async handler sleeps instead.
    """
    entry = ENTRY.get()
    if entry is not None:
        entry.threads.spend(seconds)
