"""The parts of the campaign: each is one siege with one kind of fault, and its totals.

`size` is the share of the full campaign: `make test` runs a fifth (0.2), `python -m tests.campaign` all of it (1).
"""

import asyncio
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.campaign import faults
from tests.campaign.siege import Totals, besieged
from tests.postgres import fresh_database, restartable_server, running_server
from tests.proxy import LostReplies

__all__ = ["PARTS", "kills", "lost_replies", "restarts", "terminated_backends", "zombies"]


async def kills(url: str, directory: Path, seed: int, size: float) -> Totals:
    """SIGKILL at random times."""
    async with besieged(url, directory, seed, hands=4, unfinished=40) as siege:
        await faults.kill_workers(siege, _of(1_000, size), _of(800, size), _of(200, size))
        await siege.heal()
        return await siege.reckon()


async def zombies(url: str, directory: Path, seed: int, size: float) -> Totals:
    """SIGSTOP past the lease, then SIGCONT; `size` 1 is half of the full campaign, because both databases have it."""
    async with besieged(url, directory, seed, hands=6, unfinished=40) as siege:
        await faults.continue_zombies(siege, _of(100, size))
        await siege.heal()
        return await siege.reckon()


async def lost_replies(url: str, directory: Path, seed: int, size: float) -> Totals:
    """The server commits an append, and the worker never hears of it. Nobody may take that for a conflict."""
    async with (
        LostReplies(url, calls=b"amends_append") as proxy,
        besieged(url, directory, seed, hands=3, workers_url=proxy.url, lease_seconds=3.0) as siege,
    ):
        await faults.lose_replies(siege, proxy, _of(500, size))
        await siege.heal()
        totals = await siege.reckon()
    if totals.counts["takeovers"]:
        totals.breaches.append(f"{totals.counts['takeovers']} runs changed hands although nobody died")
    return totals


async def terminated_backends(url: str, directory: Path, seed: int, size: float) -> Totals:
    """pg_terminate_backend at random times."""
    async with besieged(url, directory, seed, hands=4) as siege:
        await faults.terminate_backends(siege, url, _of(200, size))
        await siege.heal()
        return await siege.reckon()


async def restarts(url: str, directory: Path, seed: int, size: float, restart: Callable[[], None]) -> Totals:
    """Immediate restarts of the server."""
    async with besieged(url, directory, seed, hands=3) as siege:
        await faults.restart_server(siege, restart, _of(5, size))
        await siege.heal()
        return await siege.reckon()


def _of(count: int, size: float) -> int:
    return math.ceil(count * size)


Part = Callable[[int, float], Totals]


def _on_sqlite(name: str) -> Part:
    def run(seed: int, size: float) -> Totals:
        with tempfile.TemporaryDirectory(prefix="amends-campaign-") as directory:
            return asyncio.run(_SIEGES[name](f"sqlite:///{directory}/log.db", Path(directory), seed, size))

    return run


def _on_postgres(name: str) -> Part:
    def run(seed: int, size: float) -> Totals:
        with (
            tempfile.TemporaryDirectory(prefix="amends-campaign-") as directory,
            running_server() as server,
            fresh_database(server) as url,
        ):
            return asyncio.run(_SIEGES[name](url, Path(directory), seed, size))

    return run


def _with_restarts(seed: int, size: float) -> Totals:
    with (
        tempfile.TemporaryDirectory(prefix="amends-campaign-") as directory,
        restartable_server() as server,
        fresh_database(server.url) as url,
    ):
        return asyncio.run(restarts(url, Path(directory), seed, size, server.restart))


_SIEGES = {"kills": kills, "zombies": zombies, "lost": lost_replies, "terminated": terminated_backends}

PARTS: dict[str, Part] = {
    "sqlite": _on_sqlite("kills"),
    "postgres": _on_postgres("kills"),
    "zombies-sqlite": _on_sqlite("zombies"),
    "zombies-postgres": _on_postgres("zombies"),
    "lost-replies": _on_postgres("lost"),
    "terminated": _on_postgres("terminated"),
    "restarts": _with_restarts,
}
"""By the name that `--part` takes."""
