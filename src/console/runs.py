"""`amends runs`: which runs there are, in what state, since when and why; a page at a time, newest first."""

import argparse
import asyncio
import json
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..saga.events import RunStatus
from .arguments import Commands, add_json_to, add_url_to
from .audit import add_as_is_to, audit_of
from .filters import add_conditions_to, filter_of
from .machines import by_name
from .paint import Paint, paint_for
from .plain import seconds
from .standing import stands, why
from .tables import Cell, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..projections import AuditPage, AuditRun


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "runs",
        help="which runs there are, in what state, since when and why",
        description="Lists a page of runs from the audit view, those first that were started last; of parked runs also "
        "what still stands, and of waiting ones for what and since when. Times are like 30m, 2h, 7d (so long ago) or "
        "2026-11-23T08:00 (UTC).",
    )
    add_conditions_to(parser)
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many, up to 1,000 (default: 50)")
    parser.add_argument("--cursor", metavar="CURSOR", help="the page behind the one that gave this cursor")
    add_as_is_to(parser)
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the runs; 0 if that could be done, also when there are none."""
    page = asyncio.run(_read(arguments))
    if arguments.json:
        print(json.dumps({"runs": [_as_json(each) for each in page.rows], "next": page.next}, indent=2))
        return 0
    paint = paint_for(sys.stdout, os.environ)
    are_parked = arguments.state is RunStatus.PARKED or arguments.parked_reason is not None
    lines = _parked_lines if are_parked else _lines
    for line in lines(page.rows, paint) if page.rows else ["no such runs"]:
        print(line)
    if page.next is not None:
        print(paint.dim(f"there are more: --cursor {page.next}"))
    return 0


async def _read(arguments: argparse.Namespace) -> "AuditPage[AuditRun]":
    async with audit_of(arguments) as audit:
        return await audit.runs(filter_of(arguments), limit=arguments.limit, cursor=arguments.cursor)


def _lines(runs: "Sequence[AuditRun]", paint: Paint) -> list[str]:
    rows: list[list[Cell | str]] = [
        [_time(each.started_at), each.run_id, _saga(each), _state(each, paint), _took(each), why(each)] for each in runs
    ]
    return table(["started (UTC)", "run", "saga", "state", "took", "why"], rows, paint)


def _parked_lines(runs: "Sequence[AuditRun]", paint: Paint) -> list[str]:
    """The same for runs that are all parked: since when, what still stands, and why."""
    rows: list[list[Cell | str]] = [
        [_time(each.parked_at), each.run_id, _saga(each), stands(each), why(each)] for each in runs
    ]
    return table(["parked (UTC)", "run", "saga", "what stands", "why"], rows, paint)


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "?"


def _saga(run: "AuditRun") -> str:
    return f"{run.saga or '?'} v{run.saga_version or '?'}"


def _state(run: "AuditRun", paint: Paint) -> Cell:
    return Cell(run.state.replace("_", " "), paint.of_status(run.state))


def _took(run: "AuditRun") -> Cell:
    return Cell(seconds(run.duration.total_seconds()) if run.duration is not None else "", right=True)


def _as_json(run: "AuditRun") -> dict[str, Any]:
    return by_name(
        run,
        state=run.state.value,
        tags=dict(run.tags),
        remaining=[each.model_dump(mode="json") for each in run.remaining],
        unresolved=list(run.unresolved),
        waiting_for=[by_name(wait, state=wait.state.value) for wait in run.waiting_for],
        duration_seconds=None if run.duration is None else run.duration.total_seconds(),
    )
