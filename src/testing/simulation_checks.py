"""What is held over a simulation as a whole, and all together that is held over it."""

from collections import Counter
from collections.abc import Callable, Iterator

from ..saga import events as e
from .checker import Violation, breaches_of
from .history_checks import History
from .scenario_checks import SeenRun, of_scenario
from .simulation import Simulation
from .spoken import Deadline, Signal

__all__ = ["SIMULATION_INVARIANTS", "breaches"]

DEADLINE_SECONDS = 1.0
"""How late a run may be to fail when its deadline has come."""


def ends_as_it_should(simulation: Simulation) -> Iterator[str]:
    """Without a fault, the run ends as the scenario says; a saga that never gets anywhere proves nothing."""
    expected = simulation.scenario.ends
    if not simulation.fired and expected not in (None, simulation.status):
        yield f"without any fault, the run is {simulation.status} and not {expected}"


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


def what_was_heard_is_on_record(simulation: Simulation) -> Iterator[str]:
    """I23: who was told that his signal, his cancel or his last word is taken finds it in the log, and once."""
    over = any(isinstance(event, (e.RunFailing, e.RunCompleted, e.RunAbandoned)) for event in simulation.events)
    received = Counter(event.key for event in simulation.events if isinstance(event, e.SignalReceived))
    for spoken in simulation.heard:
        if isinstance(spoken, Signal):
            if received[spoken.key] != 1:
                yield f"{spoken} was heard, and the log has it {received[spoken.key]} times"
        elif not over:
            yield f"{spoken} was heard, and the run goes on"


def deadlines_are_kept(simulation: Simulation) -> Iterator[str]:
    """Where nothing else goes wrong, a run fails when its deadline has come, hosted or not, and begins nothing then."""
    deadline = simulation.state.deadline
    if deadline is None or simulation.state.commits or not all(isinstance(f, Deadline) for f in simulation.fired):
        return
    decided = (e.RunFailing, e.RunCompleted, e.RunAbandoned, e.RunParked)
    found = next((event.occurred_at for event in simulation.events if isinstance(event, decided)), None)
    if found is None or (found - deadline).total_seconds() > DEADLINE_SECONDS:
        yield f"it was to end by {deadline}, and came to a decision at {found}"
    for event in simulation.events:
        if isinstance(event, e.ActionStarted) and event.occurred_at > deadline:
            yield f"step {event.step} began at {event.occurred_at}, and the deadline was {deadline}"


def limits_are_kept(simulation: Simulation) -> Iterator[str]:
    """I24: by those whose leases hold, no more attempts are under way, and no more begin, than the action allows."""
    yield from (what for _, what in simulation.journal.over_limits)


SIMULATION_INVARIANTS: tuple[Callable[[Simulation], Iterator[str]], ...] = (
    ends_as_it_should,
    holds,
    what_was_heard_is_on_record,
    deadlines_are_kept,
    limits_are_kept,
)


def breaches(simulation: Simulation) -> Iterator[Violation]:
    """Yield every breach, of all that is held over a run, over a scenario's, and of these."""
    history = History(simulation.events)
    yield from breaches_of(history, simulation.notes)
    scenario, faults = simulation.scenario, [*simulation.plan.faults, *simulation.fired]
    seen = (scenario, scenario.run_id, history, simulation.state, simulation.told, faults, simulation.asked_outside)
    yield from of_scenario(SeenRun(*seen))
    for invariant in SIMULATION_INVARIANTS:
        for what in invariant(simulation):
            yield Violation(invariant.__name__, what)
