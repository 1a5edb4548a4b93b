"""The object that a service holds: it starts runs, hosts them, and finds them again."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from ..actions.action import Action
from ..actions.threads import Threads
from ..actions.values import JsonText
from ..clock import Clock, SystemClock
from ..errors import AppendConflict, CoordinatorClosed, DefinitionError, NotHosted, RunConflict, UnknownName
from .codec import DEFAULT_PAYLOAD_LIMIT_BYTES, EventCodec
from .decisions import decide
from .definition import NOTHING, Saga
from .driver import Driver, Host
from .events import Event, RunClaimed, RunStarted, RunStatus
from .handle import RunHandle
from .ids import checked_run_id, checked_tags, new_run_id, new_worker
from .log.open import open_log
from .log.port import Log
from .moments import Moment
from .registry import Registry
from .state import RunState, evolve, fold

In = TypeVar("In")
Out = TypeVar("Out")

POLL_SECONDS = (0.05, 1.0)
"""First and longest pause between two looks at a run that is hosted elsewhere."""

MIN_PAYLOAD_LIMIT_BYTES = 4_096


class Coordinator:
    """Starts, hosts and finds runs. Use it as an async context manager.

    Args:
        log: `postgresql://...`, `sqlite:///file.db` (relative), `sqlite:////abs/file.db`, `memory://`; or a `Log`.
        sagas: every saga that may be started here.
        actions: every action that they use, or that is invoked by name.
        drain_seconds: how long leaving the context waits for the runs under way.
        max_running: how many runs are hosted at once; starting a further one waits for a place.
        payload_limit_bytes: the most that an event with an input or output in it may take, as JSON.
        clock: for tests.

    Raises:
        DefinitionError: an action or saga is incomplete, or two have one name, or a keyword does not fit.
        InvalidName: the URL is of no known form.
    """

    def __init__(
        self,
        log: str | Log,
        *,
        sagas: Iterable[Saga[Any, Any]] = (),
        actions: Iterable[Action[Any, Any]] = (),
        drain_seconds: float = 10.0,
        max_running: int = 1_000,
        payload_limit_bytes: int = DEFAULT_PAYLOAD_LIMIT_BYTES,
        clock: Clock | None = None,
    ) -> None:
        if max_running < 1:
            raise DefinitionError(f"max_running={max_running}; use a number from 1")
        if payload_limit_bytes < MIN_PAYLOAD_LIMIT_BYTES:
            raise DefinitionError(f"payload_limit_bytes={payload_limit_bytes}; use at least {MIN_PAYLOAD_LIMIT_BYTES}")
        self._registry = Registry(actions, sagas)
        self._log = open_log(log) if isinstance(log, str) else log
        self._codec = EventCodec.from_environment(payload_limit_bytes)
        self._clock = clock or SystemClock()
        self._drain_seconds = drain_seconds
        self._max_running = max_running
        self._worker = new_worker()
        self._drivers: dict[str, Driver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._open = False

    async def __aenter__(self) -> Self:
        """Open the log.

        Raises:
            LogUnavailable: the database does not answer.
            SchemaMismatch: its tables are of another shape.
        """
        await self._log.open()
        self._places = asyncio.Semaphore(self._max_running)
        self._host = Host(self._log, self._codec, self._registry, self._clock, Threads())
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the runs under way end, for `drain_seconds` at most, then let go of them and of the log."""
        self._open = False
        tasks = set(self._tasks.values())
        try:
            if tasks:
                _, unfinished = await asyncio.wait(tasks, timeout=self._drain_seconds)
                for task in unfinished:
                    task.cancel()
                if unfinished:
                    await asyncio.wait(unfinished)
        finally:
            await self._log.close()

    @overload
    async def start(
        self, saga: Saga[In, Out], value: In = ..., *, run_id: str | None = ..., tags: Mapping[str, str] | None = ...
    ) -> RunHandle[Out]: ...
    @overload
    async def start(
        self, saga: str, value: Any = ..., *, run_id: str | None = ..., tags: Mapping[str, str] | None = ...
    ) -> RunHandle[Any]: ...
    async def start(
        self,
        saga: Saga[Any, Any] | str,
        value: Any = None,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunHandle[Any]:
        """Start a run, or find the one that was started with the same id, saga and input.

        When this returns, the start is durable.

        Args:
            saga: a saga, or its name for the newest version.
            value: its input; of its type, or what pydantic turns into it (a dict, say).
            run_id: what the caller knows the run by, 1 to 200 letters, digits and `_.:@/+-`; made if missing.
            tags: names and values to find it by later.

        Raises:
            RunConflict: the id is taken by another saga or another input.
            UnknownName: the saga is not known here.
            InvalidName: the run id or a tag is not of the allowed form.
            InvalidValue: the input does not fit or cannot be stored; nothing was recorded.
            LogUnavailable: nobody knows whether it was started; ask again with the same run id.
            CoordinatorClosed: the coordinator is not open.
        """
        return await self._start(self._registry.saga(saga), value, run_id, tags)

    async def run(
        self,
        saga: Saga[In, Out],
        value: In = NOTHING,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Out:
        """Start a run and wait for its result; the arguments and errors are those of `start`, and `RunFailed`."""
        handle = await self.start(saga, value, run_id=run_id, tags=tags)
        return await handle.result()

    @overload
    async def invoke(
        self,
        action: Action[Any, Out],
        value: Any = ...,
        *,
        run_id: str | None = ...,
        tags: Mapping[str, str] | None = ...,
    ) -> Out: ...
    @overload
    async def invoke(
        self, action: str, value: Any = ..., *, run_id: str | None = ..., tags: Mapping[str, str] | None = ...
    ) -> Any: ...
    async def invoke(
        self,
        action: Action[Any, Any] | str,
        value: Any = None,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Any:
        """Run one action as a run of its own and return its output; arguments and errors as for `run`."""
        handle = await self._start(self._registry.invoked(action), value, run_id, tags)
        return await handle.result()

    def handle(self, run_id: str) -> RunHandle[Any]:
        """Return a handle on a run that may have been started elsewhere. Whether it exists shows when it is used.

        Raises:
            InvalidName: the run id is not of the allowed form.
        """
        return RunHandle(checked_run_id(run_id), None, self)

    # Starting and hosting

    async def _start(
        self, saga: Saga[Any, Any], value: Any, run_id: str | None, tags: Mapping[str, str] | None
    ) -> RunHandle[Any]:
        self._check_open()
        now = self._clock.now()
        run_id = new_run_id(now) if run_id is None else checked_run_id(run_id)
        started = RunStarted(
            occurred_at=now,
            saga=saga.name,
            saga_version=saga.version,
            input=saga.input.encode(value),
            tags=checked_tags(tags),
        )
        hosted = self._drivers.get(run_id)
        if hosted is None:
            hosted = await self._host_new(run_id, saga, started)
        if hosted is not None:
            _check_same(run_id, hosted.state, started)
            try:
                await asyncio.shield(hosted.acknowledged)
                return RunHandle(run_id, saga.output, self)
            except AppendConflict:
                pass
        state = await self.state(run_id)
        _check_same(run_id, state, started)
        return RunHandle(run_id, saga.output, self)

    async def _host_new(self, run_id: str, saga: Saga[Any, Any], started: RunStarted) -> Driver | None:
        await self._places.acquire()
        hosted = self._drivers.get(run_id)
        if hosted is not None or not self._open:
            self._places.release()
            self._check_open()
            return hosted
        try:
            driver = Driver(self._host, RunState(run_id), saga)
            claimed = RunClaimed(occurred_at=started.occurred_at, worker=self._worker, epoch=1)
            driver.record(started, claimed)
        except BaseException:
            self._places.release()
            raise
        self._launch(driver)
        return driver

    def _launch(self, driver: Driver) -> None:
        """Host a run; the caller has taken a place for it."""
        run_id = driver.state.run_id
        task = asyncio.create_task(driver.drive(), name=f"amends run {run_id}")
        self._drivers[run_id] = driver
        self._tasks[run_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            if self._drivers[run_id] is driver:
                del self._drivers[run_id], self._tasks[run_id]
            self._places.release()

        task.add_done_callback(ended)

    def _check_open(self) -> None:
        if not self._open:
            raise CoordinatorClosed(str(CoordinatorClosed.__doc__))

    # What handles ask

    async def events(self, run_id: str) -> list[Event]:
        """Return a run's events; see `RunHandle.history`."""
        self._check_open()
        records = await self._log.read(run_id)
        if not records:
            raise UnknownName("run", run_id)
        return [self._codec.decode(record) for record in records]

    async def state(self, run_id: str) -> RunState:
        """Return a run as it stands in the log."""
        return fold(run_id, await self.events(run_id))

    async def at_rest(self, run_id: str) -> RunState:
        """Wait until a run has ended or is parked, and return it."""
        driver = self._drivers.get(run_id)
        if driver is not None:
            try:
                return await asyncio.shield(driver.finished)
            except AppendConflict:
                pass  # Somebody else has the run; look on.
        state = await self.state(run_id)
        pause, longest = POLL_SECONDS
        while not (state.status.ended or state.status is RunStatus.PARKED):
            await asyncio.sleep(pause)
            self._check_open()
            pause = min(longest, pause * 2)
            for record in await self._log.read(run_id, state.version):
                evolve(state, self._codec.decode(record))
        return state

    async def command(self, run_id: str, moment: Moment) -> RunState:
        """Carry out what a person says to a run."""
        self._check_open()
        driver = self._drivers.get(run_id)
        if driver is not None and not driver.finished.done():
            driver.take(moment)
            await driver.durable()
            return driver.state
        while True:
            state = await self.state(run_id)
            if state.status.ended or not decide(state, moment, self._clock.now()):
                return state
            if state.status is not RunStatus.PARKED:
                raise NotHosted(run_id)
            try:
                return await self._command_parked(state, moment)
            except AppendConflict:
                continue  # Somebody else was faster; see how the run stands now.

    async def _command_parked(self, state: RunState, moment: Moment) -> RunState:
        await self._places.acquire()
        try:
            saga = self._registry.recorded_saga(state.saga, state.saga_version)
            driver = Driver(self._host, state, saga)
            driver.record(RunClaimed(occurred_at=self._clock.now(), worker=self._worker, epoch=state.epoch + 1))
            driver.recover()
            driver.take(moment)
        except BaseException:
            self._places.release()
            raise
        self._launch(driver)
        await driver.durable()
        return driver.state


def _check_same(run_id: str, state: RunState, started: RunStarted) -> None:
    if state.saga != started.saga:
        raise RunConflict(run_id, "saga")
    if state.input != started.input and _canonical(state.input) != _canonical(started.input):
        raise RunConflict(run_id, "input")


def _canonical(text: JsonText) -> str:
    """Compare as JSON, where order of keys means nothing but `true` and `1` differ."""
    return json.dumps(json.loads(text), sort_keys=True)
