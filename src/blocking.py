"""The portal for synchronous services: the same coordinator, on an event loop in a thread of its own.

Nothing is implemented twice: each method hands its arguments to the coordinator's and waits. Any number of threads may
share one portal. Open it after the server has forked its workers, because threads do not survive a fork.
"""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from .actions.action import Action
from .errors import CoordinatorClosed
from .saga.coordinator import Coordinator
from .saga.definition import NOTHING, Saga
from .saga.events import Event, RunStatus
from .saga.handle import RunHandle
from .saga.undo_plan import UndoPlan

__all__ = ["BlockingCoordinator", "BlockingHandle"]

In = TypeVar("In")
Out = TypeVar("Out")
T = TypeVar("T")


class BlockingCoordinator:
    """A coordinator for code without an event loop. Use it as a context manager.

    ```python
    with BlockingCoordinator(Coordinator("sqlite:///app.db", sagas=[onboard_user], actions=[...])) as coordinator:
        user = coordinator.run(onboard_user, new_user)
    ```

    Args:
        coordinator: one that nobody else opens.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the thread and open the coordinator; raises what opening raises."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="amends portal", daemon=True)
        self._thread.start()
        ready.wait()
        try:
            self.wait_for(self._coordinator.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the runs under way end, as the coordinator does, then stop the thread."""
        try:
            self.wait_for(self._coordinator.__aexit__(kind, error, trace))
        finally:
            self._stop()

    def start(
        self,
        saga: Saga[In, Out] | str,
        value: In = NOTHING,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
        connection: Any = None,
    ) -> "BlockingHandle[Out]":
        """Start a run; see `Coordinator.start`. An SQLite `connection` is made with `check_same_thread=False`."""
        started = cast(
            "Coroutine[Any, Any, RunHandle[Out]]",
            self._coordinator.start(
                saga, value, run_id=run_id, tags=tags, deadline_seconds=deadline_seconds, connection=connection
            ),
        )
        return BlockingHandle(self.wait_for(started), self)

    def run(
        self,
        saga: Saga[In, Out],
        value: In = NOTHING,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
        timeout_seconds: float | None = None,
    ) -> Out:
        """Start a run and wait for its result; see `Coordinator.run` and `BlockingHandle.result`."""
        running = self._coordinator.run(saga, value, run_id=run_id, tags=tags, deadline_seconds=deadline_seconds)
        return self.wait_for(running, timeout_seconds)

    def invoke(
        self,
        action: Action[Any, Out] | str,
        value: Any = None,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Out:
        """Run one action as a run of its own; see `Coordinator.invoke` and `BlockingHandle.result`."""
        invoked = self._coordinator.invoke(cast("Action[Any, Out]", action), value, run_id=run_id, tags=tags)
        return self.wait_for(invoked, timeout_seconds)

    def handle(self, run_id: str) -> "BlockingHandle[Any]":
        """Return a handle on a run that may have been started elsewhere; see `Coordinator.handle`."""
        return BlockingHandle(self._coordinator.handle(run_id), self)

    def _serve(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._loop.call_soon(ready.set)
            self._loop.run_forever()

    def _stop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()

    def wait_for(self, coroutine: Coroutine[Any, Any, T], timeout_seconds: float | None = None) -> T:
        """Run any coroutine of the coordinator's on its loop and wait for its result.

        Raises:
            CoordinatorClosed: the portal is not open.
            TimeoutError: the time is up; the coroutine is cancelled.
        """
        if self._loop is None:
            coroutine.close()
            raise CoordinatorClosed(str(CoordinatorClosed.__doc__))
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout_seconds)
        except TimeoutError:
            future.cancel()
            raise


class BlockingHandle(Generic[Out]):
    """A handle on a run for code without an event loop; see `RunHandle`.

    Attributes:
        run_id: the run.
    """

    def __init__(self, handle: RunHandle[Out], portal: BlockingCoordinator) -> None:
        self.run_id = handle.run_id
        self._handle = handle
        self._portal = portal

    def result(self, timeout_seconds: float | None = None) -> Out:
        """Wait for the saga's output; see `RunHandle.result`.

        Args:
            timeout_seconds: stop waiting after this; the run goes on.

        Raises:
            TimeoutError: the time is up.
            RunFailed: the run ended without a result, or is parked.
        """
        return self._portal.wait_for(self._handle.result(), timeout_seconds)

    def status(self) -> RunStatus:
        """Return how the run stands; see `RunHandle.status`."""
        return self._portal.wait_for(self._handle.status())

    def history(self) -> list[Event]:
        """Return the run's events; see `RunHandle.history`."""
        return self._portal.wait_for(self._handle.history())

    def cancel(self, *, by: str, reason: str) -> RunStatus:
        """Call the run off; see `RunHandle.cancel`."""
        return self._portal.wait_for(self._handle.cancel(by=by, reason=reason))

    def retry(self, *, by: str, reason: str) -> RunStatus:
        """Let a parked run try again; see `RunHandle.retry`."""
        return self._portal.wait_for(self._handle.retry(by=by, reason=reason))

    def resume(self, *, by: str, reason: str) -> RunStatus:
        """Let a parked run go on; see `RunHandle.resume`."""
        return self._portal.wait_for(self._handle.resume(by=by, reason=reason))

    def abandon(self, *, by: str, reason: str) -> RunStatus:
        """End the run where it stands; see `RunHandle.abandon`."""
        return self._portal.wait_for(self._handle.abandon(by=by, reason=reason))

    def undo_plan(self) -> UndoPlan:
        """Return what `undo` would undo; see `RunHandle.undo_plan`."""
        return self._portal.wait_for(self._handle.undo_plan())

    def undo(self, *, by: str, reason: str) -> RunStatus:
        """Have a completed run undone; see `RunHandle.undo`."""
        return self._portal.wait_for(self._handle.undo(by=by, reason=reason))

    def signal(self, name: str, payload: object = None, *, by: str, key: str | None = None) -> None:
        """Tell the run something that its saga waits for; see `RunHandle.signal`."""
        self._portal.wait_for(self._handle.signal(name, payload, by=by, key=key))

    def waive(self, step: str, *, by: str, reason: str) -> RunStatus:
        """Say that a step needs no more undoing; see `RunHandle.waive`."""
        return self._portal.wait_for(self._handle.waive(step, by=by, reason=reason))
