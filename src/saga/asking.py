"""Asks for steps on behalf of the saga function, and waits until they have settled.

A step begins when it is asked for, at once, and what comes of it is the driver's business: whoever stops waiting for a
step stops nothing else.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from ..actions.action import Action
from ..actions.values import JsonText
from ..errors import InvalidValue, UnknownName
from .moments import Diverged, Moment, StepAsked
from .outcomes import action_error, named
from .registry import Registry
from .replay import Replay
from .run import Asked
from .state import RunState, StepStatus


class Settling:
    """Who waits for which step to settle."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}

    def waiter(self, path: str) -> "asyncio.Future[None]":
        """Return what is done when the step may have settled; look whether it has."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.setdefault(path, []).append(waiter)
        return waiter

    def wake(self, path: str) -> None:
        """Let those who wait for the step look."""
        for waiter in self._waiters.pop(path, ()):
            if not waiter.done():
                waiter.set_result(None)


class Drives(Protocol):
    """What is asked of the driver."""

    state: RunState

    def take(self, moment: Moment) -> None:
        """Decide what follows from `moment`."""
        ...

    def take_up(self, paths: Iterable[str]) -> None:
        """Take up steps that were interrupted."""
        ...


class Asking:
    """Asks for the steps of one run; what its `Run` holds.

    Args:
        driver: drives the run.
        replay: the recorded steps that are not asked for yet.
        registry: the actions that this coordinator was given.
        settling: is woken by the driver.
    """

    def __init__(self, driver: Drives, replay: Replay, registry: Registry, settling: Settling) -> None:
        self._driver = driver
        self._state = driver.state
        self._replay = replay
        self._registry = registry
        self._settling = settling
        self._taken_up = driver.state.version > 0

    async def one(self, asked: Asked) -> Any:
        """Return the output of a step, from the log if it is there, else by doing it. See `Run.do`."""
        self._begin(asked)
        await self._settled(asked.path)
        return self._output(asked)

    async def all(self, steps: Sequence[Asked]) -> tuple[Any, ...]:
        """Ask for all steps now, in order, and return their outputs when all have settled. See `Run.all`."""
        refusals = [self._refusal(asked) for asked in steps]
        for asked, refusal in zip(steps, refusals, strict=True):
            if refusal is None:
                await self._settled(asked.path)
        outputs = []
        for asked, refusal in zip(steps, refusals, strict=True):
            if refusal is None:
                outputs.append(self._output(asked))
            elif not isinstance(refusal, asyncio.CancelledError):
                raise refusal
        if len(outputs) < len(steps):
            raise asyncio.CancelledError("the run does nothing new any more")
        return tuple(outputs)

    def _refusal(self, asked: Asked) -> BaseException | None:
        """Ask for a step; returns what is raised over it, because the steps behind it are asked for all the same."""
        try:
            self._begin(asked)
        except BaseException as error:
            return error
        return None

    def _begin(self, asked: Asked) -> None:
        path, action, value = asked
        self._check_known(path, action)
        try:
            self._ask(path, action, action.input.encode(value))
        except InvalidValue as error:
            raise named(error, path, action.name) from None
        if path not in self._state.steps:
            raise asyncio.CancelledError("the run does nothing new any more")
        self._driver.take_up(self._replay.take(path))

    def _ask(self, path: str, action: Action[Any, Any], text: JsonText) -> None:
        divergence = self._replay.ask(path, action, text)
        if divergence is not None:
            self._driver.take(Diverged(divergence))
            raise asyncio.CancelledError("the run is parked")
        if path not in self._state.steps:
            self._driver.take(StepAsked(path, action.name, text, action.irreversible))

    def _check_known(self, path: str, action: Action[Any, Any]) -> None:
        """Refuse an action that this coordinator was not given; a run that was taken up waits for a person then.

        To undo it, only because this worker lacks an action that others have, would be the wrong way out of a deploy.
        """
        try:
            self._registry.action(action)
        except UnknownName as error:
            if not self._taken_up:
                raise
            self._driver.take(Diverged(f"step {path}: {error}"))
            raise asyncio.CancelledError("the run is parked") from None

    async def _settled(self, path: str) -> None:
        while path in self._state.active:
            await self._settling.waiter(path)

    def _output(self, asked: Asked) -> Any:
        step = self._state.steps[asked.path]
        if step.status is StepStatus.SUCCEEDED and step.output is not None:
            return asked.action.output.decode(step.output)
        raise action_error(step)
