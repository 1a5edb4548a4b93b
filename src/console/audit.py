"""How the commands that list runs get at the audit view: brought up to date first, as far as that is quick."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .client import existing_url

if TYPE_CHECKING:
    from ..projections import AuditView

CATCH_UP_SECONDS = 10.0
"""For how long a command brings the view up to date. A view that nobody follows may be a million events behind."""


@asynccontextmanager
async def audit_of(arguments: argparse.Namespace) -> "AsyncIterator[AuditView]":
    """Open the audit view of the log that the arguments name, made or brought up to date unless they say `--as-is`.

    Raises:
        InvalidName: there is no such log.
        LogUnavailable: the database does not answer.
        ProjectionOutdated, ProjectionAhead: the view has to be rebuilt.
    """
    from ..projections import AuditView

    url = existing_url(arguments.url)
    if not arguments.as_is:
        await _bring_up_to_date(url)
    async with AuditView(url) as audit:
        yield audit


def add_as_is_to(parser: "argparse._ActionsContainer") -> None:
    """Give a command `--as-is`."""
    parser.add_argument(
        "--as-is", action="store_true", help="do not bring the audit view up to date first: it may lag behind the log"
    )


async def _bring_up_to_date(url: str) -> None:
    from ..projections import Audit, Follower

    async with Follower(url, Audit()) as follower:
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await follower.caught_up()
        except TimeoutError:
            said = "the audit view is not up to date yet; `amends follow` keeps it so, `amends rebuild audit` is faster"
            print(f"amends: {said}", file=sys.stderr)
