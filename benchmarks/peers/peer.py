"""What every peer's script shares: its arguments, the load, and the figures as one line of JSON.

These scripts run in the peers' own environment, where amends is not installed: they import none of it.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from benchmarks.tools.load import loaded

EMAIL = "ada@example.com"

Peer = Callable[[str, int, bool], AbstractAsyncContextManager[Any]]
"""Given a database's URL, how many runs will be in flight, and whether they fail: yields what starts one and waits."""


class Bounced(Exception):
    """What the third step of a failing run raises."""


def measure(peer: Peer) -> None:
    """Measure as the command line says: URL, runs in flight, `ok` or `fails`."""
    url, in_flight, outcome = sys.argv[1:]
    print(json.dumps(asyncio.run(_measure(peer, url, int(in_flight), fails=outcome == "fails"))))


async def _measure(peer: Peer, url: str, in_flight: int, *, fails: bool) -> dict[str, float]:
    async with peer(url, in_flight, fails) as run:
        return dict(await loaded(url, in_flight, run))
