"""What the log's table of unfinished runs says of a run: a fold of its events, kept in the append's own transaction."""

from . import events as e
from .events import Event
from .log.port import FOR_EVER, Standing
from .slots import NONE, slots_after
from .state import RunState

_OF_STEPS = frozenset((e.ActionStarted, e.ActionSucceeded, e.ActionFailed, e.CompensationStarted, e.ActionCompensated))
"""Most events; they change nothing here. (That a run only waits is no event: see `Outbox.next_batch`.)"""


def standing_of(state: RunState) -> Standing | None:
    """Return how a run stands that was read from the log; None before its first event."""
    if not state.version:
        return None
    unwinding, slots = state.failing is not None, state.slots.wanted()
    return Standing(state.saga, state.saga_version, state.worker, unwinding, state.at_rest, slots=slots)


def standing_of_start(started: e.RunStarted) -> Standing:
    """Return how a run stands that is started for whoever claims it first."""
    slots = slots_after(NONE, started)
    queued_until = None if slots.next is None else started.deadline or FOR_EVER
    return Standing(started.saga, started.saga_version, slots=slots.wanted(), queued_until=queued_until)


def standing_after(standing: Standing | None, event: Event) -> Standing | None:
    """Return how a run stands for those who look for work, after `event`, but for its slots; None before its first."""
    if type(event) in _OF_STEPS:
        return standing
    if isinstance(event, e.RunStarted):
        return Standing(event.saga, event.saga_version)
    if standing is None:
        return None
    match event:
        case e.RunClaimed():
            return standing._replace(owner=event.worker)
        case e.RunFailing():
            return standing._replace(unwinding=True, at_rest=False)
        case e.RunResumed():
            return standing._replace(at_rest=False)
        case e.RunParked() | e.RunCompleted() | e.RunCompensated() | e.RunAbandoned():
            return standing._replace(at_rest=True)
        case _:
            return standing


def unowned(standing: Standing | None) -> Standing | None:
    """A driver begins with a claim, and that is to be written down even where the last claim was this worker's own."""
    return None if standing is None else standing._replace(owner=None)
