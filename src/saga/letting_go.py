"""When a worker lets go of a run that only waits: it needs no place, no memory and no owner until it is due."""

from datetime import datetime, timedelta

from .log.port import FOR_EVER
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
