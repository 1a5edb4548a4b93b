"""How long a request waits for a run, and what is said of the run then."""

import asyncio
import re
from typing import Any

from ...errors import InvalidValue
from ...saga.events import RunStatus
from ...saga.handle import run_failed
from ...saga.state import RunState
from .answers import Failure
from .json_text import stored_value
from .table import Ask

__all__ = ["rested", "result_of", "wait_seconds"]

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
    if seconds == 0:
        return None
    resting = asyncio.ensure_future(ask.console.coordinator.runs.at_rest(run_id))
    closing = asyncio.ensure_future(ask.console.closing.wait())
    try:
        await asyncio.wait({resting, closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return resting.result() if resting.done() else None
    finally:
        resting.cancel()
        closing.cancel()


async def result_of(ask: Ask, state: RunState) -> tuple[Any, Failure | None]:
    """Return the output of a run, or why it has none; neither while it is not at rest. An output is a payload."""
    payloads = ask.actor.payloads
    if state.status is RunStatus.COMPLETED:
        output = stored_value(state.output) if payloads else None
        if output is not None:
            await ask.console.views.record(ask.actor, state.run_id, "output")
        return output, None
    if not state.at_rest:
        return None, None
    failed = run_failed(state)
    reason = failed.reason if payloads else None
    if reason is not None:
        await ask.console.views.record_texts(ask.actor, [state.run_id])
    return None, Failure(action=failed.action, reason=reason, remaining=list(failed.remaining))
