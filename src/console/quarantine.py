"""`amends quarantine NAME`: what a projection could not apply, or hooks could not be told of; and tells hooks again."""

import argparse
import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

from .arguments import Commands, add_json_to, add_url_to
from .client import existing_url
from .machines import by_name
from .paint import paint_for
from .tables import Cell, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..projections import Quarantined


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "quarantine",
        help="what a projection could not apply, or hooks could not be told of",
        description="Lists the events that a projection has set aside, or of which hooks could not be told, in the "
        "order of the log. A projection is rebuilt when the cause is mended; hooks are told again with --again.",
    )
    parser.add_argument("name", metavar="NAME", help="of the projection or the hooks; `amends stats` lists them")
    parser.add_argument(
        "--again",
        type=_position,
        metavar="POSITION",
        help="deliver the notice at this position to its hook again, or `all` of them; whichever process has the hooks "
        "does so within about a second",
    )
    parser.add_argument("--after", type=int, default=0, metavar="POSITION", help="list those behind this position")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many, up to 1,000 (default: 50)")
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List them, or ask for them again; 0 if that could be done, also when there are none."""
    if arguments.again is not None:
        count = asyncio.run(_ask_again(arguments))
        print(json.dumps({"asked_for": count}) if arguments.json else f"asked for {count:,} to be delivered again")
        return 0
    found = asyncio.run(_read(arguments))
    if arguments.json:
        print(json.dumps([by_name(each) for each in found], indent=2))
        return 0
    for line in _lines(found):
        print(line)
    return 0


def _position(text: str) -> int | str:
    if text == "all":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no position; use a whole number, or all")
    return int(text)


async def _read(arguments: argparse.Namespace) -> "Sequence[Quarantined]":
    from ..projections import Projections

    async with Projections(existing_url(arguments.url)) as projections:
        await projections.status(arguments.name)  # A name that is none is an error, not an empty list.
        return await projections.quarantined(arguments.name, after_position=arguments.after, limit=arguments.limit)


async def _ask_again(arguments: argparse.Namespace) -> int:
    from ..projections import Projections

    position = None if arguments.again == "all" else arguments.again
    async with Projections(existing_url(arguments.url)) as projections:
        return await projections.deliver_again(arguments.name, position=position)


def _lines(found: "Sequence[Quarantined]") -> list[str]:
    if not found:
        return ["nothing is set aside"]
    rows: list[list[Cell | str]] = [
        [
            Cell(str(each.position), right=True),
            each.run_id,
            f"{each.failed_at:%Y-%m-%d %H:%M:%S}",
            Cell(str(each.try_count), right=True),
            f"{each.error_type}: {each.error}",
        ]
        for each in found
    ]
    return table(["position", "run", "failed (UTC)", "tries", "why"], rows, paint_for(sys.stdout, os.environ))
