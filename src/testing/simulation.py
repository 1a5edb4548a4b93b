"""What came of a simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import InvariantBroken
from ..saga.events import Event, Remaining, RunStatus
from ..saga.log.port import Record
from ..saga.state import RunState, fold
from .checker import Violation
from .journal import Journal
from .ledger import Note
from .plan import Fault, Plan
from .scenario import Scenario
from .spoken import Spoken
from .story import told

__all__ = ["Simulation"]


@dataclass(frozen=True)
class Simulation:
    """What came of a simulation.

    Attributes:
        scenario: what was simulated.
        plan: what was to go wrong.
        records: the run's events as they lie in the log.
        events: the same, decoded.
        notes: what its handlers did.
        journal: what happened, in order.
        seconds: how long it took, in virtual time.
        process_count: how many processes it took.
        told: what the client was told of the run, in order.
        heard: what people said to the run, and were told that it is heard.
        here: the client's process hosted the run.
        asked_outside: what the handlers asked for that there is none of in a simulation.
        violations: what was wrong.
    """

    scenario: Scenario
    plan: Plan
    records: tuple[Record, ...]
    events: tuple[Event, ...]
    notes: tuple[Note, ...]
    journal: Journal
    seconds: float
    process_count: int
    told: tuple[RunStatus, ...]
    heard: tuple[Spoken, ...]
    here: bool
    asked_outside: frozenset[str]
    violations: tuple[Violation, ...]

    def __repr__(self) -> str:
        return f"<Simulation of {self.scenario.saga.name} under {self.plan}: {self.status}>"

    @property
    def fired(self) -> Sequence[Fault]:
        """The faults of the plan that struck, in order."""
        return self.journal.fired

    @property
    def status(self) -> RunStatus | None:
        """How the run stands in the end; None if the log never had it."""
        return self.state.status if self.state.version else None

    @cached_property
    def state(self) -> RunState:
        """The run as its events leave it."""
        return fold(self.scenario.run_id, self.events)

    @property
    def output(self) -> Any:
        """What the saga returned.

        Raises:
            ValueError: the run did not complete.
        """
        if self.state.output is None:
            raise ValueError(f"the run has no output: it is {self.state.status}")
        return self.scenario.saga.output.decode(self.state.output)

    @property
    def remaining(self) -> tuple[Remaining, ...]:
        """What stands although the run was undone, or is parked."""
        return self.state.remaining if self.state.parked is None else self.state.parked.remaining

    def story(self) -> str:
        """Return what happened, line by line, with the faults where they struck, and what was wrong."""
        return told(self)

    def check(self) -> "Simulation":
        """Return this simulation if all invariants held, and what the scenario itself asks for.

        Raises:
            InvariantBroken: something was wrong; with the story.
        """
        if self.violations:
            raise InvariantBroken(str(self.violations[0]), self.story)
        return self
