"""How those who want something in a simulation ask for it: until they are answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import LogUnavailable

__all__ = ["ASK_AGAIN_SECONDS", "until_answered"]

T = TypeVar("T")

ASK_AGAIN_SECONDS = 0.5


async def until_answered(ask: Callable[[], Awaitable[T]], *unanswered: type[Exception]) -> T:
    """Return what `ask` returns, asking again after a while where the log does not answer.

    Args:
        ask: what is asked, each time anew.
        unanswered: which other errors are no answer either.
    """
    again: tuple[type[Exception], ...] = (LogUnavailable, *unanswered)
    while True:
        try:
            return await ask()
        except again:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
