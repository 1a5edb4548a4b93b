"""Which runs of a cluster go on only when somebody does something about it."""

from collections.abc import Mapping

from ..saga.events import RunStatus
from ..saga.state import RunState
from .faulty_log import FaultyLog

__all__ = ["held_up", "waits_for_somebody"]


def waits_for_somebody(state: RunState, log: FaultyLog) -> bool:
    """Whether a run goes on only when somebody tells it a signal, or gives back what it waits for."""
    if not state.only_waits or state.waits.next_due() is not None or state.deadline is not None:
        return False
    return state.slots.next is None or state.slots.next.name not in log.held(state.run_id)


def held_up(states: Mapping[str, RunState]) -> set[str]:
    """Return the runs that wait for what parked runs have, one behind the other."""
    having: dict[str, set[str]] = {}
    for run_id, state in states.items():
        for slot in state.slots.wanted() or ():
            if slot != state.slots.next:
                having.setdefault(slot.name, set()).add(run_id)
    stuck = {run_id for run_id, state in states.items() if state.status is RunStatus.PARKED}
    while True:
        behind = {
            run_id
            for run_id, state in states.items()
            if run_id not in stuck and state.slots.next and having.get(state.slots.next.name, {""}) <= stuck
        }
        if not behind:
            return {run_id for run_id in stuck if states[run_id].status is not RunStatus.PARKED}
        stuck |= behind
