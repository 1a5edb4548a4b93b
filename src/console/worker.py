"""`amends worker MODULE:FACTORY`: a coordinator as a process of its own, which hosts runs until it is told to stop.

SIGTERM or SIGINT drains it. A second one ends it at once, which costs nothing but time: a process that is killed leaves
its runs as they stand in the log, and others take them over when its lease has lapsed.
"""

import argparse
import asyncio
import os
from collections.abc import Callable

from .arguments import Commands, add_url_to
from .factories import WrongFactory, coordinator_from, factory_of, speaker, stop_signal

_say = speaker("worker")


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "worker",
        help="host runs in this process until it is told to stop",
        description="Imports MODULE (the working directory comes first), calls FACTORY() for a coordinator, and hosts "
        "runs until SIGTERM or SIGINT. Then it claims nothing more, lets attempts under way end for the coordinator's "
        "drain_seconds, gives up the rest, and exits with 0. A second signal ends it at once.",
    )
    parser.add_argument(
        "factory", metavar="MODULE:FACTORY", help="a function without arguments that makes a Coordinator"
    )
    add_url_to(parser, "what the factory says; the factory finds this one in AMENDS_URL")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Host runs; 0 when drained, 2 if there is no such factory, 128 and the signal when ended at once."""
    if arguments.url is not None:
        os.environ["AMENDS_URL"] = arguments.url
    try:
        asyncio.run(_host(factory_of(arguments.factory), arguments.factory))
    except WrongFactory as error:
        _say(str(error))
        return 2
    return 0


async def _host(factory: Callable[[], object], name: str) -> None:
    stopping = stop_signal(_say)
    coordinator = coordinator_from(factory, name)
    if not coordinator.max_running:
        raise WrongFactory(
            f"{name} returned a client (max_running=0), which hosts nothing; let it host at least one run"
        )
    async with coordinator:
        _say(f"ready: {coordinator!r}")
        await stopping.wait()
        _say("draining")
    _say("drained")
