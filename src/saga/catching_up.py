"""Reads what others have written to a run that is hosted here: signals, cancellations, and what else people say.

Whoever has something to say to a run appends it, and rings. The worker that has the run re-reads and goes on; a claim
among what it reads says that the run is no longer its own (decision record 030).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import fields

from ..errors import AppendConflict, LogUnavailable
from .events import Event, RunClaimed
from .host import Host
from .state import RunState, fold

PAUSE_SECONDS = 1.0


async def written_by_others(host: Host, run_id: str, version: int) -> Sequence[Event]:
    """Return all events of a run if there are any behind `version`, else none.

    Raises:
        AppendConflict: one of those behind `version` is a claim.
    """
    while True:
        try:
            if not await host.log.read(run_id, version):
                return ()
            events = [host.codec.decode(record) for record in await host.log.read(run_id)]
        except LogUnavailable:
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            if any(isinstance(event, RunClaimed) for event in events[version:]):
                raise AppendConflict(run_id, version)
            return events


def refold(state: RunState, events: Sequence[Event]) -> None:
    """Make `state`, which others hold, what these events of the run add up to."""
    fresh = fold(state.run_id, events)
    for field in fields(RunState):
        setattr(state, field.name, getattr(fresh, field.name))
