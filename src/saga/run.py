"""What a saga function holds: `run.do`, `run.all` and the waits, and the paths that they give to what they ask for.

A path comes from the structure of the code: the number of the call within its branch, and the index of the branch.
It is taken when `run.do` is called, in the order of the calls, never when something finishes, so a replay over any
order of completions asks for the same paths. That is why a step may only be asked for from the saga's own task or
from a branch of `run.all`: which number a call in some other task gets would depend on timing.
"""

import asyncio
import random
import uuid
from collections.abc import Coroutine, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..actions.action import Action, checked_name
from ..actions.values import ValueType
from ..errors import DefinitionError, InvalidValue, UnknownTask
from .asked import (
    ANY_PAYLOAD,
    Asked,
    AskedCommit,
    AskedLock,
    AskedRun,
    AskedStep,
    AskedWait,
    Asks,
    Branch,
    asking,
    is_asking,
    unbegun,
)
from .branches import Settled, failures_first, in_place, one_after_the_other
from .ids import checked_lock_key, checked_seconds, derived_uuid

if TYPE_CHECKING:
    from .definition import Saga

In = TypeVar("In")
Out = TypeVar("Out")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class Run:
    """One execution of a saga, as its function sees it.

    Attributes:
        run_id: the run.
        tags: what it was started with.
    """

    def __init__(
        self,
        run_id: str,
        tags: Mapping[str, str],
        asks: Asks,
        signals: Mapping[str, ValueType[Any]] | None = None,
    ) -> None:
        self.run_id = run_id
        self.tags = dict(tags)
        self._asks: Asks | None = asks
        self._signals = signals or {}
        self._branches: dict[asyncio.Task[Any], Branch] = {}
        self._joins: dict[asyncio.Task[Any], Settled] = {}

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
        branch = self._branch(f"run.do({action.name})")
        return self._asking(AskedStep(branch.next_path(), action, value), branch)

    @overload
    def saga(self, saga: "Saga[None, Out]") -> Coroutine[Any, Any, Out]: ...
    @overload
    def saga(self, saga: "Saga[In, Out]", value: In) -> Coroutine[Any, Any, Out]: ...
    def saga(self, saga: "Saga[Any, Any]", value: Any = None) -> Coroutine[Any, Any, Any]:
        """Call another saga as a step of this run; it is a run of its own, with its own events.

        Its run id is this run's, a slash and the step's path. If this run is undone, so is the other, from its own
        events; if it is called off, the other is cancelled. If the other one is parked, this one waits. Await the
        coroutine, or hand it to `run.all`, as with `do`.

        Args:
            saga: one that the coordinator knows.
            value: its input.

        Raises:
            UnknownTask: called from a task that the run does not know.
            DefinitionError: `saga` is not a `Saga`.
            ActionError: (when awaited) the other run ended without a result; what was done in it is undone.
            InvalidValue: (when awaited) the input does not fit the saga's type or cannot be stored.
            UnknownName: (when awaited) the coordinator does not know the saga.
        """
        from .definition import Saga  # That module imports this one, for the signature of a saga's function.

        if not isinstance(saga, Saga):
            raise DefinitionError(f"run.saga takes a Saga, not {saga!r}; decorate the function with @saga(...)")
        branch = self._branch(f"run.saga({saga.name})")
        return self._asking(AskedRun(branch.next_path(), saga, value), branch)

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Wait for so long, over restarts; a run that only waits takes no place and no memory.

        Await the coroutine, or hand it to `run.all`. It takes a path, like a step, when `sleep` is called.

        Args:
            seconds: 0 to 100 years, counted from when it is recorded. A run that was recorded keeps its time, whatever
                the code says later.

        Raises:
            InvalidValue: `seconds` is no such number.
            UnknownTask: called from a task that the run does not know.
        """
        seconds = checked_seconds("seconds", seconds)
        branch = self._branch("run.sleep(...)")
        return self._asking(AskedWait(branch.next_path(), None, ANY_PAYLOAD, seconds), branch)

    @overload
    def wait_for(self, signal: str, *, timeout_seconds: float | None = ...) -> Coroutine[Any, Any, Any]: ...
    @overload
    def wait_for(
        self, signal: str, payload: type[Out], *, timeout_seconds: float | None = ...
    ) -> Coroutine[Any, Any, Out]: ...
    def wait_for(
        self, signal: str, payload: Any = None, *, timeout_seconds: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Wait for a signal (`RunHandle.signal`) and return its payload; signals that came before are kept.

        The n-th wait for a name gets the n-th signal of that name, but for waits that were over before it came. Await
        the coroutine, or hand it to `run.all`. It takes a path, like a step, when `wait_for` is called.

        Args:
            signal: its name; letters, digits and `_.:-`, at most 128.
            payload: its type. May be left out where the saga declares its signals, or for one without a payload.
            timeout_seconds: give up after this, up to 100 years; None waits for ever.

        Raises:
            SignalTimedOut: (when awaited) none came in time.
            InvalidValue: (when awaited) the payload does not fit the type; or (at once) `timeout_seconds` is no number.
            DefinitionError: the name is not of the allowed form, or not among those that the saga declares.
            UnknownTask: called from a task that the run does not know.
        """
        checked_name("signal", signal)
        if self._signals and signal not in self._signals:
            raise DefinitionError(
                f"run.wait_for({signal!r}): the saga declares only {', '.join(sorted(self._signals))}"
            )
        kind = self._signals.get(signal, ANY_PAYLOAD) if payload is None else ValueType(payload, "payload")
        seconds = None if timeout_seconds is None else checked_seconds("timeout_seconds", timeout_seconds)
        branch = self._branch(f"run.wait_for({signal!r})")
        return self._asking(AskedWait(branch.next_path(), signal, kind, seconds), branch)

    def lock(self, *keys: str) -> Coroutine[Any, Any, None]:
        """Wait until this run alone has these locks; it keeps them until it ends, however it ends.

        What a lock stands for is up to the sagas that ask for it (a *semantic lock*): no other run of any saga has
        it while this one is under way, unwinds or is parked. Those that wait are served in the order in which they
        asked, and take no place and no memory. A run that is a step of this one (`run.saga`) has this one's locks.

        A saga takes its locks while nothing else of it is under way, in one call or in the order of their keys. So no
        two runs ever wait for each other. Await the coroutine by itself.

        Args:
            keys: at least one, such as `f"user:{user_id}"`; 1 to 200 printable characters each.

        Raises:
            InvalidValue: a key is not of this form.
            LockRefused: (when awaited) it is asked for out of order, or beside something else.
            UnknownTask: called from a task that the run does not know.
        """
        checked = sorted({checked_lock_key(key) for key in keys})
        if not checked:
            raise InvalidValue("keys", "is empty; name what is to be locked, such as run.lock('user:42')")
        branch = self._branch(f"run.lock({checked[0]!r})")
        locks = [self._asking(AskedLock(branch.next_path(), key), branch) for key in checked]
        return locks[0] if len(locks) == 1 else one_after_the_other(locks)

    def commit(self) -> Coroutine[Any, Any, None]:
        """Pass the point of no return (the *pivot*): from here the run only goes forward, and nothing is undone.

        It cannot be cancelled any more, and its deadline is void. A step that fails from here on is tried for as long
        as an undo would be, and then the run parks for a person. Steps that were done before it are never undone.

        Raises:
            UnknownTask: called from a task that the run does not know.
        """
        branch = self._branch("run.commit()")
        return self._asking(AskedCommit(branch.next_path()), branch)

    def now(self) -> datetime:
        """Return the time of the latest event that this place in the saga rests on: the same in every replay.

        That is when the run was started, or when the latest of what was awaited here settled; aware UTC.
        """
        now = self._branch("run.now()").now
        assert now is not None, "a run begins with an event"
        return now

    def uuid(self) -> uuid.UUID:
        """Return a new UUID (version 5, of the run and this place in the saga): the same in every replay."""
        return derived_uuid(self._derived("uuid"))

    def random(self) -> random.Random:
        """Return a new generator of random numbers, seeded by the run and this place: the same in every replay.

        Not for secrets. That Python keeps its sequences over versions holds for `random()`, not for all methods.
        """
        return random.Random(self._derived("random"))

    def _derived(self, kind: str) -> str:
        branch = self._branch(f"run.{kind}()")
        return f"{self.run_id} {branch.prefix}{kind} {branch.next_value()}"

    def _asking(self, asked: Asked, branch: Branch) -> Coroutine[Any, Any, Any]:
        assert self._asks is not None, "a run that was left knows no task"
        return asking(self._asks, asked, branch)

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
            branches: coroutines of `run.do`, `run.sleep` and `run.wait_for`, and coroutines of functions that call
                these and `run.all` themselves; each of the latter gets paths of its own.
            limit: how many run at once; None for all.

        Raises:
            UnknownTask: called from a task that the run does not know.
            Exception: what the first failing branch raised, first in the order of the arguments.
        """
        several = unbegun(self._asks, branches) if limit is None else None
        if several is None:
            return await self._in_tasks(branches, limit)
        here = self._branch("run.all(...)")
        asks = self._asks
        assert asks is not None, "a run that was left knows no task"
        try:
            return await asks.all(several)
        finally:
            for asked in several:
                here.saw(asks.settled_at(asked.path))

    async def _in_tasks(self, branches: tuple[Coroutine[Any, Any, Any], ...], limit: int | None) -> tuple[Any, ...]:
        settled = Settled(len(branches))
        try:
            tasks = self._begin(branches, limit, settled)
        except BaseException:
            for branch in branches:
                branch.close()
            raise
        here_task = asyncio.current_task()
        settled.watch(tasks, branches, limit)
        if here_task is not None:
            self._joins[here_task] = settled
        try:
            await settled.all
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        finally:
            self._joins.pop(here_task, None)  # type: ignore[arg-type]  # None is just not in it
            here = self._branches.get(here_task)  # type: ignore[arg-type]
            for task in tasks:
                branch_of_task = self._branches.pop(task, None)
                if here is not None and branch_of_task is not None:
                    here.saw(branch_of_task.now)
        return tuple(task.result() for task in failures_first(tasks))

    def _begin(
        self, branches: tuple[Coroutine[Any, Any, Any], ...], limit: int | None, settled: Settled
    ) -> list[asyncio.Task[Any]]:
        if limit is not None and limit < 1:
            raise ValueError(f"limit={limit}; use a number from 1, or None")
        parent = self._branch("run.all(...)")
        places = asyncio.Semaphore(limit) if limit else None
        group: str | None = None
        tasks = []
        for index, branch in enumerate(branches, start=1):
            task = settled.loop.create_task(in_place(branch, places))
            task.add_done_callback(settled.one(branch))
            if not is_asking(branch):
                group = group or parent.next_path()
                self._branches[task] = Branch(f"{group}.{index}.", parent.now)
            tasks.append(task)
        return tasks

    def _branch(self, call: str) -> Branch:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        branch = None if task is None else self._branches.get(task)
        if branch is None:
            raise UnknownTask(call)
        return branch

    def enter(self, task: "asyncio.Task[Any]", started_at: datetime | None) -> None:
        """Make `task` the saga's own. For the driver."""
        self._branches[task] = Branch("", started_at)

    def is_idle(self, task: "asyncio.Task[Any]", waiting: "set[asyncio.Task[Any]]") -> bool:
        """Whether `task`, and all that it waits for, do nothing before something settles. For the driver.

        Args:
            task: the saga's own, or that of a branch.
            waiting: the tasks that wait for something to settle.
        """
        if task in waiting or task.done():
            return True
        if task in self._joins:
            return self._joins[task].is_idle(lambda branch: self.is_idle(branch, waiting))
        # It waits for something else: for `gather` or a `TaskGroup`, if what these wait for has been asked for.
        return not self._branches.keys() >= waiting

    def leave(self) -> None:
        """Stop all branches: the saga function has ended or is called off. For the driver, which is let go of."""
        for task in self._branches:
            if task is not asyncio.current_task():
                task.cancel()
        self._branches.clear()
        self._asks = None  # Without this circle, the driver goes when it has ended, not when garbage is collected.
