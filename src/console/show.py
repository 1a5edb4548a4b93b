"""`amends show RUN`: one run as a timeline to read at a glance, as JSON, or as a picture."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import Commands, add_json_to, add_run_to, add_url_to
from .client import client_of
from .paint import Paint, paint_for
from .plain import plain

if TYPE_CHECKING:
    from ..saga.events import Event


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "show",
        help="one run as a timeline: what was done, what went wrong, what was undone, what remains",
        description="Reads the run's events from the log and draws them to scale: attempts as bars, waits as dots, "
        "the unwind below, and what a person said, with names and reasons. Inputs and outputs are shown with --events "
        "only.",
    )
    add_run_to(parser)
    add_url_to(parser)
    add_json_to(parser)
    parser.add_argument("--events", action="store_true", help="the events themselves too, with inputs and outputs")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the same timeline into FILE")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the run; 0 if there is one."""
    events = asyncio.run(_read(arguments))
    if arguments.json:
        from .show_json import run_json

        print(json.dumps(run_json(arguments.run_id, events, with_events=arguments.events), indent=2))
    else:
        for line in _lines(arguments.run_id, events, paint_for(sys.stdout, os.environ), with_events=arguments.events):
            print(line)
    if arguments.svg is not None:
        from .timeline import timeline
        from .timeline_svg import timeline_svg

        arguments.svg.write_text(timeline_svg(timeline(arguments.run_id, events)), encoding="utf-8")
        print(f"drawn in {arguments.svg}", file=sys.stderr)
    return 0


async def _read(arguments: argparse.Namespace) -> "list[Event]":
    async with client_of(arguments) as coordinator:
        return await coordinator.handle(arguments.run_id).history()


def _lines(run_id: str, events: "Sequence[Event]", paint: Paint, *, with_events: bool) -> list[str]:
    from .timeline import timeline
    from .timeline_text import timeline_text

    found = timeline(run_id, events)
    lines = timeline_text(found, paint).splitlines()
    tags = "".join(f"  {plain(key)}={plain(value)}" for key, value in found.tags.items())
    started = f"{found.started_at:%Y-%m-%d %H:%M:%S} UTC" if found.started_at else ""
    lines.insert(1, f"  {paint.dim(f'started {started}{tags}')}")
    if with_events:
        lines += ["", *(_line(event, version, paint) for version, event in enumerate(events, start=1))]
    return lines


def _line(event: "Event", version: int, paint: Paint) -> str:
    said = event.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude={"occurred_at"})
    at = f"{event.occurred_at:%H:%M:%S.%f}"[:-3]
    return (
        f"  {version:>4}  {paint.dim(at)}  {type(event).__name__}  {plain(json.dumps(said, ensure_ascii=False), 2000)}"
    )
