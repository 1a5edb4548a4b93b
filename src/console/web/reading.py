"""Handlers that read: runs, their events, what people told them, and counts."""

from collections.abc import Iterator, Sequence

from starlette.responses import Response

from ...projections import AuditPage, AuditRun, RunFilter
from ...saga.events import Event
from ...saga.ids import checked_run_id
from ...saga.state import fold
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
from .asked import RunsAsked
from .problems import Problem
from .shown import VALUES, event_shown, has_text, has_texts, run_of_audit_shown, run_shown
from .table import Ask
from .waiting import rested, result_of

__all__ = ["commands", "counts", "events", "found_runs", "registered", "run", "runs", "undo_plan"]


async def runs(ask: Ask) -> Response:
    """Answer with a page of runs."""
    query: RunsAsked = ask.query
    if query.text and not ask.actor.payloads:
        said = "query.text: to search the texts of errors is to see them, which needs the right to see payloads"
        raise Problem(403, "right-missing", said, field="query.text")
    names = ("state", "saga", "action", "tag", "since", "until", "text", "parked_reason", "waiting")
    where = RunFilter(**{name: getattr(query, name) for name in names})
    page = await found_runs(ask, where, limit=query.limit, cursor=query.cursor)
    shown = [run_of_audit_shown(each, payloads=ask.actor.payloads) for each in page.rows]
    return answer(RunPage(runs=shown, next=page.next))


async def found_runs(ask: Ask, where: RunFilter, *, limit: int, cursor: str | None = None) -> AuditPage[AuditRun]:
    """Return a page of runs. Who sees texts of errors, or searches them, is on record before that."""
    audit = ask.console.audit
    if where.text:
        await ask.console.views.record_search(ask.actor)
    page = await ask.console.found(audit.runs(where, limit=limit, cursor=cursor))
    await ask.console.views.record_texts(ask.actor, [each.run_id for each in page.rows if has_text(each)])
    return page


async def run(ask: Ask) -> Response:
    """Answer with a run, maybe after waiting for it."""
    run_id = checked_run_id(ask.path("run_id"))
    await rested(ask, run_id)
    found = await ask.console.coordinator.runs.events(run_id)
    if has_texts(found):
        await ask.console.views.record_texts(ask.actor, [run_id])
    output, failure = await result_of(ask, fold(run_id, found))
    shown = run_shown(run_id, found, payloads=ask.actor.payloads)
    return answer(RunShown(**shown, output=output, failure=failure))


async def events(ask: Ask) -> Response:
    """Answer with a page of a run's events. Who sees values is on record before they are sent."""
    run_id, after = checked_run_id(ask.path("run_id")), ask.query.after_version
    found = await ask.console.coordinator.runs.events(run_id)
    page = list(_within(PAGE_BYTES, found[after : after + ask.query.limit]))
    if page:
        await ask.console.views.record(ask.actor, run_id, "events")
    shown = [
        event_shown(version, event, payloads=ask.actor.payloads) for version, event in enumerate(page, start=after + 1)
    ]
    reached = after + len(page)
    has_more = reached < len(found)
    return answer(EventPage(run_id=run_id, events=shown, next_after_version=reached if has_more else None))


def _within(size_bytes: int, events: Sequence[Event]) -> Iterator[Event]:
    """Yield the first of some events, as many as do not take more than so much; one at least."""
    taken = 0
    for event in events:
        taken += sum(len(getattr(event, name, None) or "") for name in VALUES)
        yield event
        if taken >= size_bytes:
            return


async def undo_plan(ask: Ask) -> Response:
    """Answer with what undoing a run would do."""
    run_id = checked_run_id(ask.path("run_id"))
    plan = await ask.console.coordinator.handle(run_id).undo_plan()
    undos = [PlannedUndoShown(step=each.step, action=each.action, stage=each.stage) for each in plan.undos]
    return answer(
        UndoPlanShown(
            run_id=run_id,
            is_committed=plan.is_committed,
            is_failing=plan.is_failing,
            undos=undos,
            remaining=list(plan.remaining),
        )
    )


async def commands(ask: Ask) -> Response:
    """Answer with a page of what people told runs."""
    page = await ask.console.found(ask.console.audit.commands(limit=ask.query.limit, cursor=ask.query.cursor))
    return answer(CommandPage(commands=list(page.rows), next=page.next))


async def counts(ask: Ask) -> Response:
    """Answer with how many runs there are."""
    found = await ask.console.found(ask.console.audit.counts(since=ask.query.since, until=ask.query.until))
    shown = [CountShown(saga=each.saga or "?", state=each.state, run_count=each.run_count) for each in found]
    return answer(CountList(counts=shown))


PAGE_BYTES = 4 << 20
"""How large the values in a page of events may become before it ends."""


def registered(kind: str, name: str, known: list[str]) -> None:
    """Do nothing if there is an action or saga of this name.

    Raises:
        Problem: there is none.
    """
    if name not in known:
        facts = {"kind": kind, "name": name[:128]}
        raise Problem(404, "unknown-name", f"no {kind} {name[:128]!r}; GET /api/{kind}s lists them", facts=facts)
