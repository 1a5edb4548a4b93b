"""The invariants that only a scenario, and those who asked for its run, can hold: they know more than the events.

One function each, by whose name a violation is called. Each yields what is wrong, one sentence a breach.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..saga.events import FailingReason, ParkReason, RunParked, RunStatus
from ..saga.state import RunState, UndoStatus
from .checker import Violation
from .history_checks import History
from .ledger import Kind
from .plan import Fault, HandlerFault
from .scenario import Scenario

__all__ = ["SCENARIO_INVARIANTS", "SeenRun", "of_scenario"]


class SeenRun(NamedTuple):
    """A run of a scenario, as it was seen from outside.

    Attributes:
        scenario: what was run.
        run_id: as which run.
        history: the run's events, from its first.
        state: the run as they leave it.
        told: what those who asked were told, in order.
        faults: what went wrong, or was to.
        asked_outside: what handlers asked for that there is none of in a simulation.
    """

    scenario: Scenario
    run_id: str
    history: History
    state: RunState
    told: Sequence[RunStatus]
    faults: Sequence[Fault]
    asked_outside: frozenset[str] = frozenset()


def nothing_from_outside(run: SeenRun) -> Iterator[str]:
    """A handler that needs the network, a thread or another process cannot run in a simulation."""
    for what in sorted(run.asked_outside):
        yield f"{what}: there is none in a simulation; give the action a stand-in"


def no_start_is_lost(run: SeenRun) -> Iterator[str]:
    """I22: what was acknowledged is in the log; a client asks until it is."""
    if not run.state.version:
        yield "the log has no such run"


def everybody_is_told_the_same(run: SeenRun) -> Iterator[str]:
    """I23: every caller gets the run's one end."""
    allowed = {run.state.status}
    if run.state.failing is not None and run.state.failing.reason is FailingReason.UNDONE:
        allowed.add(RunStatus.COMPLETED)  # It was, until a person had it undone.
    for other in sorted({told for told in run.told if told.ended} - allowed):
        yield f"{other}, and the log says {run.state.status}"


def effects_fit_the_end(run: SeenRun) -> Iterator[str]:
    """I18: completed means every effect of the `World` once, compensated none, else exactly what remains."""
    if run.scenario.world is not None:
        yield from run.scenario.world.breaches(run.run_id, run.history)


def replays_ask_the_same(run: SeenRun) -> Iterator[str]:
    """I16: run again over its recorded results, the saga asks for the same steps."""
    for _, event in run.history.of(RunParked):
        if event.reason is ParkReason.DIVERGED:
            yield f"the saga does not ask for the same steps again: {event.detail}"


def undos_work(run: SeenRun) -> Iterator[str]:
    """A run is parked over an undo only if the plan has something against that undo."""
    state = run.state
    if run.scenario.undos_may_fail or state.parked is None or state.parked.reason is not ParkReason.UNDO_FAILED:
        return
    struck = {fault.action for fault in run.faults if isinstance(fault, HandlerFault) and fault.kind is not Kind.DO}
    for step in state.steps.values():
        if step.undo is UndoStatus.FAILED and step.action not in struck:
            error = step.undo_error.message if step.undo_error else ""
            yield f"the undo of step {step.path} ({step.action}) fails by itself: {error}"


SCENARIO_INVARIANTS: tuple[Callable[[SeenRun], Iterator[str]], ...] = (
    nothing_from_outside,
    no_start_is_lost,
    everybody_is_told_the_same,
    effects_fit_the_end,
    replays_ask_the_same,
    undos_work,
)


def of_scenario(run: SeenRun) -> Iterator[Violation]:
    """Yield every breach of these."""
    for invariant in SCENARIO_INVARIANTS:
        for what in invariant(run):
            yield Violation(invariant.__name__, what)
