"""Handlers that read: runs, their events, what people told them, and counts."""

from starlette.responses import Response

from ...errors import UnknownName
from ...projections import RunFilter
from ...saga.ids import checked_run_id
from .answers import (
    CommandPage,
    CountList,
    CountShown,
    EventPage,
    PlannedUndoShown,
    RunPage,
    RunShown,
    UndoPlanShown,
    answer,
)
from .asked import EventsAsked, RunsAsked
from .problems import Problem
from .shown import event_shown, run_of_audit_shown, run_shown
from .table import Ask
from .waiting import rested

__all__ = ["commands", "counts", "events", "run", "runs", "undo_plan"]


def checked_limit(ask: Ask, limit: int) -> int:
    """Return how many rows a page has.

    Raises:
        Problem: more than the console gives.
    """
    most = ask.console.settings.row_limit
    if limit > most:
        said = f"query.limit: at most {most:,} rows a page; go on with the cursor of each page"
        raise Problem(422, "invalid-value", said, field="query.limit")
    return limit


async def runs(ask: Ask) -> Response:
    """Answer with a page of runs."""
    query: RunsAsked = ask.query
    if query.text and not ask.actor.payloads:
        said = "query.text: to search the texts of errors is to see them, which needs the right to see payloads"
        raise Problem(403, "right-missing", said, field="query.text")
    names = ("state", "saga", "action", "tag", "since", "until", "text", "parked_reason", "waiting")
    where = RunFilter(**{name: getattr(query, name) for name in names})
    page = await ask.console.audit.runs(where, limit=checked_limit(ask, query.limit), cursor=query.cursor)
    shown = [run_of_audit_shown(each, payloads=ask.actor.payloads) for each in page.rows]
    return answer(RunPage(runs=shown, next=page.next))


async def run(ask: Ask) -> Response:
    """Answer with a run, maybe after waiting for it."""
    run_id = checked_run_id(ask.path("run_id"))
    await rested(ask, run_id)
    found = await ask.console.coordinator.runs.events(run_id)
    return answer(RunShown(**run_shown(run_id, found, payloads=ask.actor.payloads)))


async def events(ask: Ask) -> Response:
    """Answer with a page of a run's events. Who sees values is on record before they are sent."""
    run_id, query = checked_run_id(ask.path("run_id")), ask.query
    assert isinstance(query, EventsAsked)
    limit = checked_limit(ask, query.limit)
    found = await ask.console.coordinator.runs.events(run_id)
    page = found[query.after_version : query.after_version + limit]
    await ask.console.views.record(ask.actor, run_id, "events")
    shown = [
        event_shown(version, event, payloads=ask.actor.payloads)
        for version, event in enumerate(page, start=query.after_version + 1)
    ]
    has_more = query.after_version + limit < len(found)
    return answer(
        EventPage(
            run_id=run_id,
            events=shown,
            next_after_version=query.after_version + limit if has_more else None,
        )
    )


async def undo_plan(ask: Ask) -> Response:
    """Answer with what undoing a run would do."""
    run_id = checked_run_id(ask.path("run_id"))
    plan = await ask.console.coordinator.handle(run_id).undo_plan()
    undos = [PlannedUndoShown(step=each.step, action=each.action, stage=each.stage) for each in plan.undos]
    return answer(
        UndoPlanShown(run_id=run_id, is_committed=plan.is_committed, undos=undos, remaining=list(plan.remaining))
    )


async def commands(ask: Ask) -> Response:
    """Answer with a page of what people told runs."""
    page = await ask.console.audit.commands(limit=checked_limit(ask, ask.query.limit), cursor=ask.query.cursor)
    return answer(CommandPage(commands=list(page.rows), next=page.next))


async def counts(ask: Ask) -> Response:
    """Answer with how many runs there are."""
    found = await ask.console.audit.counts(since=ask.query.since, until=ask.query.until)
    shown = [CountShown(saga=each.saga or "?", state=each.state, run_count=each.run_count) for each in found]
    return answer(CountList(counts=shown))


def registered(kind: str, name: str, known: list[str]) -> None:
    """Do nothing if there is an action or saga of this name.

    Raises:
        UnknownName: there is none.
    """
    if name not in known:
        raise UnknownName(kind, name[:128], known)
