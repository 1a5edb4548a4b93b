"""Tells a hook of a notice: enters it once, and says how long to wait if it raised."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from ..actions.call import Call
from ..actions.entering import CANCEL_GRACE_SECONDS, Raised, Returned, enter
from ..actions.handlers import Handler
from ..actions.retrying import RetryPolicy
from ..actions.threads import Threads
from ..clock import Clock
from ..saga.events import RunStatus
from .notices import RunNotice

__all__ = ["Manner", "Teller"]


class Manner(NamedTuple):
    """How hooks are told.

    Attributes:
        handlers: what is entered, by whether it is told of runs that are parked (True) or have ended (False).
        policy: whether a notice is tried again.
        timeout_seconds: for how long a hook may take; None without a limit.
        drain_seconds: for how long a hook that is under way may go on when it is to be left.
    """

    handlers: Mapping[bool, Handler]
    policy: RetryPolicy
    timeout_seconds: float | None
    drain_seconds: float


class Teller:
    """Enters hooks, one after the other.

    Args:
        manner: how.
        clock: tells the time.

    Attributes:
        is_leaving: the task was cancelled while a hook was under way, which has ended since. Whoever has written down
            how it ended then ends too.
    """

    def __init__(self, manner: Manner, clock: Clock) -> None:
        self.is_leaving = False
        self._manner = manner
        self._clock = clock
        self._threads = Threads()

    def is_told(self, notice: RunNotice) -> bool:
        """Tell whether there is a hook for a notice."""
        return (notice.status is RunStatus.PARKED) in self._manner.handlers

    def pause_after(self, attempt: int, error: BaseException, elapsed_seconds: float) -> float | None:
        """Return the seconds until the next attempt, or None if there is to be none.

        Args:
            attempt: the one that failed, from 1.
            error: what it raised.
            elapsed_seconds: since the first one began.
        """
        return self._manner.policy.wait_after_failure(attempt, error, elapsed_seconds)

    async def enter(self, notice: RunNotice) -> BaseException | None:
        """Enter the hook once, in a task of its own, and return what it raised.

        If this task is cancelled meanwhile, the hook gets the time to end. Then it counts as told, if it does.
        """
        late: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        limit = self._manner.timeout_seconds
        entered: asyncio.Task[object] = asyncio.create_task(
            enter(
                self._manner.handlers[notice.status is RunStatus.PARKED],
                (notice,),
                _no_call,
                timeout_seconds=limit,
                threads=self._threads,
                clock=self._clock,
                late=late.set_result,
            )
        )
        try:
            await asyncio.wait({entered, late}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.is_leaving = True
            drain = self._manner.drain_seconds
            await asyncio.wait({entered, late}, timeout=drain, return_when=asyncio.FIRST_COMPLETED)
            if not entered.done():
                entered.cancel()
                await asyncio.wait({entered}, timeout=CANCEL_GRACE_SECONDS)
                raise
        ended = entered.result() if entered.done() else late.result()
        if isinstance(ended, Returned):
            return None
        return ended.error if isinstance(ended, Raised) else TimeoutError(f"it took longer than {limit} s")


def _no_call(**_: object) -> Call:
    raise AssertionError("a hook that wants a Call is refused when it is given")
