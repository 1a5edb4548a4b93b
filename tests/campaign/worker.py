"""A worker: a process, forked from a warm one, that hosts a coordinator until it is asked to go, or killed.

`work` is what such a process runs. It opens its event loop, threads and connections itself; the process that it is
forked from has none.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The log imports a driver when it is opened. Here that has to have happened before the fork.
import amends.saga.log.postgres
import amends.saga.log.sqlite  # noqa: F401 - see above
from amends import Coordinator, LogUnavailable
from tests.campaign.ledger import Ledger
from tests.campaign.trips import Agency

__all__ = ["Post", "Start", "hosted", "work"]

Start = tuple[str, str, dict[str, Any]]
"""Run id, saga, input."""

Build = Callable[[Ledger, "Post"], Coordinator]


def _agency(ledger: Ledger, post: "Post") -> Coordinator:
    return Agency(ledger).coordinator(post.url, **post.keywords)


@dataclass(frozen=True)
class Post:
    """What a worker is told.

    Attributes:
        url: the log.
        ledger: where its handlers note what they do.
        complaints: where its standard error goes.
        starts: the runs that it is to start and host; each is acknowledged in the ledger.
        build: makes its coordinator; a function of a module, because it is sent to the process by name.
    """

    url: str
    ledger: Path
    complaints: Path
    lease_seconds: float = 0.5
    drain_seconds: float = 5.0
    max_running: int = 30
    starts: Sequence[Start] = ()
    build: Build = _agency

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments of the coordinator."""
        return {
            "lease_seconds": self.lease_seconds,
            "drain_seconds": self.drain_seconds,
            "max_running": self.max_running,
        }


def work(post: Post) -> None:
    """Work until SIGTERM; then drain and return, which makes the exit code 0."""
    sys.stderr.flush()
    with post.complaints.open("ab") as complaints:
        os.dup2(complaints.fileno(), 2)
    asyncio.run(_work(post))


async def _work(post: Post) -> None:
    loop = asyncio.get_running_loop()
    asked_to_go = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asked_to_go.set)
    parent = multiprocessing.parent_process()
    assert parent is not None
    loop.add_reader(parent.sentinel, os._exit, 3)  # Nobody is left who could end this process.
    ledger = Ledger(post.ledger)
    async with post.build(ledger, post) as coordinator:
        ledger.boot(hosted(coordinator))
        starting = asyncio.create_task(_start(coordinator, ledger, post.starts))
        await asked_to_go.wait()
        starting.cancel()


def hosted(coordinator: Coordinator) -> str:
    """Return the token of an open coordinator."""
    assert coordinator._hosting is not None
    return coordinator._hosting.worker


async def _start(coordinator: Coordinator, ledger: Ledger, starts: Sequence[Start]) -> None:
    for run_id, saga, value in starts:
        while True:
            try:
                await coordinator.start(saga, value, run_id=run_id)
            except LogUnavailable:
                await asyncio.sleep(0.05)
            else:
                ledger.acknowledge(run_id)
                break
