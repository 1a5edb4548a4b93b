"""Enters a handler once and says how that ended. Whatever the handler does, this returns.

Every `BaseException` of a handler is an outcome of the attempt, never of the process: it is caught inside the
handler's own task or thread, because a `SystemExit` that leaves a task ends the whole event loop.
"""

import asyncio
import inspect
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..clock import Clock
from .call import Call
from .handlers import Handler
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
    """

    seconds: float
    straggler: "asyncio.Future[Any] | None"


Ended = Returned | Raised


async def enter(
    handler: Handler,
    values: tuple[Any, ...],
    call: Call,
    *,
    timeout_seconds: float | None,
    threads: Threads,
    clock: Clock,
) -> Returned | Raised | TimedOut:
    """Enter `handler` once.

    Args:
        handler: what to enter.
        values: its input, and for an undo its output; extra ones are left out.
        call: handed over if the handler wants it, with the deadline filled in.
        timeout_seconds: give up after this; a thread goes on by itself, and is then a straggler.
        threads: where plain functions run; the time begins when there is one.
        clock: tells the deadline.
    """
    if handler.is_async:
        call = _with_deadline(call, timeout_seconds, clock)
        task = asyncio.ensure_future(_guard_async(handler, values, call))
        return await _in_time(task, timeout_seconds, cancel=True)
    await threads.reserve()
    try:
        call = _with_deadline(call, timeout_seconds, clock)
        work = threads.start(lambda: _guard_plain(handler, values, call), name=f"amends {handler.label}")
        return await _in_time(work, timeout_seconds, cancel=False)
    finally:
        threads.release()


def _with_deadline(call: Call, timeout_seconds: float | None, clock: Clock) -> Call:
    if timeout_seconds is None:
        return call
    return replace(call, deadline=clock.now() + timedelta(seconds=timeout_seconds))


async def _in_time(
    work: "asyncio.Future[Ended]", timeout_seconds: float | None, *, cancel: bool
) -> Returned | Raised | TimedOut:
    try:
        done, _ = await asyncio.wait({work}, timeout=timeout_seconds)
    except asyncio.CancelledError:
        if cancel:
            work.cancel()
        raise
    if done:
        return _result(work)
    assert timeout_seconds is not None
    if cancel:
        work.cancel()
        done, _ = await asyncio.wait({work}, timeout=CANCEL_GRACE_SECONDS)
    return TimedOut(timeout_seconds, None if done else work)


def _result(work: "asyncio.Future[Ended]") -> Ended:
    return (
        Raised(asyncio.CancelledError("the handler was cancelled from outside")) if work.cancelled() else work.result()
    )


async def _guard_async(handler: Handler, values: tuple[Any, ...], call: Call) -> Ended:
    args, kwargs = handler.arguments(values, call)
    try:
        return Returned(await handler.function(*args, **kwargs))
    except BaseException as error:
        return Raised(error)


def _guard_plain(handler: Handler, values: tuple[Any, ...], call: Call) -> Ended:
    args, kwargs = handler.arguments(values, call)
    try:
        value = handler.function(*args, **kwargs)
    except BaseException as error:
        return Raised(error)
    if inspect.iscoroutine(value):
        value.close()
        return Raised(TypeError(f"{handler.label} is a plain function that returned a coroutine; write 'async def'"))
    return Returned(value)
