"""Reads what others have written to a run that is hosted here: signals, cancellations, and what else people say.

Whoever has something to say to a run appends it, and rings. The worker that has the run re-reads and goes on; a claim
among what it reads says that the run is no longer its own (decision record 030).
"""

from collections.abc import Sequence
from dataclasses import fields

from ..errors import AppendConflict
from .events import Event, RunClaimed, RunStarted
from .host import Host
from .log.patience import until_answered
from .state import RunState, evolve, fold


async def written_by_others(host: Host, state: RunState, version: int) -> Sequence[Event]:
    """Return what a run has behind `version`; or all of it, if this is not all that `state` lacks.

    Raises:
        AppendConflict: one of the events behind `version` is a claim.
    """
    events = theirs = await _read(host, state.run_id, version)
    if theirs and state.version != version:
        events = await _read(host, state.run_id, 0)
        theirs = events[version:]
    if any(isinstance(event, RunClaimed) for event in theirs):
        raise AppendConflict(state.run_id, version)
    return events


async def _read(host: Host, run_id: str, after_version: int) -> Sequence[Event]:
    records = await until_answered(lambda: host.log.read(run_id, after_version))
    return [host.codec.decode(record) for record in records]


def refold(state: RunState, events: Sequence[Event], version: int) -> Sequence[Event]:
    """Bring `state`, which others hold, up to what `written_by_others` returned, and return what others have written.

    Where nothing was pending, what they wrote is simply what came next; else it is folded anew without what was.
    """
    if isinstance(events[0], RunStarted):
        fresh = fold(state.run_id, events)
        for field in fields(RunState):
            setattr(state, field.name, getattr(fresh, field.name))
        return events[version:]
    for event in events:
        evolve(state, event)
    return events
