"""Runs branches of a saga side by side as tasks, and waits until all of them have settled.

It leaves no coroutine that was never awaited, and no error that nobody looked at.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any


class Escaped:
    """What a branch raised that no task may raise: asyncio would end the whole event loop over it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def in_place(branch: Coroutine[Any, Any, Any], places: asyncio.Semaphore | None) -> Any:
    """Await a branch when there is a place for it."""
    try:
        if places is None:
            return await branch
        async with places:
            return await branch
    except (KeyboardInterrupt, SystemExit) as error:
        return Escaped(error)


class Settled:
    """Counts branches until all have settled."""

    def __init__(self, count: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.all: asyncio.Future[None] = self.loop.create_future()
        self._count = count
        self._tasks: list[tuple[asyncio.Task[Any], Coroutine[Any, Any, Any]]] = []
        self._limit: int | None = None
        self._check()

    def watch(
        self, tasks: "Sequence[asyncio.Task[Any]]", branches: Sequence[Coroutine[Any, Any, Any]], limit: int | None
    ) -> None:
        """Note the tasks of the branches, and how many of them run at once."""
        self._tasks, self._limit = list(zip(tasks, branches, strict=True)), limit

    def is_idle(self, task_is_idle: "Callable[[asyncio.Task[Any]], bool]") -> bool:
        """Whether no branch does anything by itself: each waits for what it has asked for, or for a place."""
        begun = [task for task, branch in self._tasks if inspect.getcoroutinestate(branch) != inspect.CORO_CREATED]
        running = [task for task in begun if not task.done()]
        if len(begun) < len(self._tasks) and (self._limit is None or len(running) < self._limit):
            return False
        return not self.all.done() and all(map(task_is_idle, running))

    def one(self, branch: Coroutine[Any, Any, Any]) -> Callable[[asyncio.Task[Any]], None]:
        """Return what is to be called when the task of `branch` is done."""

        def ended(task: asyncio.Task[Any]) -> None:
            branch.close()
            if not task.cancelled():
                task.exception()
            self._count -= 1
            self._check()

        return ended

    def _check(self) -> None:
        if not self._count and not self.all.done():
            self.all.set_result(None)


def failures_first(tasks: list[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Raise the first failure, having looked at all, so that none is reported as never retrieved."""
    failures = [error for task in tasks if (error := _failure(task)) is not None]
    if failures:
        raise failures[0]
    return tasks


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    if task.cancelled():
        return None
    error = task.exception()
    if error is None and isinstance(result := task.result(), Escaped):
        return result.error
    return error


async def one_after_the_other(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Await coroutines in their order; those behind one that raises are not begun."""
    try:
        for coroutine in coroutines:
            await coroutine
    finally:
        for coroutine in coroutines:
            coroutine.close()
