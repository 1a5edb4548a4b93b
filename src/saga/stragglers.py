"""What handlers leave running when their time is up: threads, and tasks that would not be cancelled.

No undo of a step is entered while one of its attempts may still act. They are kept for the whole process, not for one
driver, because a run may be parked and taken up again while one of them is still at it.
"""

import asyncio
from typing import Any


class Stragglers:
    """The stragglers of one process, by run and step."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], set[asyncio.Future[Any]]] = {}

    def note(self, run_id: str, path: str, straggler: "asyncio.Future[Any]") -> None:
        """Keep a straggler until it ends."""
        key = (run_id, path)
        self._running.setdefault(key, set()).add(straggler)
        straggler.add_done_callback(lambda done: self._forget(key, done))

    def has_any(self, run_id: str) -> bool:
        """Whether anything of this run is still running."""
        return any(of_run == run_id for of_run, _ in self._running)

    def of(self, run_id: str, path: str) -> "frozenset[asyncio.Future[Any]]":
        """Return what of this step is still running."""
        return frozenset(self._running.get((run_id, path), ()))

    async def end(self, run_id: str, path: str, limit_seconds: float | None) -> bool:
        """Wait until nothing of this step is still running, for so long at most; returns whether it is so."""
        running = self._running.get((run_id, path))
        if not running:
            return True
        _, late = await asyncio.wait(set(running), timeout=limit_seconds)
        return not late

    def _forget(self, key: tuple[str, str], straggler: "asyncio.Future[Any]") -> None:
        running = self._running[key]
        running.discard(straggler)
        if not running:
            del self._running[key]
