"""The invariants that only a simulation can hold: its scenario, its world and its client know more than the events.

One function each, by whose name a violation is called. Each yields what is wrong, one sentence a breach.
"""

from collections.abc import Callable, Iterator

from ..saga.events import ParkReason, RunParked
from ..saga.state import UndoStatus
from .checker import Violation
from .history_checks import History
from .ledger import Kind
from .plan import HandlerFault
from .simulation import Simulation

__all__ = ["SIMULATION_INVARIANTS", "breaches"]


def nothing_from_outside(simulation: Simulation) -> Iterator[str]:
    """A handler that needs the network, a thread or another process cannot run in a simulation."""
    for what in sorted(simulation.asked_outside):
        yield f"{what}: there is none in a simulation; give the action a stand-in"


def no_start_is_lost(simulation: Simulation) -> Iterator[str]:
    """I22: what was acknowledged is in the log; a client asks until it is."""
    if not simulation.state.version:
        yield "the log has no such run"


def everybody_is_told_the_same(simulation: Simulation) -> Iterator[str]:
    """I23: every caller gets the run's one end."""
    status = simulation.state.status
    for other in sorted({told for told in simulation.told if told.ended} - {status}):
        yield f"{other}, and the log says {status}"


def effects_fit_the_end(simulation: Simulation) -> Iterator[str]:
    """I18: completed means every effect of the `World` once, compensated none, else exactly what remains."""
    if simulation.scenario.world is not None:
        yield from simulation.scenario.world.breaches(simulation.scenario.run_id, History(simulation.events))


def ends_as_it_should(simulation: Simulation) -> Iterator[str]:
    """Without a fault, the run ends as the scenario says; a saga that never gets anywhere proves nothing."""
    expected = simulation.scenario.ends
    if not simulation.fired and expected not in (None, simulation.status):
        yield f"without any fault, the run is {simulation.status} and not {expected}"


def replays_ask_the_same(simulation: Simulation) -> Iterator[str]:
    """I16: run again over its recorded results, the saga asks for the same steps."""
    for event in simulation.events:
        if isinstance(event, RunParked) and event.reason is ParkReason.DIVERGED:
            yield f"the saga does not ask for the same steps again: {event.detail}"


def undos_work(simulation: Simulation) -> Iterator[str]:
    """A run is parked over an undo only if the plan has something against that undo."""
    state, scenario = simulation.state, simulation.scenario
    if scenario.undos_may_fail or state.parked is None or state.parked.reason is not ParkReason.UNDO_FAILED:
        return
    faults = (fault for fault in simulation.plan if isinstance(fault, HandlerFault))
    struck = {fault.action for fault in faults if fault.kind is not Kind.DO}
    for step in state.steps.values():
        if step.undo is UndoStatus.FAILED and step.action not in struck:
            error = step.undo_error.message if step.undo_error else ""
            yield f"the undo of step {step.path} ({step.action}) fails by itself: {error}"


def holds(simulation: Simulation) -> Iterator[str]:
    """What the scenario itself asks for."""
    own = simulation.scenario.holds
    if own is None:
        return
    name = getattr(own, "__name__", "it")
    try:
        if own(simulation) is False:
            yield f"{name} returned False"
    except AssertionError as error:
        said = str(error).partition("\n")[0]  # An assertion that pytest has rewritten goes on for lines.
        yield f"{name}: {said or 'the assertion is false'}"
    except Exception as error:
        yield f"{name} raised {type(error).__name__}: {error}"


SIMULATION_INVARIANTS: tuple[Callable[[Simulation], Iterator[str]], ...] = (
    nothing_from_outside,
    no_start_is_lost,
    everybody_is_told_the_same,
    effects_fit_the_end,
    ends_as_it_should,
    replays_ask_the_same,
    undos_work,
    holds,
)


def breaches(simulation: Simulation) -> Iterator[Violation]:
    """Yield every breach of these."""
    for invariant in SIMULATION_INVARIANTS:
        for what in invariant(simulation):
            yield Violation(invariant.__name__, what)
