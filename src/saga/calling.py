"""Calls the saga function of one run, and says what came of it when that may be said."""

import asyncio
from typing import Any

from ..errors import ValueTooLarge
from .asking import Drives
from .definition import Saga
from .events import FailingReason, RunStatus
from .failures import describe
from .host import Host
from .moments import Diverged, Moment, SagaFailed, SagaReturned
from .outcomes import saga_ended
from .replay import Replay
from .run import Run


class Calling:
    """One call of a saga function.

    Args:
        driver: has the run, and is told what came of it.
        saga: its function; None where the run is only to be unwound.
        run: what the function holds.
        replay: the recorded steps that are not asked for yet.
        host: what the coordinator's drivers share.
    """

    def __init__(self, driver: Drives, saga: Saga[Any, Any] | None, run: Run, replay: Replay, host: Host) -> None:
        self._driver: Drives | None = driver
        self._state = driver.state
        self._saga = saga
        self._run = run
        self._replay = replay
        self._loop = host.loop
        self._task: asyncio.Task[None] | None = None
        self._verdict: SagaReturned | None = None

    def begin(self) -> None:
        """Call the function, if the run goes forward."""
        if self._state.status is RunStatus.RUNNING and self._saga is not None:
            self._task = self._loop.create_task(self._call(self._saga))
            self._run.enter(self._task, self._state.started_at)

    def call_off(self) -> None:
        """Stop it: nothing that it asks for is done any more."""
        self._run.leave()
        if self._task is not None:
            self._task.cancel()

    def leave(self) -> None:
        """Stop it, and let go of the driver, which has ended: without this circle it goes at once."""
        self.call_off()
        self._driver = None

    def offer_verdict(self) -> None:
        """A saga that has returned completes when the last attempt that it did not wait for has ended."""
        if self._verdict and self._state.status is RunStatus.RUNNING and not self._state.active:
            verdict, self._verdict = self._verdict, None
            self._conclude(verdict)

    async def _call(self, saga: Saga[Any, Any]) -> None:
        verdict = await saga_ended(saga, self._run, self._state.input)
        self._run.leave()
        divergence = await self._replay.end()
        if divergence is not None:
            self._take(Diverged(divergence))
        elif isinstance(verdict, SagaReturned):
            self._verdict = verdict
            self.offer_verdict()
        else:
            self._conclude(verdict)

    def _conclude(self, verdict: SagaReturned | SagaFailed) -> None:
        try:
            self._take(verdict)
        except ValueTooLarge as error:
            self._take(SagaFailed(FailingReason.SAGA_RAISED, describe(error)))

    def _take(self, moment: Moment) -> None:
        if self._driver is not None:
            self._driver.take(moment)
