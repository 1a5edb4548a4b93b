"""Handlers that start runs: of a saga, or of one action.

A start is known by what the caller gives it: a run id, or an `Idempotency-Key`, which stands for a run id of its own
for each token. So a reply that was lost is asked for again, and another start under the same key is a conflict.
"""

import asyncio
import re

from starlette.responses import Response

from ...errors import InvalidValue, RunConflict
from ...saga.definition import INVOKE_PREFIX
from ...saga.handle import RunHandle
from ...saga.ids import derived_uuid
from .answers import RunStarted, answer
from .asked import Start
from .problems import Problem
from .reading import registered
from .table import Ask
from .waiting import rested, result_of, wait_seconds

__all__ = ["idempotency_key", "invoke_action", "start_saga"]

STARTED_BY = "amends.started-by"
"""The tag that says who started a run."""

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


async def start_saga(ask: Ask) -> Response:
    """Start a run of a saga."""
    registered("saga", ask.path("saga"), [saga.name for saga in ask.console.coordinator.registry.sagas])
    return await _start(ask, ask.path("saga"))


async def invoke_action(ask: Ask) -> Response:
    """Run one action as a run of its own."""
    registered("action", ask.path("action"), list(ask.console.coordinator.registry.actions))
    return await _start(ask, f"{INVOKE_PREFIX}{ask.path('action')}")


async def _start(ask: Ask, saga: str) -> Response:
    body: Start = ask.body
    run_id = _run_id(ask, body)
    waits = wait_seconds(ask)
    handle = await _placed(ask, saga, body, _tags(ask, body), run_id)
    # Who does not wait is told of a run that is at rest already: it may have been started long ago.
    state = await rested(ask, handle.run_id) or await ask.console.coordinator.runs.state(handle.run_id)
    root = ask.request.scope.get("root_path", "")
    headers = {"Location": f"{root}/api/runs/{handle.run_id}"}
    if waits and "prefer" in ask.request.headers:
        headers["Preference-Applied"] = f"wait={waits:.0f}"
    output, failure = await result_of(ask, state)
    shown = RunStarted(run_id=state.run_id, status=state.status, at_rest=state.at_rest, output=output, failure=failure)
    return answer(shown, 200 if state.at_rest else 202, headers)


async def _placed(ask: Ask, saga: str, body: Start, tags: dict[str, str], run_id: str | None) -> "RunHandle[object]":
    try:
        async with asyncio.timeout(ask.console.settings.start_seconds):
            return await ask.console.coordinator.start(
                saga, body.input, run_id=run_id, tags=tags, deadline_seconds=body.deadline_seconds
            )
    except RunConflict as conflict:
        if idempotency_key(ask) is None:
            raise Problem(409, "run-conflict", str(conflict), field="body.run_id", facts={"run_id": run_id}) from None
        other = conflict.difference
        said = f"this Idempotency-Key has started a run with another {other}; use another key, or the same {other}"
        facts = {"run_id": conflict.run_id}
        raise Problem(409, "run-conflict", said, field="Idempotency-Key", facts=facts) from None
    except TimeoutError:
        said = "nothing was free to run it, and nobody knows whether it was started; ask again with the same key"
        raise Problem(503, "no-place", said, headers={"Retry-After": "5"}) from None


def _tags(ask: Ask, body: Start) -> dict[str, str]:
    """Return the tags of a run, and with them who started it, which is not for the caller to say."""
    if STARTED_BY in body.tags:
        raise InvalidValue(f"body.tags.{STARTED_BY}", "is set to the name of the token; leave it out")
    return {**body.tags, STARTED_BY: ask.actor.name}


def _run_id(ask: Ask, body: Start) -> str | None:
    key = idempotency_key(ask)
    if key is None:
        return body.run_id
    if body.run_id is not None:
        raise InvalidValue("body.run_id", "give a run_id or an Idempotency-Key, not both: each names the run")
    return str(derived_uuid(f"{ask.actor.name} idempotency-key {key}"))


def idempotency_key(ask: Ask) -> str | None:
    """Return the `Idempotency-Key` of a request, in quotation marks or not; None if it has none.

    Raises:
        InvalidValue: it is empty, too long, or not of printable ASCII; or there are two.
    """
    given = ask.request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0].strip().removeprefix('"').removesuffix('"')
    if len(given) > 1 or not _KEY.fullmatch(key):
        raise InvalidValue("Idempotency-Key", "use one key of 1 to 200 printable ASCII characters without spaces")
    return key
