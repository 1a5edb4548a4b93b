"""What happened in a simulation, in order: boots, appends, entries into handlers, and the faults that struck."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..saga.log.port import Record
from .ledger import Kind
from .plan import AppendFault, Fault, HandlerFault
from .spoken import Spoken

__all__ = ["Appended", "Booted", "Entered", "Happening", "Journal", "Said", "Spoke"]


class Booted(NamedTuple):
    """A process has begun, or goes on after it was stopped. No fault strikes a boot."""

    seconds: float
    worker: str
    again: bool
    fault: None = None


class Appended(NamedTuple):
    """A process handed events to the log.

    Attributes:
        seconds: when, in virtual time.
        worker: which process.
        number: the how many-eth append of the simulation, from 1; below 0 where somebody elsewhere wrote it.
        expected_version: how many events the run had for that process.
        records: the further events.
        fault: what went wrong, as planned.
        run_id: of which run.
    """

    seconds: float
    worker: str
    number: int
    expected_version: int
    records: Sequence[Record]
    fault: AppendFault | None
    run_id: str = ""


class Entered(NamedTuple):
    """A handler was entered, or would have been if no fault had struck first.

    Attributes:
        seconds: when, in virtual time.
        worker: in which process.
        kind: which of the action's handlers.
        action: of which action.
        step: for which step.
        number: the how many-eth entry into this handler, from 1.
        fault: what went wrong, as planned.
        run_id: for which run.
    """

    seconds: float
    worker: str
    kind: Kind
    action: str
    step: str
    number: int
    fault: HandlerFault | None
    run_id: str = ""


class Spoke(NamedTuple):
    """Somebody began to say something to the run that a plan has him say."""

    seconds: float
    worker: str
    fault: Spoken


class Said(NamedTuple):
    """Something that somebody did to a simulation by hand, or learnt from it.

    Attributes:
        seconds: when, in virtual time.
        worker: to which process; empty where it concerns all.
        text: what, in words.
        run_id: to which run; empty where it concerns all.
        fault: no planned one.
    """

    seconds: float
    worker: str
    text: str
    run_id: str = ""
    fault: None = None


Happening = Booted | Appended | Entered | Spoke | Said


@dataclass(slots=True)
class Journal:
    """What happened in a simulation.

    Attributes:
        happenings: in order.
        fired: the faults that struck, each once, in order.
        written: the numbers of the appends that the log took, or found that it had.
        over_limits: where the limit of an action was not kept, as run ids and words.
    """

    happenings: list[Happening] = field(default_factory=list)
    fired: list[Fault] = field(default_factory=list)
    written: set[int] = field(default_factory=set)
    over_limits: list[tuple[str, str]] = field(default_factory=list)
    _leases: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, happening: Happening) -> None:
        """Note something."""
        self.happenings.append(happening)
        fault = happening.fault
        if fault is not None and fault not in self.fired:
            self.fired.append(fault)

    def beat(self, worker: str, now: float, until: float) -> None:
        """Note that a lease holds from now until then; another one, if the one before has lapsed."""
        number, lasted = self._leases.get(worker, (0, now))
        self._leases[worker] = (number + (lasted <= now), until)

    def released(self, worker: str) -> None:
        """Note that a process gives up its lease."""
        number, _ = self._leases.get(worker, (0, 0.0))
        self._leases[worker] = (number, float("-inf"))

    def lease(self, worker: str, now: float) -> int:
        """Return which of its leases a process has, from 1; 0 if it has none that holds."""
        number, until = self._leases.get(worker, (0, now))
        return number if now < until else 0

    def of(self, run_id: str) -> "Journal":
        """Return what concerns one run, with what happened to the processes that had to do with it."""
        workers = {happening.worker for happening in self.happenings if _run_of(happening) == run_id} | {""}
        of_run = Journal(written=self.written)
        for happening in self.happenings:
            run = _run_of(happening)
            if run == run_id or (not run and happening.worker in workers):
                of_run.add(happening)
        return of_run


def _run_of(happening: Happening) -> str:
    return "" if isinstance(happening, Booted | Spoke) else happening.run_id
