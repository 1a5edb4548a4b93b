"""What the tests of logs have in common, besides what the contract suite brings."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from amends.saga.log.open import open_log
from amends.saga.log.port import Log
from amends.testing.log_contract import records
from amends.testing.log_contract.records import Key, a_record, collect, key

__all__ = ["Key", "a_record", "collect", "disturb", "key", "opened"]


def opened(url: str) -> AbstractAsyncContextManager[Log]:
    """Open the log that a URL names, yield it, and close it."""
    return records.opened(open_log(url))


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
