"""Looks on from outside: what the log says of every run, live, by following it."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable

from amends import Coordinator
from amends.saga import events as e
from amends.saga.codec import DEFAULT_PAYLOAD_LIMIT_BYTES, EventCodec
from amends.saga.log.port import Log, Record

__all__ = ["Watch", "watching"]


class Watch:
    """The runs of a log as they stand.

    Attributes:
        log: the log.
        events: of each run, in order.
        owners: the worker that has a run.
        claims_seen: when the claim of each epoch was seen (wall time, nanoseconds): by then it had been made.
        parked: the runs that are parked now, and why.
        unfinished: the runs that have not ended and are not parked.
        completed: the runs that ever were completed, in that order.
        in_order: all events, each with its run, in the order of the log.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.events: dict[str, list[e.Event]] = defaultdict(list)
        self.owners: dict[str, str] = {}
        self.claims_seen: dict[str, dict[int, int]] = defaultdict(dict)
        self.parked: dict[str, e.RunParked] = {}
        self.unfinished: set[str] = set()
        self.completed: list[str] = []
        self.in_order: list[tuple[str, e.Event]] = []
        self._codec = EventCodec.from_environment(DEFAULT_PAYLOAD_LIMIT_BYTES)
        self._news = asyncio.Event()

    async def follow(self) -> None:
        """Follow the log for ever."""
        async for page in self.log.follow():
            for noted in page:
                event = self._codec.decode(Record(noted.topic, noted.state))
                self._take(str(noted.originator_id), event)
            self._news.set()

    def _take(self, run_id: str, event: e.Event) -> None:
        self.events[run_id].append(event)
        self.in_order.append((run_id, event))
        match event:
            case e.RunStarted() | e.RunResumed() | e.RunFailing():
                self.unfinished.add(run_id)
                self.parked.pop(run_id, None)
            case e.RunClaimed():
                self.owners[run_id] = event.worker
                self.claims_seen[run_id][event.epoch] = time.time_ns()
            case e.RunParked():
                self.unfinished.discard(run_id)
                self.parked[run_id] = event
            case e.RunCompleted() | e.RunCompensated() | e.RunAbandoned():
                self.unfinished.discard(run_id)
                self.parked.pop(run_id, None)
                if isinstance(event, e.RunCompleted):
                    self.completed.append(run_id)

    def owned(self, worker: str) -> set[str]:
        """Return the unfinished runs that a worker has."""
        return {run_id for run_id in self.unfinished if self.owners.get(run_id) == worker}

    async def until(self, what: Callable[[], bool], seconds: float, *, look_seconds: float | None = None) -> bool:
        """Wait until something is the case, looking at each news, or also every so often; returns whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not what():
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), look_seconds)
        return what()

    async def read(self, run_id: str) -> list[e.Event]:
        """Return the events of a run as the log has them."""
        return [self._codec.decode(record) for record in await self.log.read(run_id)]


@contextlib.asynccontextmanager
async def watching(client: Coordinator) -> AsyncIterator[Watch]:
    """Yield a watch on the log of an open coordinator."""
    watch = Watch(client._log)
    task = asyncio.create_task(watch.follow())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait({task})
