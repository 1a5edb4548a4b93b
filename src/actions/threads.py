"""Threads for plain handlers: one a call, a bounded number at once.

A pool would not do: a handler that never returns keeps its pool thread for ever, so after enough of them no plain
handler runs again, and `concurrent.futures` joins its threads at exit, so the process would not end either. A thread
of its own per call costs about 50 microseconds and can be abandoned: it is a daemon, and its place is given to others.
"""

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

R = TypeVar("R")


class Threads:
    """Runs plain functions off the event loop.

    Args:
        limit: how many run at once; further ones wait. A thread that was abandoned does not count.
    """

    def __init__(self, limit: int = 64) -> None:
        self._free = asyncio.Semaphore(limit)

    async def reserve(self) -> None:
        """Wait for a free place."""
        await self._free.acquire()

    def release(self) -> None:
        """Give a place back: the call ended, or is abandoned."""
        self._free.release()

    def start(self, work: Callable[[], R], name: str) -> "asyncio.Future[R]":
        """Begin `work`, which must not raise, in a thread; the future gets what it returns, however late.

        The caller has reserved a place, and releases it.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[R] = loop.create_future()
        context = copy_context()

        def body() -> None:
            result = context.run(work)
            try:
                loop.call_soon_threadsafe(_settle, done, result)
            except RuntimeError:
                return  # The loop is gone, and with it everybody who could want the result.

        threading.Thread(target=body, name=name, daemon=True).start()
        return done


def _settle(done: "asyncio.Future[R]", result: R) -> None:
    if not done.done():
        done.set_result(result)
