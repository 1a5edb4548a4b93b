"""Hooks: functions of a service that are told, at least once, of each run that is parked or has ended."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from tenacity import retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from ..actions.handlers import Handler, read_handler
from ..actions.retrying import Policy, RetryPolicy
from ..clock import Clock, SystemClock
from ..errors import DefinitionError
from ..saga.codec import EventCodec
from ..saga.log.open import open_log
from .database import Worker, open_database
from .delivering import Delivery
from .hook_rows import Since
from .notices import RunNotice
from .projection import NAME_PATTERN
from .pursuit import FollowerState
from .telling import Manner, Teller

__all__ = ["Hook", "Hooks"]

Hook = Callable[[RunNotice], Any]
"""A function that takes a `RunNotice`; a plain one runs in a thread. What it returns counts for nothing."""

MAX_DRAIN_SECONDS = 3_600.0


class Hooks:
    """Tells functions of the runs that are parked or have ended, while it is entered.

    `async with Hooks(url, on_parked=tell_admin): ...`. Notices come one at a time, in the order of the log, each at
    least once: one whose delivery was cut off comes again, with the same `idempotency_key`. A notice may be overtaken:
    the run was retried before the hook was told that it is parked. Any number of processes may enter the hooks of one
    name: one of them delivers, the others stand by and take over when that one ends.

    A hook that raises is tried again, as `stop`, `wait` and `retry` say, and the notices behind it wait. Then its
    notice goes into quarantine, and the others go on; `Projections` shows it, and lets it be delivered again.

    Args:
        url: of the log; not `memory://`.
        name: under which is kept how far they are; at most 48 small letters, digits and `_`, a letter first. Hooks of
            another name get every notice too, and do not wait for these.
        on_parked: told of each run that is parked.
        on_ended: told of each run that has ended, however it did. Not of the runs that a hook of this name has started
            under the key of a notice.
        since: where to begin if nobody has used the name before: with what happens from now on, or with the first
            event of the log.
        timeout: seconds that a hook may take for one notice; None without a limit.
        stop: when to give up a notice (tenacity's `stop`).
        wait: seconds until it is tried again (tenacity's `wait`).
        retry: which errors are worth that (tenacity's `retry`).
        drain_seconds: for how long leaving the context waits for a hook that is under way.
        clock: tells when a position moved.

    Raises:
        DefinitionError: there is no hook, or a keyword does not fit, or a cipher cannot be had.
        InvalidName: the URL is of no allowed form, or names a log in memory.
    """

    def __init__(
        self,
        url: str,
        name: str = "alerts",
        *,
        on_parked: Hook | None = None,
        on_ended: Hook | None = None,
        since: Since | str = Since.NOW,
        timeout: float | None = 60.0,
        stop: Policy = stop_after_attempt(10),
        wait: Policy = wait_exponential_jitter(multiplier=0.2, max=30.0),
        retry: Policy = retry_if_exception_type(Exception),
        drain_seconds: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
            raise DefinitionError(f"hooks {name!r}: a name is at most 48 small letters, digits and _, a letter first")
        if since not in list(Since):
            raise DefinitionError(f"hooks {name}: since={since!r}; use one of {', '.join(Since)}")
        if timeout is not None and not timeout > 0:
            raise DefinitionError(f"hooks {name}: timeout={timeout}; use a number of seconds above 0, or None")
        if not 0 <= drain_seconds <= MAX_DRAIN_SECONDS:
            raise DefinitionError(f"hooks {name}: drain_seconds={drain_seconds}; use 0 to {MAX_DRAIN_SECONDS:,.0f}")
        given = {True: ("on_parked", on_parked), False: ("on_ended", on_ended)}
        handlers = {of: _handler(name, which, hook) for of, (which, hook) in given.items() if hook is not None}
        if not handlers:
            raise DefinitionError(f"hooks {name}: give on_parked or on_ended, or both")
        clock = clock or SystemClock()
        self._log = open_log(url)
        self._delivery = Delivery(
            self._log,
            Worker(open_database(url)),
            name,
            clock,
            codec=EventCodec.from_environment(),
            teller=Teller(Manner(handlers, RetryPolicy(stop, wait, retry), timeout, drain_seconds), clock),
            since=Since(since),
        )
        self._task: asyncio.Task[None] | None = None
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin where the hooks of this name have got to, and tell from now on.

        Raises:
            LogUnavailable: the database does not answer.
            SchemaMismatch: the log's tables are not the ones that this code knows, or gaps are switched on.
            DefinitionError: the name is that of a projection.
            ProjectionAhead: the log was restored to an earlier state: say where to go on (`Projections.go_on_from`).
        """
        try:
            self._closing.push_async_callback(self._delivery.worker.close)
            await self._log.open()
            self._closing.push_async_callback(self._log.close)
            await self._delivery.begin()
        except BaseException:
            await self._closing.aclose()
            raise
        self._task = asyncio.create_task(self._delivery.go_on(), name=f"amends hooks {self.state.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Tell of nothing more. A hook that is under way may end, for `drain_seconds`; then it is cancelled."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._closing.aclose()

    @property
    def state(self) -> FollowerState:
        """How they are followed in this process; `Projections.status` tells how far they are anywhere."""
        return self._delivery.state

    async def caught_up(self) -> None:
        """Return when everything that is in the log now was told of, or is in quarantine, by whatever process.

        It waits for as long as it takes; give it a time limit of your own (`asyncio.timeout`).

        Raises:
            LogUnavailable: the database did not answer for 10 s.
        """
        await self._delivery.caught_up()


def _handler(name: str, which: str, hook: Hook) -> Handler:
    handler = read_handler(hook, f"hooks {name}: {which}")
    if handler.wants_call or len(handler.inputs) != 1:
        raise DefinitionError(f"{handler.label}: takes one argument, a RunNotice")
    return handler
