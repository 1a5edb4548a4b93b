"""What only a scenario and those who asked for its run can tell of how the run ended."""

from collections.abc import Iterable, Iterator, Sequence

from ..saga.events import Event, ParkReason, RunStatus
from ..saga.state import UndoStatus, fold
from .checker import Violation
from .history_checks import History
from .ledger import Kind
from .plan import Fault, HandlerFault
from .scenario import Scenario

__all__ = ["of_scenario"]


def of_scenario(
    scenario: Scenario, run_id: str, events: Sequence[Event], told: Sequence[RunStatus], faults: Iterable[Fault]
) -> Iterator[Violation]:
    """Yield what is wrong with a run for its scenario.

    Args:
        scenario: what was run.
        run_id: as which run.
        events: the run's, from its first.
        told: what those who asked were told, in order.
        faults: what went wrong.
    """
    state = fold(run_id, events)
    if not state.version:
        yield Violation("no_start_is_lost", "the log has no such run")
        return
    if told and told[-1] is not state.status:
        yield Violation("everybody_is_told_the_same", f"{told[-1]}, and the log says {state.status}")
    if len({status for status in told if status.ended}) > 1:
        yield Violation("everybody_is_told_the_same", f"{list(told)}")
    if scenario.world is not None:
        history = History(events)
        for what in scenario.world.breaches(run_id, history):
            yield Violation("effects_fit_the_end", what)
    if state.status is RunStatus.PARKED and state.parked and state.parked.reason is ParkReason.UNDO_FAILED:
        struck = {fault.action for fault in faults if isinstance(fault, HandlerFault) and fault.kind is not Kind.DO}
        for step in state.steps.values() if not scenario.undos_may_fail else ():
            if step.undo is UndoStatus.FAILED and step.action not in struck:
                error = step.undo_error.message if step.undo_error else ""
                yield Violation("undos_work", f"the undo of step {step.path} ({step.action}) fails by itself: {error}")
