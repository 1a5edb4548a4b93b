"""The page of one run: its timeline, its steps, what remains, what may be told, and values on demand."""

import asyncio
from dataclasses import replace

from starlette.responses import Response

from ....saga.events import RunCompleted
from ....saga.ids import checked_run_id
from ..problems import Problem
from ..shown import has_texts
from ..streaming import stream
from ..table import Ask
from .asked import OneRunAsked
from .rendering import page
from .run_view import run_view
from .values import RUN

__all__ = ["run", "run_stream"]


async def run(ask: Ask) -> Response:
    """Answer with the page of a run. Who sees values, or texts of errors, is on record before they are sent."""
    query: OneRunAsked = ask.query
    run_id = checked_run_id(query.id)
    if query.step and not ask.actor.payloads:
        raise Problem(403, "right-missing", "to see inputs and outputs needs the right to see payloads", field="step")
    events = await ask.console.coordinator.runs.events(run_id)
    is_completed = isinstance(events[-1], RunCompleted)
    plan = await ask.console.coordinator.handle(run_id).undo_plan() if is_completed else None
    view = await asyncio.to_thread(run_view, run_id, events, ask.actor, step=query.step, before=query.before, plan=plan)
    if query.step:
        what = "values of the run" if query.step == RUN else f"values of step {query.step}"
        await ask.console.views.record(ask.actor, run_id, what)
    if has_texts(events):
        await ask.console.views.record_texts(ask.actor, [run_id])
    return page(ask, "run.html", view=view, query=query, version=len(events))


async def run_stream(ask: Ask) -> Response:
    """Answer with the run's events as they come, without any value: they only tell the page to look again."""
    return await stream(replace(ask, actor=replace(ask.actor, payloads=False)))
