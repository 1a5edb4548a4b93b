"""What the tests of logs have in common."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from amends.saga.log.following import Notification
from amends.saga.log.open import open_log
from amends.saga.log.port import Log, Record

__all__ = ["Key", "a_record", "collect", "disturb", "key", "opened"]

Key = tuple[str, int, str, bytes]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Log]:
    """Yield an open log."""
    log = open_log(url)
    await log.open()
    try:
        yield log
    finally:
        await log.close()


def a_record(text: str = "{}") -> Record:
    """Return a small record."""
    return Record("test.topic", text.encode())


def key(notification: Notification) -> Key:
    """Return what identifies a stored event, with its content."""
    run_id, version = str(notification.originator_id), notification.originator_version
    return run_id, version, notification.topic, notification.state


async def collect(log: Log, count: int, after_position: int = 0, seconds: float = 60) -> list[Notification]:
    """Follow a log until so many events were seen; fail when they do not come."""
    seen: list[Notification] = []
    async with asyncio.timeout(seconds):
        pages = log.follow(after_position)
        async for page in pages:
            seen += page
            if len(seen) >= count:
                await pages.aclose()  # type: ignore[attr-defined]
                break
    return seen


async def disturb(hit: Callable[[], Awaitable[object]], progress: Callable[[], object], longest_seconds: float) -> None:
    """Hit at random moments, for ever.

    While there is no progress from one hit to the next, the pauses grow: on a busy machine nothing else would ever be
    long enough to connect and to append in, and what ends then is our patience.
    """
    fruitless, before = 0, progress()
    while True:
        await asyncio.sleep(random.uniform(0, longest_seconds) * (1 + fruitless))
        await hit()
        now = progress()
        fruitless, before = fruitless + 1 if now == before else 0, now
