"""Sagas: named, versioned async functions that call actions through their run."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, overload

from ..actions.action import Action, checked_name
from ..actions.handlers import read_handler
from ..actions.values import ValueType
from ..errors import DefinitionError
from .ids import checked_tags
from .run import Run

In = TypeVar("In")
Out = TypeVar("Out")

NOTHING: Any = None
"""The default of an input, for sagas that take none; a checker sees from the saga's type whether it may be left out."""

INVOKE_PREFIX = "invoke:"
"""Runs of a single action are runs of a saga named after it with this prefix, which no user's saga may have."""


MOST_CONCURRENCY = 1_000_000


class Saga(Generic[In, Out]):
    """A named, versioned async function that calls actions through its run.

    Args:
        name: letters, digits and `_.:-`, at most 128; unique, with the version, among a coordinator's sagas.
        version: from 1; raise it when the function comes to ask for other steps, and register both for a while.
        function: `async def onboard(run: Run, new_user: NewUser) -> User`; the input may be missing. It must have no
            effects of its own, because it is run again over the recorded results after a crash.
        signals: the names of the signals that it waits for, each with the type of its payload (`None` for none). Where
            they are given, whoever sends another, or a payload that does not fit, is told so at once.
        concurrency: how many runs of this saga (of all its versions) are under way at once, over all workers; the
            others wait in the order in which they were started, and take no place and no memory. None for all. A run
            that is parked is not counted, and a run that is a step of another one neither waits nor counts.
        concurrency_per_tag: the same for runs that have one value of a tag: `{"tenant": 2}` lets two runs of each
            tenant go on at once. A run without the tag is not held up.

    Raises:
        DefinitionError: the name, the version, a limit or the function's signature does not fit.
        InvalidName: a tag is not of the allowed form.
    """

    signals: Mapping[str, ValueType[Any]] = MappingProxyType({})
    concurrency: int | None = None
    concurrency_per_tag: Mapping[str, int] = MappingProxyType({})

    def __init__(
        self,
        name: str,
        *,
        version: int,
        function: Callable[..., Awaitable[Any]],
        signals: Mapping[str, Any] | None = None,
        concurrency: int | None = None,
        concurrency_per_tag: Mapping[str, int] | None = None,
    ) -> None:
        self.name = checked_name("saga", name)
        if self.name.startswith(INVOKE_PREFIX):
            raise DefinitionError(f"saga name {name!r}: the prefix {INVOKE_PREFIX!r} is kept for single actions")
        self.version = _checked_version(name, version)
        self.function = function
        handler = read_handler(function, f"saga {name}")
        if not handler.is_async:
            raise DefinitionError(f"{handler.label}: a saga is an async function; write 'async def'")
        if not handler.inputs or handler.inputs[0] is not Run or len(handler.inputs) > 2:
            raise DefinitionError(f"{handler.label}: takes 'run: Run' and then at most one input")
        self.takes_input = len(handler.inputs) == 2
        self.input: ValueType[In] = ValueType(handler.inputs[1] if self.takes_input else None, "input")
        self.output: ValueType[Out] = ValueType(handler.output, "output")
        self.signals = {checked_name("signal", of): ValueType(kind, "payload") for of, kind in (signals or {}).items()}

        self.concurrency = None if concurrency is None else _checked_count(name, "concurrency", concurrency)
        self.concurrency_per_tag = {
            tag: _checked_count(name, f"concurrency_per_tag[{tag!r}]", count)
            for tag, count in (concurrency_per_tag or {}).items()
        }
        checked_tags(dict.fromkeys(self.concurrency_per_tag, ""))

    def __repr__(self) -> str:
        return f"<Saga {self.name} {self.version}>"

    async def call(self, run: Run, input_text: str) -> Any:
        """Call the function with its input, decoded anew from the log's JSON."""
        if not self.takes_input:
            return await self.function(run)
        return await self.function(run, self.input.decode(input_text))


def _checked_version(name: str, version: object) -> int:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise DefinitionError(f"saga {name}: version={version!r}; use a whole number from 1")
    return version


def _checked_count(name: str, what: str, count: object) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_CONCURRENCY:
        raise DefinitionError(f"saga {name}: {what}={count!r}; use a whole number from 1 to {MOST_CONCURRENCY:,}")
    return count


class InvokedAction(Saga[In, Out]):
    """The saga that runs one action and nothing else."""

    def __init__(self, action: Action[In, Out]) -> None:
        self.name = f"{INVOKE_PREFIX}{action.name}"
        self.version = 1
        self.input = action.input
        self.output = action.output
        self.action = action

    async def call(self, run: Run, input_text: str) -> Any:
        """Run the action."""
        return await run.do(self.action, self.input.decode(input_text))


class _SagaDecorator:
    def __init__(self, name: str, keywords: Mapping[str, Any]) -> None:
        self._name = name
        self._keywords = keywords

    @overload
    def __call__(self, function: Callable[[Run], Awaitable[Out]]) -> Saga[None, Out]: ...
    @overload
    def __call__(self, function: Callable[[Run, In], Awaitable[Out]]) -> Saga[In, Out]: ...
    def __call__(self, function: Callable[..., Awaitable[Any]]) -> Saga[Any, Any]:
        if not inspect.isroutine(function):
            raise DefinitionError(f"saga {self._name}: {function!r} is not a function")
        return Saga(self._name, function=function, **self._keywords)


def saga(
    name: str,
    *,
    version: int = 1,
    signals: Mapping[str, Any] | None = None,
    concurrency: int | None = None,
    concurrency_per_tag: Mapping[str, int] | None = None,
) -> _SagaDecorator:
    """Make a `Saga` of the function below; the keywords are those of `Saga`.

    Raises:
        DefinitionError: the name, the version, a limit or the function's signature does not fit.
    """
    keywords = {
        "version": version,
        "signals": signals,
        "concurrency": concurrency,
        "concurrency_per_tag": concurrency_per_tag,
    }
    return _SagaDecorator(checked_name("saga", name), keywords)
