"""Enters a handler once and says how that ended. Whatever the handler does, this returns.

Every `BaseException` of a handler is an outcome of the attempt, never of the process: it is caught inside the
attempt's own task or thread, because a `SystemExit` that leaves a task ends the whole event loop.
"""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..clock import Clock
from .call import Call
from .handlers import Arguments, Handler
from .threads import Threads

CANCEL_GRACE_SECONDS = 1.0
"""How long an async handler that was timed out may take to clean up, before it counts as still running."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised; of any kind, `SystemExit` and `CancelledError` included."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The time was up. Nobody knows whether the effect landed.

    Attributes:
        seconds: the limit.
        straggler: done when the handler has ended after all; None if it ended at once.
        rolled_back: it was in a transaction that is never committed, so certainly nothing landed.
    """

    seconds: float
    straggler: "asyncio.Future[Any] | None"
    rolled_back: bool = False


Ended = Returned | Raised
Late = Callable[[TimedOut], None]
MakeCall = Callable[..., Call]
"""Takes the `deadline`, if there is one. For a handler that wants no `Call`, none is made."""


async def enter(
    handler: Handler,
    values: tuple[Any, ...],
    call: MakeCall,
    *,
    timeout_seconds: float | None,
    threads: Threads,
    clock: Clock,
    late: Late,
) -> Returned | Raised | TimedOut | None:
    """Enter `handler` once; an async one runs in the task of the caller, who does nothing else in it afterwards.

    Args:
        handler: what to enter.
        values: its input, and for an undo its output; extra ones are left out.
        call: makes what is handed over if the handler wants it.
        timeout_seconds: give up after this; a thread goes on by itself, and is then a straggler.
        threads: where plain functions run; the time begins when there is one.
        clock: tells the deadline.
        late: told that the time is up if an async handler goes on in spite of that; None is returned when it ends.
    """
    if handler.is_async:
        arguments = _arguments(handler, values, call, timeout_seconds, clock)
        return await _enter_async(handler, arguments, timeout_seconds, late)
    await threads.reserve()
    try:
        arguments = _arguments(handler, values, call, timeout_seconds, clock)
        work = threads.start(lambda: _guard_plain(handler, arguments), name=f"amends {handler.label}")
        done, _ = await asyncio.wait({work}, timeout=timeout_seconds)
        if done or timeout_seconds is None:
            return work.result()
        return TimedOut(timeout_seconds, work)
    finally:
        threads.release()


def _arguments(
    handler: Handler, values: tuple[Any, ...], call: MakeCall, timeout_seconds: float | None, clock: Clock
) -> Arguments:
    if not handler.wants_call:
        return handler.arguments(values)
    deadline = None if timeout_seconds is None else clock.now() + timedelta(seconds=timeout_seconds)
    return handler.arguments(values, call(deadline=deadline))


class _Limit:
    """The time limit of an async handler. When it is reached, the handler's task is cancelled, once.

    A handler that goes on all the same is given up after a grace: `late` is told, and how it ends counts no more.
    """

    __slots__ = ("_late", "_loop", "_reached", "_seconds", "_task", "_timer", "_told")

    def __init__(self, seconds: float, late: Late) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._seconds = seconds
        self._late = late
        self._reached = self._told = False
        self._timer = self._loop.call_later(seconds, self._reach)

    def ended(self, ended: Ended) -> Ended | TimedOut | None:
        """Return what came of a handler that has ended."""
        self._timer.cancel()
        if self._told:
            return None
        return TimedOut(self._seconds, None) if self._reached else ended

    def _reach(self) -> None:
        assert self._task is not None
        self._reached = True
        self._timer = self._loop.call_later(CANCEL_GRACE_SECONDS, self._tell)
        self._task.cancel()

    def _tell(self) -> None:
        self._told = True
        self._late(TimedOut(self._seconds, self._task))


async def _enter_async(
    handler: Handler, arguments: Arguments, timeout_seconds: float | None, late: Late
) -> Ended | TimedOut | None:
    limit = None if timeout_seconds is None else _Limit(timeout_seconds, late)
    args, kwargs = arguments
    ended: Ended
    try:
        ended = Returned(await handler.function(*args, **kwargs))
    except BaseException as error:
        ended = Raised(error)
    return ended if limit is None else limit.ended(ended)


def _guard_plain(handler: Handler, arguments: Arguments) -> Ended:
    args, kwargs = arguments
    try:
        value = handler.function(*args, **kwargs)
    except BaseException as error:
        return Raised(error)
    if inspect.iscoroutine(value):
        value.close()
        return Raised(TypeError(f"{handler.label} is a plain function that returned a coroutine; write 'async def'"))
    return Returned(value)
