"""When a worker lets go of a run that only waits: it needs no place, no memory and no owner until it is due."""

from datetime import datetime, timedelta

from .host import Host
from .log.patience import Patience
from .log.port import FOR_EVER
from .moments import SlotsHeld
from .places import Places
from .state import RunState

HOSTED_WAIT = timedelta(seconds=1)
"""A run that waits for no longer than this keeps its place: to let go of it and claim it again costs more."""


class LetGo(Exception):
    """This worker has let go of a run that only waits."""


def due_at(state: RunState, now: datetime) -> datetime | None:
    """Return when a run is due of which a worker had better let go; None if it is to keep it."""
    if not state.only_waits:
        return None
    deadline = FOR_EVER if state.commits else state.deadline or FOR_EVER
    due = min(state.waits.next_due() or FOR_EVER, deadline)
    return due if due > now + HOSTED_WAIT else None


class Place:
    """The place of a run that is hosted, which it lends to others while it waits for what they may have.

    Args:
        places: of its worker.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._is_lent = False

    def lend(self, is_lent: bool) -> None:
        """Lend it to others, or take it back, whether one is free or not."""
        if is_lent and not self._is_lent:
            self._places.release()
        elif self._is_lent and not is_lent:
            self._places.take()
        self._is_lent = is_lent


async def slots_held(host: Host, state: RunState) -> SlotsHeld | None:
    """Return what a run has that waits for a slot; None if the log has let go of it until it has that."""
    holding = await Patience(float("inf")).ask(lambda: host.log.holding(state.run_id))
    return SlotsHeld(holding.slots) if holding.owner == state.worker else None
