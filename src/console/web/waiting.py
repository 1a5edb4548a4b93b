"""How long a request waits for a run, and what is said of the run then."""

import asyncio
import re
from contextlib import suppress

from ...errors import InvalidValue
from ...saga.events import RunStatus
from ...saga.handle import run_failed
from ...saga.state import RunState
from .answers import Failure, RunStarted
from .json_text import stored_value
from .table import Ask

__all__ = ["rested", "started", "wait_seconds"]

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)


def wait_seconds(ask: Ask) -> float:
    """Return how long a request is to wait: `wait_seconds`, or `Prefer: wait=N` (RFC 7240) as far as that goes.

    Raises:
        InvalidValue: `wait_seconds` is more than the console waits.
    """
    longest = ask.console.settings.wait_limit_seconds
    asked: float | None = ask.query.wait_seconds
    if asked is not None:
        if asked > longest:
            raise InvalidValue("query.wait_seconds", f"use at most {longest:g}, and ask again")
        return asked
    preferred = _WAIT.search(", ".join(ask.request.headers.getlist("prefer")))
    return min(float(preferred[1]), longest) if preferred else 0.0


async def rested(ask: Ask, run_id: str) -> RunState | None:
    """Wait for a run as long as the request says; return it if it has come to rest by then."""
    seconds = wait_seconds(ask)
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await ask.console.coordinator.runs.at_rest(run_id)
    return None


def started(state: RunState, *, payloads: bool) -> RunStarted:
    """Return what is said of a run that was started."""
    shown = RunStarted(run_id=state.run_id, status=state.status, at_rest=state.at_rest)
    if state.status is RunStatus.COMPLETED:
        shown.output = stored_value(state.output) if payloads else None
    elif state.at_rest:
        failed = run_failed(state)
        reason = failed.reason if payloads else None
        shown.failure = Failure(action=failed.action, reason=reason, remaining=list(failed.remaining))
    return shown
