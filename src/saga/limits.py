"""Gives permits to attempts of limited actions, for all runs of one worker, and keeps its shares of the limits.

What is decided is in `pool.py`, and in `log/limits.py` for all workers together; here are tasks that ask the log.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from ..actions.action import Action
from ..errors import LogError
from .log.port import Log
from .pool import Permit, Pool, Waiter

__all__ = ["Limits", "limits_of"]

_logger = logging.getLogger("amends.limits")


def limits_of(actions: Iterable[Action[Any, Any]], log: Log, worker: str) -> "Limits | None":
    """Return the limits of those actions that have one; None if none has, so that nothing is asked of any."""
    limited = [action for action in actions if action.is_limited]
    return Limits(limited, log, worker) if limited else None


class Limits:
    """The limits of one worker's actions.

    Args:
        actions: those that are limited.
        log: shared with the other workers.
        worker: its token.

    Attributes:
        lapses: how often this worker's lease has lapsed; None while it does not hold.
    """

    def __init__(self, actions: Iterable[Action[Any, Any]], log: Log, worker: str) -> None:
        self.lapses: Callable[[], int | None] = lambda: 0
        self._log = log
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._pools = {action.name: Pool(action.name, action.concurrency, action.rate) for action in actions}
        self._served: set[str] = set()
        """Those whose permits are being given out. Whoever gives one back at once leaves it to who gave it."""
        self._kept: set[str] = set()
        """Those for which a task is there, or about to be, that asks the log."""
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False
        self._stirred: dict[str, asyncio.Future[None]] = {}

    def has(self, action: str) -> bool:
        """Whether an action is limited."""
        return action in self._pools

    def wait(self, action: str, given: Callable[[Permit], None], *, first: bool) -> Waiter:
        """Have `given` called with a permit, at once if there is one and nobody is just being given one.

        Args:
            action: which one's; a limited one.
            given: called once; not any more after `leave`.
            first: the attempt is on record already, so it goes before those that are not.
        """
        waiter = Waiter(given)
        self._pools[action].join(waiter, first=first)
        self._serve(self._pools[action])
        return waiter

    def leave(self, action: str, waiter: Waiter) -> None:
        """Wait no more. Whoever has been given a permit gives it back."""
        if self._pools[action].leave(waiter):
            self._serve(self._pools[action])

    def is_good(self, permit: Permit) -> bool:
        """Whether a handler may be entered with this permit, now; notes when the first one is."""
        now = self._loop.time()
        if not permit.has_begun:
            permit.pool.began(permit, now)
        return permit.is_good(self.lapses(), now)

    def give_back(self, permit: Permit) -> None:
        """Let the next one have it."""
        permit.pool.given_back()
        self._serve(permit.pool)

    async def close(self) -> None:
        """Ask for nothing more. The log forgets this worker's shares with its lease."""
        self._is_closed = True
        keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    def _serve(self, pool: Pool) -> None:
        if pool.name in self._served:
            return
        self._served.add(pool.name)
        try:
            for waiter, permit in pool.served(self.lapses(), self._loop.time()):
                waiter.given(permit)
        finally:
            self._served.discard(pool.name)
        if pool.due_at() is None:
            return
        if pool.name not in self._kept:
            self._kept.add(pool.name)
            self._loop.call_soon(self._begin, pool)
        elif (stirred := self._stirred.get(pool.name)) is not None and not stirred.done():
            stirred.set_result(None)

    def _begin(self, pool: Pool) -> None:
        if not self._is_closed:
            self._keepers[pool.name] = self._loop.create_task(self._keep(pool), name=f"amends limit {pool.name}")

    async def _keep(self, pool: Pool) -> None:
        """Ask the log whenever that is due, until there is nothing more to ask."""
        try:
            while (due_at := pool.due_at()) is not None:
                if (seconds := due_at - self._loop.time()) > 0:
                    stirred = self._stirred[pool.name] = self._loop.create_future()
                    await asyncio.wait({stirred}, timeout=seconds)
                    if not stirred.done():
                        self._serve(pool)  # Tokens may have gone stale, or a lease may have come back.
                else:
                    await self._ask(pool)
        finally:
            self._kept.discard(pool.name)

    async def _ask(self, pool: Pool) -> None:
        pool.look(self.lapses())
        need = pool.ask(self._worker, self._loop.time())
        try:
            grant = await self._log.share(need)
        except LogError as error:
            _logger.warning("the limit of %s could not be looked up, it is tried again: %s", pool.name, error)
            pool.unanswered()
        except BaseException:
            pool.unanswered()
            raise
        else:
            pool.answered(grant, self.lapses())
        self._serve(pool)
