"""Workers, a client and a ledger for one story of a few runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from amends import Coordinator
from amends.saga import events as e
from tests.campaign.audit import Facts, audit
from tests.campaign.crew import Crew, Hand
from tests.campaign.ledger import At, Ledger, Line, Tail
from tests.campaign.trips import Agency
from tests.campaign.watch import Watch, watching
from tests.campaign.worker import Post

__all__ = ["Scene", "scene"]


class Scene:
    """A log with a client, a watch, and a crew that is empty at first."""

    def __init__(self, crew: Crew, client: Coordinator, watch: Watch) -> None:
        self.crew = crew
        self.client = client
        self.watch = watch
        self._tail = Tail(crew.post.ledger)

    @property
    def lines(self) -> list[Line]:
        """All that is in the ledger now."""
        self._tail.read()
        return self._tail.lines

    def entries(self, run_id: str, kind: str = "do") -> list[Line]:
        """Return the entries into handlers of a run."""
        return [line for line in self.lines if (line.at, line.run_id, line.kind) == (At.ENTER, run_id, kind)]

    @property
    def complaints(self) -> str:
        """What the workers have said on their standard error."""
        path = self.crew.post.complaints
        return path.read_text() if path.exists() else ""

    def worker(self, hand: Hand) -> str | None:
        """Return the token of a worker, once it is up."""
        return next((line.worker for line in self.lines if (line.at, line.pid) == (At.BOOT, hand.pid)), None)

    async def hire(self, **changes: Any) -> Hand:
        """Hire a worker and wait until it is up."""
        hand = self.crew.hire(**changes)
        await self.until(lambda: self.worker(hand) is not None)
        return hand

    async def until(self, what: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something in the ledger or the log is the case."""
        assert await self.watch.until(what, seconds, look_seconds=0.01), f"it was not so within {seconds} s"

    async def at_rest(self, *run_ids: str, seconds: float = 60.0) -> None:
        """Wait until runs have ended or are parked."""
        await self.until(lambda: all(self._is_at_rest(run_id) for run_id in run_ids), seconds)

    def _is_at_rest(self, run_id: str) -> bool:
        return bool(self.watch.events[run_id]) and run_id not in self.watch.unfinished

    def of(self, run_id: str, kind: type[e.Event]) -> list[Any]:
        """Return a run's events of one kind."""
        return [event for event in self.watch.events[run_id] if isinstance(event, kind)]

    def audit(self, *run_ids: str, gone: Collection[Hand] = ()) -> None:
        """Hold all invariants over runs; `gone` are the workers that were asked to go."""
        tokens = [self.worker(hand) for hand in gone]
        for run_id in run_ids:
            lines = [line for line in self.lines if line.run_id == run_id]
            facts = Facts(self.watch.events[run_id], lines, {}, self.watch.claims_seen[run_id], tokens)
            assert audit(facts) == [], "\n".join([run_id, *map(str, (*facts.events, *lines))])


@asynccontextmanager
async def scene(url: str, directory: Path, **post: Any) -> AsyncIterator[Scene]:
    """Yield a scene; `post` are the fields of the workers' `Post`."""
    told = Post(url, directory / "ledger", directory / "complaints", **post)
    ledger = Ledger(told.ledger)
    try:
        with Crew(told) as crew:
            async with Agency(ledger).coordinator(url, max_running=0) as client, watching(client) as watch:
                yield Scene(crew, client, watch)
                await asyncio.to_thread(crew.dismiss)
    finally:
        ledger.close()
