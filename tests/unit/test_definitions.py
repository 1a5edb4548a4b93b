"""Definitions that are put together wrongly are refused when they are made, or when a coordinator is built of them."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel
from tenacity import stop_after_attempt

from amends import Action, Call, Coordinator, DefinitionError, InvalidName, Run, Saga, action, saga


class Order(BaseModel):
    sku: str


class Opaque:
    """A class that pydantic knows nothing of."""


async def good(order: Order) -> str:
    return order.sku


async def undo_good(order: Order, sku: str | None) -> None: ...


async def undo_one(order: Order) -> None: ...


async def undo_three(order: Order, sku: str | None, more: int) -> None: ...


async def undo_needs_output(order: Order, sku: str) -> None: ...


async def two_inputs(order: Order, more: int) -> str:
    return ""


async def no_annotation(order) -> str:  # type: ignore[no-untyped-def]
    return ""


async def no_result(order: Order):  # type: ignore[no-untyped-def]
    return ""


async def star(*orders: Order) -> str:
    return ""


async def double_star(**orders: Order) -> str:
    return ""


async def keyword_only(*, order: Order) -> str:
    return ""


async def generator(order: Order) -> AsyncIterator[str]:
    yield ""


def plain_generator(order: Order) -> Iterator[str]:
    yield ""


async def unresolved(order: "NoSuchType") -> str:  # type: ignore[name-defined]  # noqa: F821
    return ""


async def opaque(order: Opaque) -> str:
    return ""


async def opaque_result(order: Order) -> Opaque:
    return Opaque()


async def probe_two(order: Order, more: int) -> str | None:
    return None


async def policy(state: Any) -> bool:
    return True


Make = Callable[[], object]


def built(*actions: Any, sagas: Any = (), **keywords: Any) -> Make:
    """Return what builds a coordinator of these."""
    return lambda: Coordinator("memory://", actions=actions, sagas=sagas, **keywords)


def made(do: Any = good, undo: Any = undo_good, **keywords: Any) -> Make:
    """Return what makes an action."""
    return lambda: Action("buy", do=do, undo=undo, **keywords)


ACTIONS: dict[str, tuple[Make, str, str]] = {
    "empty name": (lambda: Action("", do=good), "action name ''", "use 1 to 128 letters"),
    "name with a space": (lambda: Action("a b", do=good), "action name 'a b'", "letters, digits and _ . : -"),
    "name with a slash": (lambda: Action("../etc", do=good), "action name '../etc'", "letters, digits"),
    "long name": (lambda: Action("a" * 129, do=good), "action name", "1 to 128"),
    "name that is no text": (lambda: Action(7, do=good), "action name '7'", "letters"),  # type: ignore[arg-type]
    "no function": (made("users.create"), "action buy", "is not a function"),
    "two inputs": (made(two_inputs, None), "two_inputs", "put them into one model"),
    "no annotation": (made(no_annotation, None), "parameter 'order'", "give its type"),
    "no result": (made(no_result, None), "no_result", "write '-> None'"),
    "star": (made(star, None), "'*orders'", "name each parameter"),
    "double star": (made(double_star, None), "'*orders'", "name each parameter"),
    "keyword only": (made(keyword_only, None), "'order' is keyword-only", "make it positional"),
    "async generator": (made(generator, None), "generator", "return the result instead of yielding"),
    "generator": (made(plain_generator, None), "generator", "return the result instead of yielding"),
    "unresolved": (made(unresolved, None), "NoSuchType", "define the type at module level"),
    "on_unknown": (made(on_unknown="ignore"), "on_unknown='ignore'", "use 'retry', 'undo' or 'park'"),
    "timeout of nothing": (made(timeout=0), "timeout=0", "give seconds above 0, or None"),
    "negative timeout": (made(timeout=-1.0), "timeout=-1.0", "give seconds above 0, or None"),
    "endless timeout": (made(timeout=float("inf")), "timeout=inf", "or None"),
    "timeout of no number": (made(timeout=float("nan")), "timeout=nan", "or None"),
    "stop": (made(stop=3), "stop=3 is not a tenacity policy", "such as stop_after_attempt(3)"),
    "async policy": (made(retry=policy), "retry=", "policies must be plain functions"),
    "undo of one value": (made(undo=undo_one), "undo of buy", "must take the input and the output"),
    "undo of three values": (made(undo=undo_three), "takes 3 value(s)", "must take the input and the output"),
    "second undo": (lambda: Action("buy", do=good, undo=undo_good).undo(undo_good), "action buy", "an action has one"),
    "probe": (made(probe=probe_two), "probe of buy", "must take what the action takes"),
    "no undo": (built(Action("buy", do=good)), "action buy: has no undo", "or say irreversible=True"),
    "both": (built(Action("buy", do=good, undo=undo_good, irreversible=True)), "action buy", "drop one of the two"),
    "undo that needs an output": (
        built(Action("buy", do=good, undo=undo_needs_output)),
        "undo of buy",
        "annotate it '... | None', or give the action a probe",
    ),
    "opaque input": (built(Action("buy", do=opaque, irreversible=True)), "action buy", "its input type"),
    "opaque output": (built(Action("buy", do=opaque_result, irreversible=True)), "action buy", "its output type"),
    "two of one name": (
        built(*(Action("buy", do=good, undo=undo_good) for _ in range(2))),
        "actions: two actions are called 'buy'",
        "",
    ),
    "a function": (built(good), "is not an Action", "decorate it with @action(...)"),
    "no place": (built(max_running=-1), "max_running=-1", "use a number from 1"),
    "no lease": (built(lease_seconds=0.0), "lease_seconds=0.0", "use 0.2 to"),
    "a negative drain": (built(drain_seconds=-1.0), "drain_seconds=-1.0", "use 0 or more"),
    "no payload": (built(payload_limit_bytes=10), "payload_limit_bytes=10", "use at least"),
}


async def body(run: Run) -> None: ...


async def body_of_one(run: Run, order: Order) -> None: ...


async def body_of_two(run: Run, order: Order, more: int) -> None: ...


async def body_without_run(order: Order) -> None: ...


def plain_body(run: Run) -> None: ...


def a_saga(function: Any = body, name: Any = "s", version: Any = 1) -> Make:
    return lambda: Saga(name, version=version, function=function)


def two_sagas() -> object:
    return Coordinator("memory://", sagas=[Saga("s", version=2, function=body) for _ in range(2)])


SAGAS: dict[str, tuple[Make, str, str]] = {
    "name": (a_saga(name="a b"), "saga name 'a b'", "letters"),
    "kept prefix": (a_saga(name="invoke:x"), "saga name 'invoke:x'", "is kept for single actions"),
    "version of nothing": (a_saga(version=0), "saga s: version=0", "use a whole number from 1"),
    "version as text": (a_saga(version="1"), "version='1'", "use a whole number from 1"),
    "version as truth": (a_saga(version=True), "version=True", "use a whole number from 1"),
    "plain function": (a_saga(plain_body), "saga s", "write 'async def'"),
    "two inputs": (a_saga(body_of_two), "saga s", "takes 'run: Run' and then at most one input"),
    "no run": (a_saga(body_without_run), "saga s", "takes 'run: Run'"),
    "no function": (a_saga(7), "saga s", "is not a function"),
    "decorated twice": (lambda: saga("s")(Saga("s", version=1, function=body)), "saga s", "is not a function"),  # type: ignore[call-overload]
    "two of one version": (two_sagas, "two sagas are called 's' version 2", ""),
    "a function": (built(sagas=[body]), "is not a Saga", "decorate it with @saga(...)"),
}


@pytest.mark.parametrize(("make", "thing", "fix"), [*ACTIONS.values(), *SAGAS.values()], ids=[*ACTIONS, *SAGAS])
def test_a_wrong_definition_is_named_with_its_fix(make: Make, thing: str, fix: str) -> None:
    """The message says which thing is wrong, and how to mend it."""
    with pytest.raises(DefinitionError) as refusal:
        make()
    assert thing in str(refusal.value)
    assert fix in str(refusal.value)
    assert isinstance(refusal.value, TypeError)


class Users:
    """Handlers that are methods of an object with a client."""

    async def create(self, order: Order, call: Call) -> str:
        return order.sku

    def delete(self, order: Order, sku: str | None, *, call: Call) -> None: ...

    async def __call__(self, order: Order) -> str:
        return order.sku


async def with_partial(prefix: str, order: Order) -> str:
    return prefix + order.sku


GOOD: dict[str, Make] = {
    "methods": lambda: Action("buy", do=Users().create, undo=Users().delete),
    "callable object": lambda: Action("buy", do=Users(), irreversible=True),
    "partial": lambda: Action("buy", do=partial(with_partial, "x"), irreversible=True),
    "longest name": lambda: Action("a" * 128, do=good, irreversible=True),
    "every character": lambda: Action("aZ9_.:-", do=good, irreversible=True),
    "no limit": lambda: Action("buy", do=good, undo=undo_good, timeout=None),
    "probe bears the output": lambda: Action("buy", do=good, undo=undo_needs_output, probe=probe),
}


async def probe(order: Order) -> str | None:
    return None


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_a_right_definition_is_taken(make: Make) -> None:
    """Whatever form its handlers have."""
    Coordinator("memory://", actions=[make()], sagas=[Saga("s", version=1, function=body_of_one)])  # type: ignore[list-item]


def test_an_action_outside_a_run_is_its_handler() -> None:
    """It can be called in a unit test, like the function that it is."""

    @action("buy", irreversible=True)
    def buy(order: Order) -> str:
        return order.sku

    assert buy.do(Order(sku="a")) == "a"


def test_an_undo_by_decorator_is_still_a_function() -> None:
    """Also with keywords of its own."""
    buy: Action[Order, str] = Action("buy", do=good)
    assert buy.undo(stop=stop_after_attempt(2))(undo_good) is undo_good
    assert repr(buy) == "<Action buy>"


@pytest.mark.parametrize("version", [2, 1])
def test_versions_of_a_saga_stand_side_by_side(version: int) -> None:
    """Two of one name are no conflict if their versions differ."""
    Coordinator("memory://", sagas=[Saga("s", version=version, function=body), Saga("s", version=3, function=body)])


URLS = [
    "",
    "memory",
    "memory://x",
    "mysql://root:pw@h/db",
    "sqlite://x.db",
    "sqlite:///:memory:",
    "sqlite:///x?mode=ro",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_of_no_known_form_is_refused(url: str) -> None:
    """The message says which forms there are, and does not repeat a password."""
    with pytest.raises(InvalidName, match="URL") as refusal:
        Coordinator(url)
    assert "pw" not in str(refusal.value)
