"""Handlers that tell a run something, as a person may. Who says it is the token's name, whatever the request says."""

import os
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from ...errors import InvalidValue
from ...projections.bulk import tell
from ...saga.ids import checked_run_id
from .answers import CommandTaken, SignalTaken, answer
from .asked import Reason, SignalSaid, Waiver
from .starting import idempotency_key
from .table import Ask

__all__ = ["SAID", "signal", "telling", "told"]

SAID = ("cancel", "retry", "resume", "waive", "undo", "abandon")
"""The methods of `RunHandle` that are commands of a person."""


def telling(name: str) -> Callable[[Ask], Awaitable[Response]]:
    """Return the handler of a command."""

    async def handler(ask: Ask) -> Response:
        body: Reason = ask.body
        steps = (body.step,) if isinstance(body, Waiver) else ()
        return answer(await told(ask, name, ask.path("run_id"), *steps, reason=body.reason))

    return handler


async def told(ask: Ask, name: str, run_id: str, *steps: str, reason: str) -> CommandTaken:
    """Tell a run a command, in the name of whoever asks, and return what came of it."""
    handle = ask.console.coordinator.handle(checked_run_id(run_id))
    changed, status = await tell(
        handle, lambda held: getattr(held, name)(*steps, by=ask.actor.name, reason=reason), by=ask.actor.name
    )
    return CommandTaken(run_id=handle.run_id, changed=changed, status=status)


async def signal(ask: Ask) -> Response:
    """Tell a run what its saga waits for."""
    body: SignalSaid = ask.body
    header = idempotency_key(ask)
    if header is not None and body.key is not None:
        raise InvalidValue("body.key", "give a key or an Idempotency-Key, not both")
    key = header or body.key or os.urandom(16).hex()
    handle = ask.console.coordinator.handle(checked_run_id(ask.path("run_id")))
    await handle.signal(body.name, body.payload, by=ask.actor.name, key=key)
    return answer(SignalTaken(run_id=handle.run_id, signal=body.name, key=key))
