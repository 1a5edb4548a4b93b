"""Events that are no run's: who was shown what. They stand in streams of their own, and followers of the log meet them.

Their streams' ids begin with `~`, as that of no run does.
"""

from typing import ClassVar

from .events import Event

__all__ = ["ACCESS_TYPES", "PayloadsViewed"]


class PayloadsViewed(Event):
    """Somebody is shown inputs, outputs, payloads or texts of errors of a run."""

    TOPIC: ClassVar[str] = "amends.saga.access:PayloadsViewed"
    run_id: str
    by: str
    what: str
    """Where they saw them: `events`, say."""


ACCESS_TYPES: tuple[type[Event], ...] = (PayloadsViewed,)
"""Every event that is no run's. The set only grows, as that of the runs does."""

# The eventsourcing library finds out by this annotation that its own mapper may build our events with a text id. It
# must not be a field (an event does not know its place), so it is added when all models are complete.
Event.__annotations__ |= {"originator_id": str, "originator_version": int}
