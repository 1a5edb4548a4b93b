"""What the tests of logs have in common."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amends.saga.log.following import Notification
from amends.saga.log.open import open_log
from amends.saga.log.port import Log, Record

__all__ = ["Key", "a_record", "collect", "key", "opened"]

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
