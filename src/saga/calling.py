"""Calls the saga function of one run, and says what came of it when that may be said."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ValueTooLarge
from .asking import Asking, Drives, Settling
from .definition import Saga
from .events import FailingReason, RunStatus
from .failures import describe
from .host import Host
from .moments import Diverged, Moment, SagaFailed, SagaReturned
from .outcomes import saga_ended
from .run import Run

RUN_AHEAD_TURNS = 4
"""Turns of the loop that the saga function gets before an append: a result on its way through a task and a gather
reaches the function in three, the tasks that it then makes ask in a fourth, and what they ask for shares the commit."""

MOST_ROUNDS = 25
"""How often it gets as many again while the run only waits, so that all that it asks for is on record by then."""


class Calling:
    """The call of a saga function, and the next one where what it was told is not what came to be on record.

    Args:
        driver: has the run, and is told what came of it.
        saga: its function; None where the run is only to be unwound.
        asks: has what it asks for carried out.
        settling: where the function waits.
        host: what the coordinator's drivers share.
    """

    def __init__(
        self,
        driver: Drives,
        saga: Saga[Any, Any] | None,
        asks: Asking,
        settling: Settling,
        host: Host,
    ) -> None:
        self._driver: Drives | None = driver
        self._state = driver.state
        self._saga = saga
        self._replay = asks.replay
        self._settling = settling
        self._turns = host.turns
        self._loop = host.loop
        self._asks: Asking | None = asks
        self._run = self._new_run()
        self._task: asyncio.Task[None] | None = None
        self._verdict: SagaReturned | None = None

    def begin(self) -> None:
        """Call the function, once, if the run goes forward and has what its saga's limits say it is to have."""
        may_begin = self._state.status is RunStatus.RUNNING and not self._state.slots.queue
        if may_begin and self._saga is not None and self._task is None:
            self._task = self._loop.create_task(self._call(self._saga, self._run))
            self._run.enter(self._task, self._state.started_at)

    def begin_anew(self) -> None:
        """Call it again, over the run as it stands now: it had gone ahead on what others have made untrue."""
        self.call_off()
        if self._asks is not None:
            self._asks.begin_anew()
        self._replay.begin_anew(self._state)
        self._verdict = self._task = None
        self._run = self._new_run()
        self.begin()

    def call_off(self) -> None:
        """Stop it: nothing that it asks for is done any more."""
        self._run.leave()
        if self._task is not None:
            self._task.cancel()

    @property
    def is_idle(self) -> bool:
        """Whether the function does nothing before something that it has asked for settles."""
        return self._task is None or self._run.is_idle(self._task, self._settling.waiting())

    def run_ahead(self, then: Callable[[], None], rounds: int = MOST_ROUNDS) -> None:
        """Let the function ask for more, then call `then`; longer if it alone keeps the run from being let go of."""
        self._turns.after(RUN_AHEAD_TURNS, partial(self._ran_ahead, then, rounds))

    def _ran_ahead(self, then: Callable[[], None], rounds: int) -> None:
        if rounds and self._state.only_waits and not self.is_idle:
            self.run_ahead(then, rounds - 1)
        else:
            then()

    def leave(self) -> None:
        """Stop it, and let go of the driver, which has ended: without this circle it goes at once."""
        self.call_off()
        self._driver = self._asks = None

    def offer_verdict(self) -> None:
        """A saga that has returned completes when the last attempt that it did not wait for has ended."""
        if self._verdict and self._state.status is RunStatus.RUNNING and not self._state.active:
            if self._asks is not None and self._asks.has_waiting:
                return
            verdict, self._verdict = self._verdict, None
            self._conclude(verdict)

    def _new_run(self) -> Run:
        assert self._asks is not None, "a call that was left is not made again"
        return Run(self._state.run_id, self._state.tags, self._asks, self._saga.signals if self._saga else None)

    async def _call(self, saga: Saga[Any, Any], run: Run) -> None:
        verdict = await saga_ended(saga, run, self._state.input)
        if run is not self._run:
            return
        run.leave()
        divergence = await self._replay.end()
        if run is not self._run:
            return
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
