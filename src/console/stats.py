"""`amends stats`: how many runs stand how, and how far behind the log the projections are."""

import argparse
import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

from .arguments import Commands, add_json_to, add_url_to
from .audit import add_as_is_to, audit_of
from .client import existing_url
from .machines import by_name
from .moments import moment
from .paint import Paint, paint_for
from .plain import seconds
from .tables import Cell, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..projections import ProjectionStatus, SagaCount


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "stats",
        help="how many runs stand how, and how far behind the log the projections are",
        description="Counts runs by saga and state, from the audit view, and tells of each projection how far it is, "
        "whether it stalls, and how many events it had to set aside.",
    )
    parser.add_argument("--since", type=moment, metavar="TIME", help="runs started then or later: 2h, 7d, 2026-11-23")
    parser.add_argument("--until", type=moment, metavar="TIME", help="runs started before then")
    add_as_is_to(parser)
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tell; 0 if every projection is well, 1 if one stalls, is ahead of the log, or has set events aside."""
    counts, statuses = asyncio.run(_read(arguments))
    well = not any(each.is_stalled or each.is_ahead or each.quarantined_count for each in statuses)
    if arguments.json:
        shown = {
            "runs": [{"saga": c.saga, "state": c.state.value, "count": c.run_count} for c in counts],
            "projections": [by_name(each) for each in statuses],
        }
        print(json.dumps(shown, indent=2))
    else:
        for line in _lines(counts, statuses, paint_for(sys.stdout, os.environ)):
            print(line)
    return 0 if well else 1


async def _read(arguments: argparse.Namespace) -> "tuple[Sequence[SagaCount], Sequence[ProjectionStatus]]":
    from ..projections import Projections

    async with audit_of(arguments) as audit:
        counts = await audit.counts(since=arguments.since, until=arguments.until)
    async with Projections(existing_url(arguments.url)) as projections:
        return counts, await projections.statuses()


def _lines(counts: "Sequence[SagaCount]", statuses: "Sequence[ProjectionStatus]", paint: Paint) -> list[str]:
    runs: list[list[Cell | str]] = [
        [c.saga, c.state.replace("_", " "), Cell(f"{c.run_count:,}", right=True)] for c in counts
    ]
    lines = table(["saga", "state", "runs"], runs, paint) if runs else ["no runs"]
    behind: list[list[Cell | str]] = [
        [
            each.name,
            Cell(f"{each.position:,} of {each.head:,}", right=True),
            Cell(seconds(each.lag_seconds) if each.lag_positions else "-", right=True),
            Cell(f"{each.quarantined_count:,}", paint.bad if each.quarantined_count else str, right=True),
            _standing(each, paint),
        ]
        for each in statuses
    ]
    return [*lines, "", *table(["projection or hooks", "position", "behind", "set aside", "stands"], behind, paint)]


def _standing(status: "ProjectionStatus", paint: Paint) -> Cell:
    if status.is_ahead:
        remedy = "say from where it goes on" if status.is_hook else f"amends rebuild {status.name}"
        return Cell(f"ahead of the log: {remedy}", paint.bad)
    if status.is_stalled:
        return Cell("stalled", paint.bad)
    if status.building_position is not None:
        return Cell(f"being rebuilt, at {status.building_position:,}", paint.odd)
    return Cell("up to date" if not status.lag_positions else "following", paint.good)
