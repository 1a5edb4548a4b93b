"""What a hook is told: that a run is parked, or has ended; made of the event that says so and what the run's log says.

Pure: rows and events in, a value out.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..saga import events as e
from ..saga.access import ACCESS_TYPES
from ..saga.events import EVENT_TYPES, Event, FailingReason, ParkReason, Remaining, RunStatus
from .projection import RecordedEvent

__all__ = ["FACT_TOPICS", "QUIET_TOPICS", "RunNotice", "notice_of", "passes_over"]

KEY_LIMIT = 200
"""Characters of a run id."""

_DIGEST_CHARACTERS = 32

_TOLD: tuple[type[Event], ...] = (e.RunParked, e.RunCompleted, e.RunCompensated, e.RunAbandoned)

QUIET_TOPICS = frozenset(kind.TOPIC for kind in (*EVENT_TYPES, *ACCESS_TYPES) if kind not in _TOLD)
"""The events of which no hook is told. One of an unknown topic is not among them: it may be an end that only a newer
version of this code knows, so it is set aside, and can be delivered when that version is here."""

FACT_TOPICS = (e.RunStarted.TOPIC, e.RunFailing.TOPIC)
"""What else of a run's log a notice is made of."""


@dataclass(frozen=True)
class RunNotice:
    """What a hook is told of a run.

    Attributes:
        hook: the name of the hooks.
        position: of the event in the log; later events of the run may have superseded it.
        run_id: the run.
        saga: its saga.
        saga_version: and its version.
        status: how it stood after that event: parked, or how it ended.
        reason: why it was parked, or why it was undone; None for one that completed.
        detail: the same in words; None for one that completed.
        action: the action whose failure was the reason that it is or was undone, or None.
        remaining: the steps whose effects stand although it was undone, or is parked.
        occurred_at: when it was parked or ended (aware UTC).
        started_at: when it was started.
        tags: what it was started with.
    """

    hook: str
    position: int
    run_id: str
    saga: str
    saga_version: int
    status: RunStatus
    reason: ParkReason | FailingReason | None
    detail: str | None
    action: str | None
    remaining: tuple[Remaining, ...]
    occurred_at: datetime
    started_at: datetime
    tags: Mapping[str, str]

    @property
    def idempotency_key(self) -> str:
        """The same for every delivery of this notice, and for no other notice; fit to be the id of a run."""
        key = f"{self.hook}:{self.run_id}:{self.position}"
        if len(key) <= KEY_LIMIT:
            return key
        digest = hashlib.sha256(self.run_id.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        kept = KEY_LIMIT - len(f"{self.hook}:-{digest}:{self.position}")
        return f"{self.hook}:{self.run_id[:kept]}-{digest}:{self.position}"


def notice_of(hook: str, recorded: RecordedEvent, facts: Iterable[Event]) -> RunNotice | None:
    """Return what a hook is told of an event, or None if it is none of those that hooks are told of.

    Args:
        hook: its name.
        recorded: the event.
        facts: the events of the topics `FACT_TOPICS` that the run has before it.

    Raises:
        ValueError: the run has no start.
    """
    event = recorded.event
    started: e.RunStarted | None = None
    failing: e.RunFailing | None = None
    for fact in facts:
        started = fact if isinstance(fact, e.RunStarted) else started
        failing = fact if isinstance(fact, e.RunFailing) else failing
    reason: ParkReason | FailingReason | None = failing.reason if failing else None
    detail = failing.error.said if failing else None
    remaining: tuple[Remaining, ...] = ()
    match event:
        case e.RunParked():
            status, reason, detail, remaining = RunStatus.PARKED, event.reason, event.detail, event.remaining
        case e.RunCompleted():
            status, reason, detail = RunStatus.COMPLETED, None, None  # It may have been undone since, on request.
        case e.RunCompensated(remaining=remaining):
            status = RunStatus.PARTIALLY_COMPENSATED if remaining else RunStatus.COMPENSATED
        case e.RunAbandoned(remaining=remaining):
            status, reason, detail = RunStatus.ABANDONED, None, f"abandoned by {event.by}: {event.reason}"
        case _:
            return None
    if started is None:
        raise ValueError("the run has no RunStarted before this event")
    return RunNotice(
        hook=hook,
        position=recorded.position,
        run_id=recorded.run_id,
        saga=started.saga,
        saga_version=started.saga_version,
        status=status,
        reason=reason,
        detail=detail,
        action=failing.action if failing else None,
        remaining=remaining,
        occurred_at=event.occurred_at,
        started_at=started.occurred_at,
        tags=started.tags,
    )


def passes_over(hook: str, notice: RunNotice) -> bool:
    """Tell whether a notice is about a run that the hook started itself, under the key of another notice.

    Of those the ends are passed over: a hook that starts a run for each run that ends would never stop. Their parking
    is not, because it is an alarm; but that of a run that was started because of one is, for the same reason.

    >>> import re
    >>> bool(re.fullmatch("alerts:.+:[0-9]+", "alerts:signup:ada:417"))
    True
    """
    own = rf"{re.escape(hook)}:.+:[0-9]+"
    if notice.status is RunStatus.PARKED:
        own = rf"{re.escape(hook)}:{own}"
    return re.fullmatch(own, notice.run_id) is not None
