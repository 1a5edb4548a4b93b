"""How long to go on asking a database that does not answer.

A hand-made loop of a few lines instead of tenacity: spans are measured by the event loop's clock, which a simulation
turns, and tenacity measures them by the machine's.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ...errors import LogUnavailable

__all__ = ["Patience", "until_answered"]

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 1.0


class Patience:
    """One spell of asking: it ends when the database has been silent for so long.

    Silence is counted from the first attempt that was not answered to the last one, over all calls of `ask`; any
    answer ends it. So whoever comes in the middle of a long silence asks once, and is not kept waiting again.

    Args:
        seconds: how long to go on, at least 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._silent_since: float | None = None
        self._unanswered_count = 0

    async def ask(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, calling it again while it raises `LogUnavailable`.

        Raises:
            LogUnavailable: patience has ended; this is the last attempt's error.
        """
        while True:
            try:
                answer = await attempt()
            except LogUnavailable:
                if self._has_ended():
                    raise
                await asyncio.sleep(self._pause_seconds())
            else:
                self._silent_since, self._unanswered_count = None, 0
                return answer

    def _has_ended(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._silent_since is None:
            self._silent_since = now
        self._unanswered_count += 1
        return now - self._silent_since >= self._seconds

    def _pause_seconds(self) -> float:
        """Grow twofold up to a second, and differ: many processes lose one server at the same moment."""
        longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(self._unanswered_count, 10))
        return random.uniform(longest / 2, longest)


async def until_answered(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what `attempt` returns, however long the database is away."""
    return await Patience(float("inf")).ask(attempt)
