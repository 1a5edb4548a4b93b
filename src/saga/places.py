"""How many runs a worker hosts at once: places that are taken, given back, and taken again without waiting."""

import asyncio
from collections import deque
from collections.abc import Callable


class Places:
    """The places of one worker.

    Args:
        count: how many there are.

    Attributes:
        free_count: how many are free; below 0 if some were taken again that others have by now.
        freed: called when there is a free place after there was none.
    """

    def __init__(self, count: int) -> None:
        self.free_count = count
        self.freed: Callable[[], None] = lambda: None
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a free place, behind those who wait already, and take it."""
        while self.free_count <= 0 or self._waiters:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
                break
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self.release()  # It was given a place, and does not want it any more.
                else:
                    self._waiters.remove(waiter)
                raise
        else:
            self.free_count -= 1

    def take(self) -> None:
        """Take a place, whether one is free or not: for whoever gave one back for a while."""
        self.free_count -= 1

    def release(self) -> None:
        """Give a place back; to whoever waits the longest, if there is one for them."""
        self.free_count += 1
        while self._waiters and self.free_count > 0:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.free_count -= 1
                waiter.set_result(None)
        if self.free_count == 1:
            self.freed()
