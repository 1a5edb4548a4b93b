"""An event loop whose time passes only when there is nothing else to do, and a clock that agrees with it.

Nothing sleeps: where a real loop would wait for its next timer, this one turns its time to it. It has no sockets and no
pipes, so a simulation opens no file and costs microseconds to set up. What waits for the outside world (a socket, a
thread) would wait for ever; that is reported as a deadlock instead.

A loop can be *halted* between two callbacks. Run again, it goes on as if nothing had happened, as a process does that
was stopped for a while; never run again, none of its code runs any more, as in a process that was killed.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, TypeVar

from ..errors import SimulationStuck

T = TypeVar("T")

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""When every simulation begins."""

MAX_TURNS = 200_000
"""A loop that turns so often without time passing is taken to turn for ever."""

_CLOSINGS = 10


class VirtualClock:
    """Tells virtual wall time. Loops that share it continue each other's time, as processes share the world's.

    Attributes:
        seconds: since the beginning.
        ends_at: turning it past this is an error, because a simulation that takes so long does not end.
    """

    def __init__(self, ends_at: float = float("inf")) -> None:
        self.seconds = 0.0
        self.ends_at = ends_at
        self._told = (0.0, EPOCH)

    def now(self) -> datetime:
        """Return the virtual present as an aware UTC datetime."""
        if self._told[0] != self.seconds:
            self._told = (self.seconds, EPOCH + timedelta(seconds=self.seconds))
        return self._told[1]

    def turn_to(self, seconds: float) -> None:
        """Let time pass; it never goes back.

        Raises:
            SimulationStuck: that is later than the simulation may last.
        """
        if seconds > self.ends_at:
            raise SimulationStuck(f"nothing that matters has ended after {self.ends_at:g} virtual seconds")
        self.seconds = max(self.seconds, seconds)


class _NoSelector:
    """Stands where an event loop keeps its selector; there is nothing to select from."""

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time. Callbacks run in the order in which they were scheduled, always the same.

    Args:
        clock: whose time it turns.

    Attributes:
        asked_outside: what was asked of it that there is none of in a simulation: threads, sockets, processes.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._selector = _NoSelector()
        self._tasks: list[asyncio.Task[Any]] = []
        self._turns = 0
        self.asked_outside: list[str] = []

    def __del__(self) -> None:
        """Say nothing of a loop that was never closed: it holds nothing that could leak."""

    def time(self) -> float:
        """Return virtual seconds."""
        return self._clock.seconds

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Schedule a callback for the next turn, without the checks of a loop that may be closed or debugged."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """Schedule a callback for a time; likewise."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._scheduled, timer)
        return timer

    def create_task(self, coro: Any, **keywords: Any) -> asyncio.Task[Any]:
        """Make a task, and keep it: what is never run again must not be closed by the garbage collector either."""
        task = asyncio.Task(coro, loop=self, **keywords)
        self._tasks.append(task)
        return task

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            self._turn_time()
        self._fall_due()
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise SimulationStuck(f"the loop turned {MAX_TURNS:,} times, and no time passed")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001 - a loop's own business
                handle._run()  # noqa: SLF001 - and this is the loop
                if self._stopping:
                    return

    def _fall_due(self) -> None:
        """Make ready whose time has come."""
        ready, scheduled, now = self._ready, self._scheduled, self._clock.seconds
        while scheduled and scheduled[0].when() <= now:
            ready.append(heappop(scheduled))

    def _turn_time(self) -> None:
        when = self.next_at()
        if when is None:
            raise SimulationStuck(str(SimulationStuck.__doc__))
        if when > self._clock.seconds:
            self._clock.turn_to(when)
            self._turns = 0

    def next_at(self) -> float | None:
        """Return when the next timer is due, in virtual seconds; None if nothing waits for time to pass."""
        scheduled = self._scheduled
        while scheduled and scheduled[0].cancelled():
            heappop(scheduled)
        return scheduled[0].when() if scheduled else None

    def _write_to_self(self) -> None:
        """No thread has to be woken: everything runs in one."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` to its end; further tasks are left as they stand.

        Raises:
            SimulationStuck: it waits for what will not come.
        """
        return self.run_until_complete(coroutine)

    def go_on(self, task: "asyncio.Task[Any]") -> bool:
        """Run until `task` has ended, or the loop is halted; returns whether the task has ended.

        Raises:
            SimulationStuck: it waits for what will not come.
        """
        if not task.done():
            task.add_done_callback(self._halt_after)
            self.run_forever()
            task.remove_done_callback(self._halt_after)
        return task.done()

    def _halt_after(self, _: "asyncio.Task[Any]") -> None:
        self.stop()

    def halt(self) -> None:
        """Let no further callback run after the present one, until the loop is run again."""
        self.stop()

    def discard(self) -> None:
        """Let go of everything that the loop has left unfinished. Call it last, and expect nothing of that code.

        The `finally` blocks of coroutines run now, for the interpreter allows no other end of them.
        """
        unfinished = [task for task in self._tasks if not task.done()]
        if unfinished:
            silenced = logging.root.manager.disable
            logging.disable()
            for task in unfinished:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - meant to be left so
                _close(task.get_coro())
            logging.disable(silenced)
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.exception()  # Whoever wanted it is gone.
        for handle in self._ready:  # Some would have closed what a task was to await that ended before it began.
            for cell in getattr(handle._callback, "__closure__", None) or ():  # type: ignore[attr-defined]  # noqa: SLF001
                with suppress(ValueError):  # An empty cell holds nothing.
                    _close_unbegun(cell.cell_contents)
        self._tasks.clear()
        self._ready.clear()
        self._scheduled.clear()


def _close(coroutine: Any) -> None:
    """Close a coroutine, even one that awaits something on its way out; and what it holds that has never begun."""
    held = list(coroutine.cr_frame.f_locals.values()) if coroutine.cr_frame else []
    _close_it(coroutine)
    for value in held:
        _close_unbegun(value)


def _close_unbegun(value: object) -> None:
    if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
        _close(value)


def _close_it(coroutine: Any) -> None:
    for _ in range(_CLOSINGS):
        try:
            coroutine.close()
        except RuntimeError:
            continue
        except BaseException:
            return
        return


_OUTSIDE = {
    "a thread": ["run_in_executor"],
    "a network address": ["getaddrinfo", "getnameinfo"],
    "a connection": ["create_connection", "create_unix_connection", "create_datagram_endpoint", "create_server"],
    "a socket": ["add_reader", "add_writer", "sock_connect", "sock_accept", "sock_recv", "sock_sendall"],
    "another process": ["subprocess_exec", "subprocess_shell"],
}


def _refusal(what: str) -> Any:
    def refuse(loop: VirtualLoop, *_: Any, **__: Any) -> None:
        loop.asked_outside.append(what)
        raise SimulationStuck(f"{what}: there is none in a simulation; give the action a stand-in")

    return refuse


for _what, _names in _OUTSIDE.items():
    for _name in _names:
        setattr(VirtualLoop, _name, _refusal(_what))
