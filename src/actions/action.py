"""Actions: named, typed units of work, each with a way to undo it.

An `Action` is a definition and nothing else: it holds no connection, no state of a run, and calling `action.do(...)`
outside a run is calling the handler. Whether a definition is complete is checked when a coordinator is built, by
`Action.check`.
"""

import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..errors import DefinitionError
from .call import Call
from .handlers import Handler, read_handler
from .rate import Rate, checked_concurrency, checked_rate
from .retrying import DO_POLICY, UNDO_POLICY, Policy, RetryPolicy
from .values import ValueType

NAME_PATTERN = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""What actions, sagas and signals may be called."""

DEFAULT_TIMEOUT_SECONDS = 60.0

In = TypeVar("In")
Out = TypeVar("Out")
F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")


class OnUnknown(StrEnum):
    """What follows an attempt whose outcome nobody knows."""

    RETRY = "retry"
    UNDO = "undo"
    PARK = "park"


class Part:
    """One of an action's handlers (do, undo or probe), its time limit and its retry budget."""

    __slots__ = ("handler", "policy", "timeout_seconds")

    def __init__(self, handler: Handler, policy: RetryPolicy, timeout_seconds: float | None) -> None:
        is_number = isinstance(timeout_seconds, int | float) and not isinstance(timeout_seconds, bool)
        if timeout_seconds is not None and not (is_number and 0 < timeout_seconds < float("inf")):
            raise DefinitionError(f"{handler.label}: timeout={timeout_seconds!r}; give seconds above 0, or None")
        self.handler = handler
        self.policy = policy
        self.timeout_seconds = timeout_seconds


class Action(Generic[In, Out]):
    """A named, typed unit of work, and how to undo it.

    Args:
        name: unique among a coordinator's actions; letters, digits and `_.:-`, at most 128.
        do: the handler; async, or a plain function, which then runs in a thread. It takes the input (or nothing) and
            may take a `Call`; every parameter and the result are annotated, with anything that pydantic can validate.
        undo: a handler that takes the input, the output and maybe a `Call`. The output is `None` where the outcome was
            unknown: do nothing then if nothing is there.
        probe: a handler that takes the input and maybe a `Call` and returns the output if the effect has landed, else
            `None`. With a probe, `undo` need not accept `None`.
        transactional: true hands the handler and its undo `Call.connection`, a transaction of the log's database: what
            they write through it is committed together with the record of their success, or not at all. Not on
            `memory://`.
        irreversible: true says that nobody can undo this; a run that is undone then ends `partially_compensated`.
        timeout: seconds for each attempt; None for no limit.
        stop: tenacity's, when to give up. Default: `stop_after_attempt(3)`.
        wait: tenacity's, how long to wait between attempts. Default: exponential with jitter, 0.2 s to 10 s.
        retry: tenacity's, which errors are worth another attempt. Default: every `Exception`.
        on_unknown: what follows an attempt whose outcome nobody knows (timeout, crash, lost reply): `"retry"` with the
            same idempotency key, `"undo"`, or `"park"` for a person.
        concurrency: how many attempts, of do and undo together, may be under way at once over all workers of a log;
            None for no limit.
        rate: how many attempts may begin in a span of time, over all workers likewise; None for no limit.

    Raises:
        DefinitionError: the name, a handler's signature or a keyword does not fit.
    """

    def __init__(
        self,
        name: str,
        *,
        do: Callable[..., Any],
        undo: Callable[..., Any] | None = None,
        probe: Callable[..., Any] | None = None,
        irreversible: bool = False,
        transactional: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        stop: Policy = DO_POLICY.stop,
        wait: Policy = DO_POLICY.wait,
        retry: Policy = DO_POLICY.retry,
        on_unknown: str = OnUnknown.RETRY,
        concurrency: int | None = None,
        rate: Rate | None = None,
    ) -> None:
        self.name = checked_name("action", name)
        self.concurrency = checked_concurrency(name, concurrency)
        self.rate = checked_rate(name, rate)
        self.irreversible = irreversible
        self.transactional = transactional
        self.on_unknown = _on_unknown(name, on_unknown)
        self.do = do
        handler = read_handler(do, f"action {name}")
        if len(handler.inputs) > 1:
            raise DefinitionError(f"{handler.label}: takes {len(handler.inputs)} inputs; put them into one model")
        self.work = Part(handler, RetryPolicy(stop, wait, retry), timeout)
        self.input: ValueType[In] = ValueType(handler.inputs[0] if handler.inputs else None, "input")
        self.output: ValueType[Out] = ValueType(handler.output, "output")
        self.compensation: Part | None = None
        self._undone: ValueType[Any] | None = None
        self.prober: Part | None = None
        if undo is not None:
            self.undo(undo)
        if probe is not None:
            self.probe(probe)

    def __repr__(self) -> str:
        return f"<Action {self.name}>"

    @overload
    def undo(self, handler: F, /) -> F: ...
    @overload
    def undo(
        self,
        handler: None = None,
        /,
        *,
        timeout: float | None = ...,
        stop: Policy = ...,
        wait: Policy = ...,
        retry: Policy = ...,
    ) -> Callable[[F], F]: ...
    def undo(
        self,
        handler: Callable[..., Any] | None = None,
        /,
        *,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        stop: Policy = UNDO_POLICY.stop,
        wait: Policy = UNDO_POLICY.wait,
        retry: Policy = UNDO_POLICY.retry,
    ) -> Any:
        """Say how the action is undone: `@create_user.undo`, or `@create_user.undo(stop=stop_after_attempt(3))`.

        The keywords are those of `Action`; an undo has a budget of its own (10 attempts unless set).

        Raises:
            DefinitionError: the action has an undo already, or the handler does not take the input and the output.
        """

        def add(function: F) -> F:
            if self.compensation is not None:
                raise DefinitionError(f"action {self.name}: has an undo already; an action has one")
            read = read_handler(function, f"undo of {self.name}")
            wanted = len(self.work.handler.inputs) + 1
            if len(read.inputs) != wanted:
                takes = "the input and the output" if wanted == 2 else "the output"
                raise DefinitionError(f"{read.label}: takes {len(read.inputs)} value(s); it must take {takes}")
            self.compensation = Part(read, RetryPolicy(stop, wait, retry), timeout)
            self._undone = ValueType(read.inputs[-1], "output")
            return function

        return add if handler is None else add(handler)

    def probe(self, handler: F, /) -> F:
        """Say how to look whether the effect has landed: `@create_user.probe`.

        Raises:
            DefinitionError: the action has a probe already, or the handler takes more than the input.
        """
        if self.prober is not None:
            raise DefinitionError(f"action {self.name}: has a probe already; an action has one")
        read = read_handler(handler, f"probe of {self.name}")
        if len(read.inputs) != len(self.work.handler.inputs):
            raise DefinitionError(f"{read.label}: must take what the action takes")
        self.prober = Part(read, self.work.policy, self.work.timeout_seconds)
        return handler

    @property
    def is_limited(self) -> bool:
        """Whether its attempts wait for those of others, in whichever worker."""
        return self.concurrency is not None or self.rate is not None

    def check(self) -> None:
        """Check that the definition is complete.

        Raises:
            DefinitionError: it has neither undo nor `irreversible=True`, or both; or its undo cannot bear `None`.
        """
        if self.compensation is None and not self.irreversible:
            raise DefinitionError(
                f"action {self.name}: has no undo; add one with @{self.work.handler.function.__name__}.undo, "
                "or say irreversible=True"
            )
        if self.compensation is not None and self.irreversible:
            raise DefinitionError(f"action {self.name}: is irreversible and has an undo; drop one of the two")
        if self.compensation is not None and self.prober is None:
            self._check_bears_none(self.compensation.handler.label)
        if self.prober is not None and self.output.accepts_none():
            raise DefinitionError(
                f"action {self.name}: its output may be None, so its probe cannot tell 'landed' from 'not there'; "
                "return something, an id say, or drop the probe"
            )
        if self.transactional:
            self._check_transactional()
        for value in (self.input, self.output):
            _prepare(self.name, value)

    def _check_transactional(self) -> None:
        if not self.work.handler.wants_call:
            raise DefinitionError(
                f"{self.work.handler.label}: is transactional and takes no Call; write through call.connection"
            )
        for part in (self.work, self.compensation):
            if part is not None and part.timeout_seconds is None:
                raise DefinitionError(f"{part.handler.label}: is transactional and has no time limit; give timeout=...")

    def _check_bears_none(self, label: str) -> None:
        if self._undone is not None and not self._undone.accepts_none():
            raise DefinitionError(
                f"{label}: must accept None for the output, which is what it gets when the outcome is unknown; "
                "annotate it '... | None', or give the action a probe"
            )

    def undo_values(self, input_text: str, output_text: str | None) -> tuple[Any, ...]:
        """Return what the undo is entered with, decoded anew from the log's JSON."""
        output = None if output_text is None else self.output.decode(output_text)
        return (*self.do_values(input_text), output)

    def do_values(self, input_text: str) -> tuple[Any, ...]:
        """Return what the handler and the probe are entered with, decoded anew from the log's JSON."""
        return (self.input.decode(input_text),) if self.work.handler.inputs else ()


def checked_name(kind: str, name: object) -> str:
    """Return `name` if it may name an action, a saga or a signal.

    Raises:
        DefinitionError: it may not.
    """
    if callable(name):
        raise DefinitionError(
            f'{getattr(name, "__qualname__", name)}: write @{kind}("a-name") with a name, not @{kind}'
        )
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise DefinitionError(f"{kind} name {str(name)[:150]!r}: use 1 to 128 letters, digits and _ . : -")
    return name


def _on_unknown(name: str, value: str) -> OnUnknown:
    try:
        return OnUnknown(value)
    except ValueError:
        raise DefinitionError(f"action {name}: on_unknown={value!r}; use 'retry', 'undo' or 'park'") from None


def _prepare(action: str, value: ValueType[Any]) -> None:
    try:
        value.prepare()
    except Exception as error:  # pydantic and the user's own schema hooks raise many kinds; all mean this.
        raise DefinitionError(f"action {action}: pydantic cannot handle its {value.name} type: {error}") from error


class _ActionDecorator:
    def __init__(self, name: str, keywords: dict[str, Any]) -> None:
        self._name = name
        self._keywords = keywords

    @overload
    def __call__(self, do: Callable[[], Awaitable[Out]]) -> Action[None, Out]: ...
    @overload
    def __call__(self, do: Callable[[Call], Awaitable[Out]]) -> Action[None, Out]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # an awaitable result is a result too; the first match is meant
        self, do: Callable[Concatenate[In, P], Awaitable[Out]]
    ) -> Action[In, Out]: ...
    @overload
    def __call__(self, do: Callable[[], Out]) -> Action[None, Out]: ...
    @overload
    def __call__(self, do: Callable[[Call], Out]) -> Action[None, Out]: ...
    @overload
    def __call__(self, do: Callable[Concatenate[In, P], Out]) -> Action[In, Out]: ...
    def __call__(self, do: Callable[..., Any]) -> Action[Any, Any]:
        return Action(self._name, do=do, **self._keywords)


def action(
    name: str,
    *,
    irreversible: bool = False,
    transactional: bool = False,
    timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    stop: Policy = DO_POLICY.stop,
    wait: Policy = DO_POLICY.wait,
    retry: Policy = DO_POLICY.retry,
    on_unknown: str = OnUnknown.RETRY,
    concurrency: int | None = None,
    rate: Rate | None = None,
) -> _ActionDecorator:
    """Make an `Action` of the function below; the keywords are those of `Action`.

    Raises:
        DefinitionError: the name, the function's signature or a keyword does not fit.
    """
    return _ActionDecorator(
        checked_name("action", name),
        {
            "irreversible": irreversible,
            "transactional": transactional,
            "timeout": timeout,
            "stop": stop,
            "wait": wait,
            "retry": retry,
            "on_unknown": on_unknown,
            "concurrency": concurrency,
            "rate": rate,
        },
    )
