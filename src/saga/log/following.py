"""How a reader of all runs learns that there is more to read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from eventsourcing.persistence import Notification

from ...errors import LogUnavailable

__all__ = ["Bell", "Notification", "tail"]


class Bell:
    """Wakes all who wait, at once. Rings are counted, so one that falls between two waits is not missed."""

    def __init__(self) -> None:
        self.ring_count = 0
        self.is_broken = False
        self._sleepers: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody."""
        self.ring_count += 1
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    def break_off(self) -> None:
        """Wake everybody for the last time: the log is closed."""
        self.is_broken = True
        self.ring()

    def mend(self) -> None:
        """Make a bell that was broken off usable again: the log is open once more."""
        self.is_broken = False

    async def wait(self, heard_count: int, timeout_seconds: float | None) -> None:
        """Wait for a ring after the first `heard_count` ones, or until the time is up."""
        if self.ring_count != heard_count:
            return
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.add(sleeper)
        try:
            await asyncio.wait([sleeper], timeout=timeout_seconds)
        finally:
            self._sleepers.discard(sleeper)


async def tail(
    bell: Bell,
    read_page: Callable[[int], Awaitable[list[Notification]]],
    after_position: int,
    poll_seconds: float | None,
) -> AsyncIterator[list[Notification]]:
    """Yield page after page until the bell is broken off; look again at each ring and every `poll_seconds`.

    A database that does not answer is asked again at the next ring or poll, for ever: a follower has nobody to tell.
    """
    while not bell.is_broken:
        heard_count = bell.ring_count
        try:
            page = await read_page(after_position)
        except LogUnavailable:
            page = []
        if page:
            after_position = page[-1].id
            yield page
        else:
            await bell.wait(heard_count, poll_seconds)
