"""How workers share the limits of actions, in memory."""

from collections.abc import Callable, Mapping

from .limits import Grant, Held, Need, Sharing, Worker, answered

__all__ = ["MemoryLimits"]


class MemoryLimits:
    """What is held of every limit.

    Args:
        now: seconds.
        is_alive: whether the lease of a worker holds.
    """

    def __init__(self, now: Callable[[], float], is_alive: Callable[[str], bool]) -> None:
        self._now = now
        self._is_alive = is_alive
        self._workers: dict[str, dict[str, Worker]] = {}
        self._drawn: dict[str, dict[int, int]] = {}

    def share(self, need: Need) -> Grant:
        """See `Log.share`."""
        now_us = int(self._now() * 1e6)
        drawn = {until: count for until, count in self._drawn.get(need.limit, {}).items() if until > now_us}
        grant, change = answered(Held(now_us, self._is_alive(need.worker), self._living(need.limit), drawn), need)
        if change is not None:
            self._workers[need.limit] = {**self._living(need.limit), need.worker: change.worker}
            if change.token_count:
                drawn[change.until_us] = drawn.get(change.until_us, 0) + change.token_count
            self._drawn[need.limit] = drawn
        return grant

    def shares(self) -> list[Sharing]:
        """See `Log.shares`."""
        return [
            Sharing(limit, worker.worker, worker.size, worker.rate, worker.taken, worker.waiting)
            for limit in sorted(self._workers)
            for _, worker in sorted(self._living(limit).items())
        ]

    def _living(self, limit: str) -> Mapping[str, Worker]:
        known = self._workers.get(limit, {})
        return {token: worker for token, worker in known.items() if self._is_alive(token)}
