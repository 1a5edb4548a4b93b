"""Loops that take turns: several processes that run at the same time, one callback after the other, in one thread.

Which one is next is for somebody else to say, and so is when time passes.
"""

import asyncio
from typing import Any

from .virtual_time import VirtualClock, VirtualLoop

__all__ = ["TurnLoop"]


class _NumberedTask(asyncio.Task[Any]):
    """A task that hashes by its number, so that sets of tasks are walked in the same order each time."""

    def __init__(self, coro: Any, *, loop: "TurnLoop", number: int, **keywords: Any) -> None:
        self._number = number
        super().__init__(coro, loop=loop, **keywords)

    def __hash__(self) -> int:
        return self._number


class TurnLoop(VirtualLoop):
    """A `VirtualLoop` that somebody else runs, callback by callback, and whose time somebody else turns.

    Args:
        clock: shared by all loops that take turns.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.set_exception_handler(self._raised_in_callback)
        self.errors: list[BaseException] = []
        """What callbacks raised; whatever a task raises is the task's own business."""

    def create_task(self, coro: Any, **keywords: Any) -> asyncio.Task[Any]:
        """Make a task, and keep it; see `VirtualLoop.create_task`."""
        task = _NumberedTask(coro, loop=self, number=len(self._tasks), **keywords)
        self._tasks.append(task)
        return task

    @property
    def is_ready(self) -> bool:
        """Whether there is something to do without time passing."""
        return bool(self._ready or (self._scheduled and self._scheduled[0].when() <= self._clock.seconds))

    def take_turn(self) -> bool:
        """Run the next callback, if there is one; returns whether it has halted the loop."""
        self._fall_due()
        if self._ready:
            handle = self._ready.popleft()
            if not handle._cancelled:  # noqa: SLF001 - a loop's own business
                around = asyncio._get_running_loop()  # noqa: SLF001
                asyncio._set_running_loop(self)  # noqa: SLF001 - which is there for event loops
                try:
                    handle._run()  # noqa: SLF001 - and this is the loop
                finally:
                    asyncio._set_running_loop(around)  # noqa: SLF001
        halted, self._stopping = self._stopping, False
        return halted

    def _raised_in_callback(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "handle" in context and "exception" in context:
            self.errors.append(context["exception"])
