"""`amends demo`: five onboarding runs on this machine, each as a timeline, and then what the systems themselves say."""

import argparse
import asyncio
import os
import socket
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
    parser.add_argument("--page", action="store_true", help="then show the runs in a browser, until Ctrl-C")
    parser.add_argument("--port", type=int, default=8765, help="of the page (default: 8765; 0 takes a free one)")
    parser.set_defaults(run=run, fail=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 if everything came out as it should."""
    from .show import show_demo  # With the clients of the story, which are an extra.

    if arguments.page and str(arguments.url).startswith("memory:"):
        arguments.fail("a log in memory cannot be searched, so there is no page of it; use SQLite or PostgreSQL")
    if arguments.svg is not None:
        arguments.svg.parent.mkdir(parents=True, exist_ok=True)
        arguments.svg.open("a").close()  # Whoever asked for the picture learns now that it cannot be written.
    paint = paint_for(sys.stdout, os.environ)
    if not arguments.page:
        return 0 if asyncio.run(show_demo(arguments.url, arguments.svg, paint, print)) else 1
    with socket.create_server(("127.0.0.1", arguments.port)) as listening:
        return 0 if asyncio.run(show_demo(arguments.url, arguments.svg, paint, _say, listening)) else 1


def _say(text: str) -> None:
    """Print a line at once: whoever waits for the address reads it from a pipe, maybe."""
    print(text, flush=True)
