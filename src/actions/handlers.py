"""Reads a handler's signature: what it takes, what it returns, whether it wants a `Call`, whether it is async."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import DefinitionError
from .call import Call

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that a user wrote, and how to call it.

    Attributes:
        function: the function, bound method or callable object itself.
        label: how errors call it, `create-user-in-db (users.create)`.
        is_async: it runs on the event loop; a plain function runs in a thread.
        inputs: the annotations of its parameters, without the `Call`, in order.
        output: its return annotation.
    """

    function: Callable[..., Any]
    label: str
    is_async: bool
    inputs: tuple[Any, ...]
    output: Any
    _call_at: int | str | None

    @property
    def wants_call(self) -> bool:
        """Whether it takes a `Call`."""
        return self._call_at is not None

    def arguments(self, values: tuple[Any, ...], call: Call | None = None) -> Arguments:
        """Return positional and keyword arguments that hand over `values` and, where it is wanted, `call`."""
        values = values[: len(self.inputs)]
        match self._call_at:
            case None:
                return values, {}
            case int(index):
                return (*values[:index], call, *values[index:]), {}
            case str(name):
                return values, {name: call}


def read_handler(function: Callable[..., Any], label: str) -> Handler:
    """Read the signature of `function`.

    Raises:
        DefinitionError: a parameter or the result has no annotation, or the parameters are of a kind that the engine
            cannot fill.
    """
    if not callable(function):
        raise DefinitionError(f"{label}: {function!r} is not a function")
    label = f"{label} ({getattr(function, '__qualname__', type(function).__qualname__)})"
    signature = _signature(function, label)
    inputs: list[Any] = []
    call_at: int | str | None = None
    for parameter in signature.parameters.values():
        annotation = _annotation(parameter, label)
        if annotation is Call:
            call_at = parameter.name if parameter.kind is parameter.KEYWORD_ONLY else len(inputs)
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise DefinitionError(f"{label}: parameter {parameter.name!r} is keyword-only; make it positional")
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            inputs.append(annotation)
    if signature.return_annotation is signature.empty:
        raise DefinitionError(f"{label}: the result has no annotation; write '-> None' if it returns nothing")
    return Handler(function, label, _is_async(function, label), tuple(inputs), signature.return_annotation, call_at)


def _signature(function: Callable[..., Any], label: str) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        raise DefinitionError(
            f"{label}: an annotation cannot be resolved: {error}; define the type at module level"
        ) from None
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{label}: {error}") from None


def _annotation(parameter: inspect.Parameter, label: str) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise DefinitionError(f"{label}: parameter '*{parameter.name}' cannot be filled; name each parameter")
    if parameter.annotation is parameter.empty:
        raise DefinitionError(f"{label}: parameter {parameter.name!r} has no annotation; give its type")
    return parameter.annotation


def _is_async(function: Callable[..., Any], label: str) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - the bound __call__ of a callable object is wanted
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise DefinitionError(f"{label}: is a generator; return the result instead of yielding")
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
