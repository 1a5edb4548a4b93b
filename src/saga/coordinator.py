"""The object that a service holds: it starts runs, hosts them, and finds them again."""

from collections.abc import Iterable, Mapping
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from ..actions.action import Action
from ..errors import AppendConflict, CoordinatorClosed, DefinitionError
from .codec import DEFAULT_PAYLOAD_LIMIT_BYTES, EventCodec
from .definition import NOTHING, Saga
from .driver import Driver
from .enlisting import enlist
from .events import RunClaimed, RunStarted, RunStatus
from .handle import RunHandle
from .host import Host
from .hosting import Hosting
from .ids import checked_deadline, checked_run_id, checked_tags, new_run_id
from .limits import limits_of
from .log.open import open_log
from .log.port import Backlog, Log
from .observers import Observers
from .observing import Observer
from .places import Places
from .registry import Registry
from .runs import Runs
from .sameness import check_same
from .slots import saga_limits
from .starting import start_for_anybody
from .state import RunState
from .surroundings import Surroundings
from .transacting import check_transactional

In = TypeVar("In")
Out = TypeVar("Out")

MIN_PAYLOAD_LIMIT_BYTES = 4_096
MIN_LEASE_SECONDS = 0.2
MAX_LEASE_SECONDS = 86_400.0


class Coordinator:
    """Starts, hosts and finds runs. Use it as an async context manager.

    Args:
        log: `postgresql://...`, `sqlite:///file.db` (relative), `sqlite:////abs/file.db`, `memory://`; or a `Log`.
        sagas: every saga that may be started here.
        actions: every action that they use, or that is invoked by name.
        lease_seconds: how long a worker that has fallen silent keeps its runs, before others take them over.
        drain_seconds: how long leaving the context waits for attempts that are under way.
        max_running: how many runs are hosted at once; starting a further one here waits for a place. 0 makes a client
            that only starts runs, asks for them and commands them.
        payload_limit_bytes: the most that an event with an input or output in it may take, as JSON.
        observers: who is told of starts, attempts and durable events, in this order; see `Observer`.
        surroundings: what stands for the world, for simulations.

    Attributes:
        max_running: as given.
        runs: what its handles ask; for tools.
        registry: the actions and sagas that it was given; for tools.
        log_url: as given, which may hold a password; None where a `Log` was given. For tools.

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
        lease_seconds: float = 15.0,
        drain_seconds: float = 10.0,
        max_running: int = 1_000,
        payload_limit_bytes: int = DEFAULT_PAYLOAD_LIMIT_BYTES,
        observers: Iterable[Observer] = (),
        surroundings: Surroundings | None = None,
    ) -> None:
        if max_running < 0:
            raise DefinitionError(f"max_running={max_running}; use a number from 1, or 0 for a client")
        if not MIN_LEASE_SECONDS <= lease_seconds <= MAX_LEASE_SECONDS:
            raise DefinitionError(f"lease_seconds={lease_seconds}; use {MIN_LEASE_SECONDS} to {MAX_LEASE_SECONDS:,}")
        if not drain_seconds >= 0:
            raise DefinitionError(f"drain_seconds={drain_seconds}; use 0 or more")
        if payload_limit_bytes < MIN_PAYLOAD_LIMIT_BYTES:
            raise DefinitionError(f"payload_limit_bytes={payload_limit_bytes}; use at least {MIN_PAYLOAD_LIMIT_BYTES}")
        self.registry = self._registry = Registry(actions, sagas)
        self.log_url = log if isinstance(log, str) else None
        self._observers = Observers(observers)
        self._log = open_log(log) if isinstance(log, str) else log
        check_transactional(self._registry.actions.values(), self._log)
        self._codec = EventCodec.from_environment(payload_limit_bytes)
        self._surroundings = surroundings or Surroundings()
        self._clock = self._surroundings.clock
        self._lease_seconds = lease_seconds
        self._drain_seconds = drain_seconds
        self.max_running = max_running
        self._hosting: Hosting | None = None
        self._start_numbers = count(1)
        self.runs = Runs(lambda: (self._host, self._opened()))

    def __repr__(self) -> str:
        return f"<Coordinator of {self._registry!r} on {self._log!r}>"

    @property
    def backlog(self) -> Backlog:
        """How far the database lags behind the runs of this process: a metric to watch. See `Backlog`."""
        return self._log.backlog

    async def __aenter__(self) -> Self:
        """Open the log, and begin to take up runs that nobody has.

        Raises:
            LogUnavailable: the database does not answer.
            SchemaMismatch: its tables are of another shape.
        """
        if self._hosting is not None:
            raise CoordinatorClosed("the coordinator is open already; make another one")
        await self._log.open()
        around = self._surroundings
        worker = around.worker()
        self._host = Host(
            self._log,
            self._codec,
            self._registry,
            self._clock,
            around.threads(),
            self.runs,
            Places(self.max_running),
            substitute=around.substitute,
            limits=limits_of(self._registry.actions.values(), self._log, worker) if self.max_running else None,
            observers=self._observers,
        )
        heart = around.heart(self._log.pulse(worker, self._lease_seconds), self._lease_seconds)
        hosting = Hosting(self._host, heart, worker, self._lease_seconds, self.max_running)
        try:
            await hosting.open()
        except BaseException:
            await self._log.close()
            raise
        self._hosting = hosting
        self._observers.opened(hosting.figures)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Start nothing more, let attempts under way end, for `drain_seconds` at most, and give up what is unfinished.

        Runs that are unfinished then are taken up by whichever worker comes first, from where they stand.
        """
        hosting, self._hosting = self._hosting, None
        if hosting is None:
            return
        try:
            await hosting.drain(self._drain_seconds)
            await hosting.close()
        finally:
            self._observers.closed(hosting.figures)
            await self._log.close()

    @overload
    async def start(
        self,
        saga: Saga[In, Out],
        value: In = ...,
        *,
        run_id: str | None = ...,
        tags: Mapping[str, str] | None = ...,
        deadline_seconds: float | None = ...,
        here: bool = ...,
        connection: Any = ...,
    ) -> RunHandle[Out]: ...
    @overload
    async def start(
        self,
        saga: str,
        value: Any = ...,
        *,
        run_id: str | None = ...,
        tags: Mapping[str, str] | None = ...,
        deadline_seconds: float | None = ...,
        here: bool = ...,
        connection: Any = ...,
    ) -> RunHandle[Any]: ...
    async def start(
        self,
        saga: Saga[Any, Any] | str,
        value: Any = None,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
        here: bool = True,
        connection: Any = None,
    ) -> RunHandle[Any]:
        """Start a run, or find the one that was started with the same id, saga and input.

        When this returns, the start is durable; or, with a `connection`, it is as soon as the caller commits.

        Args:
            saga: a saga, or its name for the newest version.
            value: its input; of its type, or what pydantic turns into it (a dict, say).
            run_id: what the caller knows the run by, 1 to 200 letters, digits and `_.:@/+-`; made if missing.
            tags: names and values to find it by later.
            deadline_seconds: a run that has not ended after this is undone, unless it is parked or past its point of
                no return; more than 0, at most 100 years.
            here: host the run in this process; False leaves it to whichever worker claims it first.
            connection: the caller's own, to the log's database, with a transaction open: the run exists if and only if
                that is committed, and whichever worker claims it first hosts it. A psycopg `AsyncConnection` or
                `Connection`, or a `sqlite3.Connection` of the log's file.

        Raises:
            RunConflict: the id is taken by another saga or another input.
            UnknownName: the saga is not known here.
            InvalidName: the run id or a tag is not of the allowed form.
            InvalidValue: the input, `deadline_seconds` or the connection does not fit; nothing was recorded.
            LogUnavailable: nobody knows whether it was started; ask again with the same run id.
            CoordinatorClosed: the coordinator is not open.
        """
        known = self._registry.saga(saga)
        return await self._start(
            known, value, run_id, tags, deadline_seconds=deadline_seconds, here=here, connection=connection
        )

    async def run(
        self,
        saga: Saga[In, Out],
        value: In = NOTHING,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
    ) -> Out:
        """Start a run and wait for its result; the arguments and errors are those of `start`, and `RunFailed`."""
        handle = await self.start(saga, value, run_id=run_id, tags=tags, deadline_seconds=deadline_seconds)
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
        return RunHandle(checked_run_id(run_id), None, self.runs)

    async def signal(self, run_id: str, name: str, payload: object = None, *, by: str, key: str | None = None) -> None:
        """Tell a run something that its saga waits for; see `RunHandle.signal`."""
        await self.handle(run_id).signal(name, payload, by=by, key=key)

    async def undo(self, run_id: str, *, by: str, reason: str) -> RunStatus:
        """Have a completed run undone; see `RunHandle.undo`, and `RunHandle.undo_plan` for what that would do."""
        return await self.handle(run_id).undo(by=by, reason=reason)

    # Starting

    async def _start(
        self,
        saga: Saga[Any, Any],
        value: Any,
        run_id: str | None,
        tags: Mapping[str, str] | None,
        *,
        deadline_seconds: float | None = None,
        here: bool = True,
        connection: Any = None,
    ) -> RunHandle[Any]:
        hosting = self._opened()
        now = self._clock.now()
        run_id = new_run_id(now) if run_id is None else checked_run_id(run_id)
        with self._observers.starting(run_id, saga) as start:
            tags = checked_tags(tags)
            started = RunStarted(
                occurred_at=now,
                saga=saga.name,
                saga_version=saga.version,
                input=saga.input.encode(value),
                tags=tags,
                deadline=checked_deadline(now, deadline_seconds),
                trace=start.trace,
                limits=saga_limits(saga.name, saga.concurrency, saga.concurrency_per_tag, tags) or None,
            )
            if connection is not None:
                start.trace = await enlist(self._host, connection, run_id, started)
            else:
                start.trace = await self._begin(hosting, run_id, saga, started, here=here and self.max_running > 0)
        return RunHandle(run_id, saga.output, self.runs)

    async def _begin(
        self, hosting: Hosting, run_id: str, saga: Saga[Any, Any], started: RunStarted, *, here: bool
    ) -> str | None:
        """Begin the run, or find that it has begun; returns its trace."""
        try:
            if here:
                driver = await self._host_new(hosting, run_id, saga, started)
                check_same(run_id, driver.state, started)
                await driver.acknowledged.wait()
                return driver.state.trace
            await start_for_anybody(self._host, run_id, started)
            return started.trace
        except AppendConflict:
            state = await self.runs.state(run_id)
            check_same(run_id, state, started)
            return state.trace

    async def _host_new(self, hosting: Hosting, run_id: str, saga: Saga[Any, Any], started: RunStarted) -> Driver:
        def make() -> Driver:
            driver = Driver(self._host, RunState(run_id), saga)
            # Numbered, or a start that is repeated in the very instant of the first one would be its very bytes. The
            # log would take it for that one, and a run that is over by then would be begun once more.
            number = next(self._start_numbers)
            driver.record(
                started, RunClaimed(occurred_at=started.occurred_at, worker=hosting.worker, epoch=1, start=number)
            )
            return driver

        hosted = hosting.drivers.get(run_id)
        return hosted if hosted is not None and not hosted.finished.done() else await hosting.host(run_id, make)

    def _opened(self) -> Hosting:
        if self._hosting is None:
            raise CoordinatorClosed(str(CoordinatorClosed.__doc__))
        return self._hosting
