"""What a saga function can ask for at a place in its code, and the coroutine that stands for it until it is awaited."""

import inspect
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..actions.action import Action
from ..actions.values import ValueType

if TYPE_CHECKING:
    from .definition import Saga


ANY_PAYLOAD: ValueType[Any] = ValueType(Any, "payload")
"""What a signal may carry whose type nobody has said."""


class AskedStep(NamedTuple):
    """A call of an action."""

    path: str
    action: Action[Any, Any]
    value: Any


class AskedRun(NamedTuple):
    """A call of another saga, as a run of its own."""

    path: str
    saga: "Saga[Any, Any]"
    value: Any


class AskedWait(NamedTuple):
    """A wait: for a time if `signal` is None, else for a signal, and for so many seconds at most."""

    path: str
    signal: str | None
    payload: ValueType[Any]
    seconds: float | None


class AskedLock(NamedTuple):
    """A lock."""

    path: str
    key: str


class AskedCommit(NamedTuple):
    """The point of no return."""

    path: str


Asked = AskedStep | AskedRun | AskedWait | AskedLock | AskedCommit


class Asks(Protocol):
    """Whoever has what is asked for carried out."""

    async def one(self, asked: Asked) -> Any:
        """Return what came of it, or raise `ActionError` or `SignalTimedOut`."""
        ...

    async def all(self, several: Sequence[Asked]) -> tuple[Any, ...]:
        """Return what came of them, begun in this order, when all have settled; or raise the first failure."""
        ...

    def settled_at(self, path: str) -> datetime | None:
        """Return when what was asked for at this path settled."""
        ...


class Branch:
    """A place in the saga's code that numbers its own calls.

    Args:
        prefix: of the paths.
        now: the time of the latest recorded event that this place rests on.
    """

    __slots__ = ("_calls", "_values", "now", "prefix")

    def __init__(self, prefix: str, now: datetime | None) -> None:
        self.prefix = prefix
        self.now = now
        self._calls = 0
        self._values = 0

    def next_path(self) -> str:
        """Return the path of the next call."""
        self._calls += 1
        return f"{self.prefix}{self._calls}"

    def next_value(self) -> int:
        """Return the number of the next value that is derived here; it takes no path."""
        self._values += 1
        return self._values

    def saw(self, at: datetime | None) -> None:
        """Note that this place rests on an event of that time."""
        if at is not None and (self.now is None or at > self.now):
            self.now = at


async def asking(asks: Asks, asked: Asked, branch: Branch) -> Any:
    """Ask, and wait for what comes of it."""
    try:
        return await asks.one(asked)
    finally:
        branch.saw(asks.settled_at(asked.path))


def is_asking(coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Tell whether a coroutine is one of `asking`, and not of a branch with steps of its own."""
    return inspect.iscoroutine(coroutine) and coroutine.cr_code is asking.__code__


def unbegun(asks: Asks | None, coroutines: tuple[Coroutine[Any, Any, Any], ...]) -> list[Asked] | None:
    """Return what the coroutines ask for, if they are all of `asking`, of one run and not begun; they are closed then.

    To wait for steps takes no tasks: their attempts have some of their own.
    """
    if len(set(coroutines)) < len(coroutines):
        return None
    several: list[Asked] = []
    for coroutine in coroutines:
        if not is_asking(coroutine) or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
            return None
        held = inspect.getcoroutinelocals(coroutine)
        if held["asks"] is not asks:
            return None
        several.append(held["asked"])
    for coroutine in coroutines:
        coroutine.close()
    return several
