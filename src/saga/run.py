"""What a saga function holds: `run.do` and `run.all`, and the paths that they give to steps.

A path comes from the structure of the code: the number of the call within its branch, and the index of the branch.
It is taken when `run.do` is called, in the order of the calls, never when something finishes, so a replay over any
order of completions asks for the same paths. That is why a step may only be asked for from the saga's own task or
from a branch of `run.all`: which number a call in some other task gets would depend on timing.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, overload

from ..actions.action import Action
from ..errors import DefinitionError, UnknownTask

In = TypeVar("In")
Out = TypeVar("Out")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class Asked(NamedTuple):
    """A step as the saga function asks for it."""

    path: str
    action: Action[Any, Any]
    value: Any


class Asks(Protocol):
    """Whoever has steps carried out."""

    async def one(self, asked: Asked) -> Any:
        """Return the output of the step, or raise `ActionError`."""
        ...

    async def all(self, steps: Sequence[Asked]) -> tuple[Any, ...]:
        """Return the outputs of the steps, begun in this order, when all have settled; or raise the first failure."""
        ...


class _Branch:
    """A place in the saga's code that numbers its own calls."""

    __slots__ = ("_calls", "_prefix")

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._calls = 0

    def next_path(self) -> str:
        self._calls += 1
        return f"{self._prefix}{self._calls}"


class Run:
    """One execution of a saga, as its function sees it.

    Attributes:
        run_id: the run.
        tags: what it was started with.
    """

    def __init__(self, run_id: str, tags: Mapping[str, str], asks: Asks) -> None:
        self.run_id = run_id
        self.tags = dict(tags)
        self._asks: Asks | None = asks
        self._branches: dict[asyncio.Task[Any], _Branch] = {}

    @overload
    def do(self, action: Action[None, Out]) -> Coroutine[Any, Any, Out]: ...
    @overload
    def do(self, action: Action[In, Out], value: In) -> Coroutine[Any, Any, Out]: ...
    def do(self, action: Action[Any, Any], value: Any = None) -> Coroutine[Any, Any, Any]:
        """Call an action as a step of this run; the step gets its path now and begins when it is awaited.

        Await the coroutine, or hand it to `run.all`, `asyncio.gather` or a `TaskGroup`. It returns the action's
        output as it was recorded.

        Args:
            action: one that the coordinator knows.
            value: its input; a copy goes into the log, so changing it afterwards changes nothing.

        Raises:
            UnknownTask: called from a task that the run does not know; use `run.all(branch(run), ...)`.
            DefinitionError: `action` is not an `Action`.
            ActionError: (when awaited) the step failed for good.
            InvalidValue: (when awaited) the input does not fit the action's type or cannot be stored.
        """
        if not isinstance(action, Action):
            raise DefinitionError(f"run.do takes an Action, not {action!r}; decorate the function with @action(...)")
        path = self._branch(action.name).next_path()
        assert self._asks is not None, "a run that was left knows no task"
        return _step(self._asks, Asked(path, action, value))

    @overload
    async def all(
        self, a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], /, *, limit: int | None = ...
    ) -> tuple[A, B]: ...
    @overload
    async def all(
        self,
        a: Coroutine[Any, Any, A],
        b: Coroutine[Any, Any, B],
        c: Coroutine[Any, Any, C],
        /,
        *,
        limit: int | None = ...,
    ) -> tuple[A, B, C]: ...
    @overload
    async def all(
        self,
        a: Coroutine[Any, Any, A],
        b: Coroutine[Any, Any, B],
        c: Coroutine[Any, Any, C],
        d: Coroutine[Any, Any, D],
        /,
        *,
        limit: int | None = ...,
    ) -> tuple[A, B, C, D]: ...
    @overload
    async def all(self, *branches: Coroutine[Any, Any, Out], limit: int | None = ...) -> tuple[Out, ...]: ...
    async def all(self, *branches: Coroutine[Any, Any, Any], limit: int | None = None) -> tuple[Any, ...]:
        """Run branches side by side, wait for all of them to settle, and return their results in order.

        Args:
            branches: `run.do(...)` coroutines, and coroutines of functions that call `run.do` and `run.all`
                themselves; each of the latter gets paths of its own.
            limit: how many run at once; None for all.

        Raises:
            UnknownTask: called from a task that the run does not know.
            Exception: what the first failing branch raised, first in the order of the arguments.
        """
        steps = _unbegun(self._asks, branches) if limit is None else None
        if steps is None:
            return await self._in_tasks(branches, limit)
        self._branch(None)
        assert self._asks is not None, "a run that was left knows no task"
        return await self._asks.all(steps)

    async def _in_tasks(self, branches: tuple[Coroutine[Any, Any, Any], ...], limit: int | None) -> tuple[Any, ...]:
        settled = _Settled(len(branches))
        try:
            tasks = self._begin(branches, limit, settled)
        except BaseException:
            for branch in branches:
                branch.close()
            raise
        try:
            await settled.all
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        finally:
            for task in tasks:
                self._branches.pop(task, None)
        return tuple(task.result() for task in _failures_first(tasks))

    def _begin(
        self, branches: tuple[Coroutine[Any, Any, Any], ...], limit: int | None, settled: "_Settled"
    ) -> list[asyncio.Task[Any]]:
        if limit is not None and limit < 1:
            raise ValueError(f"limit={limit}; use a number from 1, or None")
        parent = self._branch(None)
        places = asyncio.Semaphore(limit) if limit else None
        group: str | None = None
        tasks = []
        for index, branch in enumerate(branches, start=1):
            task = settled.loop.create_task(_in_place(branch, places))
            task.add_done_callback(settled.one(branch))
            if not _is_step(branch):
                group = group or parent.next_path()
                self._branches[task] = _Branch(f"{group}.{index}.")
            tasks.append(task)
        return tasks

    def _branch(self, action: str | None) -> _Branch:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        branch = None if task is None else self._branches.get(task)
        if branch is None:
            raise UnknownTask(f"run.do({action})" if action else "run.all(...)")
        return branch

    def enter(self, task: "asyncio.Task[Any]") -> None:
        """Make `task` the saga's own. For the driver."""
        self._branches[task] = _Branch()

    def leave(self) -> None:
        """Stop all branches: the saga function has ended or is called off. For the driver, which is let go of."""
        for task in self._branches:
            if task is not asyncio.current_task():
                task.cancel()
        self._branches.clear()
        self._asks = None  # Without this circle, the driver goes when it has ended, not when garbage is collected.


class _Escaped:
    """What a branch raised that no task may raise: asyncio would end the whole event loop over it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def _in_place(branch: Coroutine[Any, Any, Any], places: asyncio.Semaphore | None) -> Any:
    try:
        if places is None:
            return await branch
        async with places:
            return await branch
    except (KeyboardInterrupt, SystemExit) as error:
        return _Escaped(error)


class _Settled:
    """Counts branches until all have settled.

    It leaves no coroutine that was never awaited (its task was cancelled first), and no error that nobody looked at.
    """

    def __init__(self, count: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.all: asyncio.Future[None] = self.loop.create_future()
        self._count = count
        self._check()

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


async def _step(asks: Asks, asked: Asked) -> Any:
    return await asks.one(asked)


def _is_step(branch: Coroutine[Any, Any, Any]) -> bool:
    return inspect.iscoroutine(branch) and branch.cr_code is _step.__code__


def _unbegun(asks: Asks | None, branches: tuple[Coroutine[Any, Any, Any], ...]) -> list[Asked] | None:
    """Return the steps that `branches` are, if they are steps of one run and nothing else; they are closed then.

    To wait for steps takes no tasks: their attempts have some of their own.
    """
    if len(set(branches)) < len(branches):
        return None
    steps: list[Asked] = []
    for branch in branches:
        if not _is_step(branch) or inspect.getcoroutinestate(branch) != inspect.CORO_CREATED:
            return None
        held = inspect.getcoroutinelocals(branch)
        if held["asks"] is not asks:
            return None
        steps.append(held["asked"])
    for branch in branches:
        branch.close()
    return steps


def _failures_first(tasks: list[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Raise the first failure, having looked at all, so that none is reported as never retrieved."""
    failures = [error for task in tasks if (error := _failure(task)) is not None]
    if failures:
        raise failures[0]
    return tasks


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    if task.cancelled():
        return None
    error = task.exception()
    if error is None and isinstance(result := task.result(), _Escaped):
        return result.error
    return error
