"""How often somebody may ask: a sliding window for each token, or for each address without one."""

import math

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from ...clock import SystemClock
from .problems import Problem

__all__ = ["Rates"]


class Rates:
    """Counts the requests of this process.

    Args:
        per_minute: how many each may make.
    """

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._clock = SystemClock()

    async def check(self, who: str) -> None:
        """Count one more.

        Raises:
            Problem: it is one too many.
        """
        if await self._limiter.hit(self._item, who):
            return
        stats = await self._limiter.get_window_stats(self._item, who)
        seconds = min(60, max(1, math.ceil(stats.reset_time - self._clock.now().timestamp())))
        said = f"at most {self._item.amount:,} requests a minute; ask again in {seconds} s"
        raise Problem(429, "rate-limited", said, headers={"Retry-After": str(seconds)})
