"""`amends follow`: keeps the audit view up to date, and the log sealed, until it is told to stop."""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import LogError
from .arguments import DEFAULT_URL, Commands, add_url_to
from .plain import plain

if TYPE_CHECKING:
    from ..projections import Sealer

SEAL_SECONDS = 1.0
"""How long an event may lie unsealed, about."""


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "follow",
        help="keep the audit view up to date, and the log sealed, until told to stop",
        description="Follows the log and applies what comes, also after the database was away; and seals, once a "
        "second, what is not sealed yet. Any number of these may run: one applies, the others stand by and take over. "
        "Ends on SIGTERM or SIGINT.",
    )
    add_url_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Follow; 0 when told to stop."""
    asyncio.run(_follow(arguments.url or DEFAULT_URL))
    return 0


async def _follow(url: str) -> None:
    from ..projections import Audit, Follower, Sealer

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with Follower(url, Audit()) as follower, Sealer(url) as sealer:
        _say(f"following {', '.join(state.name for state in follower.states)}")
        while not stopping.is_set():
            await _seal(sealer)
            with suppress(TimeoutError):
                async with asyncio.timeout(SEAL_SECONDS):
                    await stopping.wait()
    _say("stopped")


async def _seal(sealer: "Sealer") -> None:
    try:
        await sealer.seal()
    except LogError as error:
        _say(f"nothing is sealed for now: {plain(str(error))}")


def _say(text: str) -> None:
    print(f"amends follow {os.getpid()}: {text}", file=sys.stderr, flush=True)
