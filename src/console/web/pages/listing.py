"""The first page: what needs a person, then the runs that a filter finds; and the page of figures."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from ....clock import SystemClock
from ....errors import LogUnavailable
from ....projections import AuditRun, RunFilter
from ....saga.events import ParkReason, RunStatus
from ...filters import CONDITIONS
from ...standing import stands, why
from ..problems import Problem
from ..reading import found_runs
from ..shown import run_of_audit_shown
from ..table import Ask
from .asked import FiguresAsked, ListAsked
from .offers import offers
from .rendering import page

__all__ = ["figures", "runs"]

PARKED_COUNT = 10
"""How many of the runs that need a person stand on the first page; there is a list of all of them."""

_clock = SystemClock()


async def runs(ask: Ask) -> Response:
    """Answer with a page of runs."""
    query: ListAsked = ask.query
    if query.text and not ask.actor.payloads:
        said = "to search the texts of errors is to see them, which needs the right to see payloads"
        raise Problem(403, "right-missing", said, field="text")
    where = RunFilter(**{name: getattr(query, name) for name in CONDITIONS})
    found = await found_runs(ask, where, limit=query.limit, cursor=query.cursor)
    parked = None
    if not query.is_filtered:
        parked = await found_runs(ask, RunFilter(state=RunStatus.PARKED), limit=PARKED_COUNT)
    counts = await _counts(ask)
    return page(
        ask,
        "runs.html",
        query=query,
        given=dict(ask.request.query_params) | {"cursor": None},
        parked=None if parked is None else [_listed(ask, each) for each in parked.rows],
        has_more_parked=parked is not None and parked.next is not None,
        runs=[_listed(ask, each) for each in found.rows],
        next=found.next,
        counts=[(state, counts[state]) for state in RunStatus if counts[state]],
        states=list(RunStatus),
        park_reasons=list(ParkReason),
    )


async def _counts(ask: Ask) -> Counter[RunStatus]:
    """Count the runs of the last days by state. Where that takes too long the list is shown without it."""
    counts = Counter[RunStatus]()
    with suppress(Problem, LogUnavailable):
        for count in await ask.console.found(ask.console.audit.counts(**FiguresAsked().range(_clock.now()))):
            counts[count.state] += count.run_count
    return counts


def _listed(ask: Ask, run: AuditRun) -> Mapping[str, Any]:
    shown = run_of_audit_shown(run, payloads=ask.actor.payloads)
    offered = offers(
        ask.actor,
        run.state,
        parked=run.parked_reason,
        remaining=run.remaining,
        is_failing=run.failing_at is not None,
        is_committed=run.committed_at is not None,
    )
    said = why(shown).removesuffix(": None")
    return {"run": shown, "why": said, "stands": stands(shown), "offers": offered}


async def figures(ask: Ask) -> Response:
    """Answer with how many runs there are, and how long they and their steps take."""
    query: FiguresAsked = ask.query
    asked = query.range(_clock.now())
    counts = await ask.console.found(ask.console.audit.counts(**asked))
    durations = await ask.console.found(ask.console.audit.durations(**asked))
    by_saga: dict[str, Counter[RunStatus]] = {}
    for count in counts:
        by_saga.setdefault(count.saga or "?", Counter())[count.state] += count.run_count
    states = [state for state in RunStatus if any(of_saga[state] for of_saga in by_saga.values())]
    given = dict(ask.request.query_params)
    return page(
        ask,
        "figures.html",
        asked=asked,
        given={"since": given.get("since", "7d"), "until": given.get("until", "")},
        by_saga=sorted(by_saga.items()),
        states=states,
        durations=durations,
    )
