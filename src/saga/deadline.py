"""The deadline of a run: when it passes, the run fails and is undone."""

from collections.abc import Callable
from datetime import datetime

from ..clock import Clock
from .events import ErrorInfo, FailingReason, RunStatus
from .moments import SagaFailed
from .state import RunState
from .under_way import UnderWay


def watch(state: RunState, under_way: UnderWay, clock: Clock, take: Callable[[SagaFailed], None]) -> None:
    """Tell `take` when the deadline of a run that goes forward passes; at once, if it has passed."""
    deadline = state.deadline
    if deadline is None or state.status is not RunStatus.RUNNING:
        return

    def passed(at: datetime) -> None:
        said = f"the run was to have ended by {at.isoformat(timespec='milliseconds')}"
        take(SagaFailed(FailingReason.DEADLINE, ErrorInfo(type="DeadlineExceeded", message=said)))

    if deadline <= clock.now():
        passed(deadline)
    else:
        under_way.call(deadline, "deadline", passed, deadline)
