"""`amends demo`: five onboarding runs on this machine, each as a timeline, and then what the systems themselves say."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from ..arguments import Commands, add_url_to
from ..paint import paint_for


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "demo",
        help="five onboarding runs on this machine, as readable timelines",
        description="Runs the onboarding saga against a mail server, a CRM and a database of its own: all goes well; "
        "the CRM fails twice and recovers; the CRM is down for good, so the user is deleted again; one action is "
        "invoked by name; and a process is killed in the middle of a run, which another one takes over. Nothing leaves "
        "this machine.",
    )
    add_url_to(parser, "a temporary SQLite file")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the run that is undone into FILE")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 if everything came out as it should."""
    from .show import show_demo  # With the clients of the story, which are an extra.

    if arguments.svg is not None:
        arguments.svg.parent.mkdir(parents=True, exist_ok=True)
        arguments.svg.open("a").close()  # Whoever asked for the picture learns now that it cannot be written.
    as_promised = asyncio.run(show_demo(arguments.url, arguments.svg, paint_for(sys.stdout, os.environ), print))
    return 0 if as_promised else 1
