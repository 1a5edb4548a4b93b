"""Attempts, with the observers told of each. A coordinator without observers has plain `Attempts`, and pays nothing."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from ..actions.call import Outcome
from .attempts import Attempts, DoMoment, Tell, UndoMoment
from .failures import describe
from .host import Host
from .moments import AttemptFailed, AttemptUnknown, UndoFailed
from .observers import observed
from .observing import Attempt
from .state import RunState, Step
from .transacting import Settled

_CANCELLED = describe(asyncio.CancelledError()).type


def attempts_of(state: RunState, host: Host, durable_version: Callable[[], int]) -> Attempts:
    """Return what enters the handlers of a run."""
    return (_ObservedAttempts if host.observers else Attempts)(state, host, durable_version)


class _ObservedAttempts(Attempts):
    async def do(self, step: Step, attempt: int, tell: Tell) -> DoMoment | Settled | None:
        with self._observed(step, attempt, undoes=False) as told:
            moment = await super().do(step, attempt, partial(_tell, told, tell))
            _note(told, moment)
        return moment

    async def undo(self, step: Step, attempt: int, tell: Tell) -> UndoMoment | Settled | None:
        with self._observed(step, attempt, undoes=True) as told:
            moment = await super().undo(step, attempt, partial(_tell, told, tell))
            _note(told, moment)
        return moment

    @contextmanager
    def _observed(self, step: Step, attempt: int, *, undoes: bool) -> Iterator[Attempt]:
        host = self._host
        told = Attempt(observed(self._state), step.path, step.action, attempt, undoes, host.clock.now())
        began = host.loop.time()
        with host.observers.attempting(told):
            try:
                yield told
            finally:
                told.seconds = host.loop.time() - began
                if _is_cut_off(told):
                    told.outcome = Outcome.UNKNOWN


def _is_cut_off(told: Attempt) -> bool:
    """Whether the driver has let go of the attempt: what came of it is then not recorded, and nobody knows it."""
    task = asyncio.current_task()
    was_cancelled = told.error is not None and told.error.type == _CANCELLED
    return was_cancelled and task is not None and task.cancelling() > 0


def _tell(told: Attempt, tell: Tell, moment: DoMoment | UndoMoment) -> None:
    """Hand on what came of an attempt whose handler goes on although its time is up."""
    _note(told, moment)
    tell(moment)


def _note(told: Attempt, moment: DoMoment | UndoMoment | Settled | None) -> None:
    match moment:
        case Settled(error=error) if error is not None:
            told.outcome, told.error = Outcome.FAILED, error
        case AttemptFailed(error=error) | UndoFailed(error=error):
            told.outcome, told.error = Outcome.FAILED, error
        case AttemptUnknown(error=error):
            told.outcome, told.error = Outcome.UNKNOWN, error
        case None:
            pass  # It has been told already.
        case _:
            told.outcome = Outcome.SUCCEEDED
