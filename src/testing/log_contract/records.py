"""Records to append, and ways to read them back: for the contract, and for other tests of a log."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import cast

from ...saga.log.following import Notification
from ...saga.log.port import Log, Record

__all__ = ["Key", "a_record", "collect", "key", "opened"]

Key = tuple[str, int, str, bytes]
"""A stored event: its run, its version, its topic, its bytes."""


@asynccontextmanager
async def opened(log: Log) -> AsyncIterator[Log]:
    """Open a log, yield it, and close it."""
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
    """Follow a log until so many events were seen.

    Raises:
        TimeoutError: they have not come in so many seconds.
    """
    seen: list[Notification] = []
    pages = cast("AsyncGenerator[list[Notification]]", log.follow(after_position))
    async with asyncio.timeout(seconds), aclosing(pages):
        async for page in pages:
            seen += page
            if len(seen) >= count:
                break
    return seen
