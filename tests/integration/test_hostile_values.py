"""Values that break JSON, logs or parsers: an exact round trip, or a refusal that names the field. Never a hang."""

import asyncio
import math
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from tenacity import wait_none

from amends import Action, Coordinator, InvalidValue, Run, RunFailed, RunStatus, Saga, UnknownName, ValueTooLarge
from amends.saga import events as e
from tests.checker import check_history
from tests.worlds import World, boom

LIMIT_BYTES = 1 << 20


def deep(levels: int) -> list[Any]:
    """Return lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def endless() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


class Card(BaseModel):
    number: SecretStr


EXACT: dict[str, Any] = {
    "transcoder": {"_type_": "x", "_data_": 1},
    "transcoder-nested": [{"_type_": "tuple_as_list", "_data_": [1, 2]}],
    "nul": "a\x00b",
    "nul-key": {"\x00": 1},
    "controls": "\x01\x1f\x7f\u2028\u2029\ufeff",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "big": 2**80,
    "negative-big": -(2**80),
    "minus-zero": -0.0,
    "smallest": 5e-324,
    "largest": 1.7976931348623157e308,
    "long-fraction": 0.1 + 0.2,
    "empty": {"": [], "x": {}},
    "quotes": "\"\\'\n\r\t</script>",
    "sql": "'; DROP TABLE stored_events; --",
    "deep-100": deep(100),
    "half-a-megabyte": "x" * (LIMIT_BYTES // 2),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "lone-surrogate": ({"name": "a\ud800b"}, "value.name"),
    "surrogate-key": ({"\udfff": 1}, "value"),
    "nan": ([1.0, math.nan], "value.1"),
    "inf": ({"a": {"b": math.inf}}, "value.a.b"),
    "tuple": ({"pair": (1, 2)}, "value.pair"),
    "int-keys": ({1: "a"}, "value"),
    "set": ({"tags": {1}}, "value.tags"),
    "bytes": (b"\xff", "value"),
    "deep-10000": (deep(10_000), "value"),
    "deep-250": (deep(250), "value"),
    "endless": (endless(), "value"),
    "secret": (SecretStr("hunter2"), "value"),
    "object": (object(), "value"),
    "function": (print, "value"),
    "one-byte-too-many": ("x" * LIMIT_BYTES, ""),
    "megabyte-key": ({"x" * LIMIT_BYTES: 1}, ""),
}
exact = pytest.mark.parametrize("value", EXACT.values(), ids=EXACT.keys())
refused = pytest.mark.parametrize(("value", "field"), REFUSED.values(), ids=REFUSED.keys())


class Anything:
    """One saga of one action, both of which take and return anything; noting what they got."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.undone: list[Any] = []
        self.returns: Any = "same"
        self.before: Action[str, str] = World().action("before")
        self.action: Action[Any, Any] = Action("any", do=self.do, undo=self.undo, wait=wait_none())
        self.saga: Saga[Any, Any] = Saga("any", version=1, function=self.body)
        self.asks: Any = "same"

    async def do(self, value: Any) -> Any:
        self.got.append(value)
        return value if self.returns == "same" else self.returns

    async def undo(self, value: Any, output: Any) -> None:
        self.undone.append((value, output))

    async def body(self, run: Run, value: Any) -> Any:
        await run.do(self.before, "x")
        return await run.do(self.action, value if self.asks == "same" else self.asks)

    def coordinator(self, url: str) -> Coordinator:
        return Coordinator(url, sagas=[self.saga], actions=[self.action, self.before])


def same(one: object, other: object) -> bool:
    """Whether two values are equal and of one type, all the way down; -0.0 is not 0.0."""
    return repr(one) == repr(other) and type(one) is type(other)


async def _there_and_back(coordinator: Coordinator, anything: Anything, value: Any, run_id: str) -> None:
    handle = await coordinator.start(anything.saga, value, run_id=run_id)
    assert same(await handle.result(), value)
    assert same(await coordinator.handle(run_id).result(), value)
    assert same(await coordinator.run(anything.saga, value, run_id=run_id), value)
    assert check_history(await handle.history()) == []
    assert same(anything.got[-1], value)


@exact
def test_a_value_comes_back_as_it_went_in(value: Any) -> None:
    """As the input and the output of a saga and of an action."""
    anything = Anything()

    async def scenario() -> None:
        async with anything.coordinator("memory://") as coordinator:
            await _there_and_back(coordinator, anything, value, "run")

    asyncio.run(scenario())
    assert len(anything.got) == 1


def test_every_value_comes_back_from_a_database(shared_log_url: str) -> None:
    """Also when it is opened anew."""
    anything = Anything()

    async def scenario() -> None:
        async with anything.coordinator(shared_log_url) as coordinator:
            for name, value in EXACT.items():
                await _there_and_back(coordinator, anything, value, name)
        async with anything.coordinator(shared_log_url) as again:
            for name, value in EXACT.items():
                assert same(await again.run(anything.saga, value, run_id=name), value)

    asyncio.run(scenario())
    assert len(anything.got) == len(EXACT)


def test_every_refused_value_leaves_a_database_as_it_was(shared_log_url: str) -> None:
    """As an input nothing is recorded; as an output the run is undone and can be read; the next run is not touched."""
    anything = Anything()

    async def scenario() -> None:
        async with anything.coordinator(shared_log_url) as coordinator:
            for name, (value, _) in REFUSED.items():
                with pytest.raises(InvalidValue):
                    await coordinator.start(anything.saga, value, run_id=name)
                with pytest.raises(UnknownName):
                    await coordinator.handle(name).status()
                anything.returns = value
                with pytest.raises(RunFailed, match="output"):
                    await coordinator.run(anything.saga, "x", run_id=name)
                assert check_history(await coordinator.handle(name).history()) == []
                anything.returns = "same"
            assert await coordinator.run(anything.saga, "fine", run_id="fine") == "fine"

    asyncio.run(scenario())


@refused
def test_a_run_with_such_an_input_does_not_begin(value: Any, field: str) -> None:
    """The error names the field; there is no run, and the id can be used."""
    anything = Anything()

    async def scenario() -> None:
        async with anything.coordinator("memory://") as coordinator:
            with pytest.raises(InvalidValue) as refusal:
                await coordinator.start(anything.saga, value, run_id="run")
            assert refusal.value.field.startswith(f"input{field.removeprefix('value')}")
            with pytest.raises(UnknownName):
                await coordinator.handle("run").status()
            assert await coordinator.run(anything.saga, "fine", run_id="run") == "fine"

    asyncio.run(scenario())


@refused
def test_a_step_with_such_an_input_does_not_begin(value: Any, field: str) -> None:
    """The saga gets the error, with the step and the field in it; the steps before are undone."""
    anything = Anything()
    anything.asks = value

    async def scenario() -> None:
        async with anything.coordinator("memory://") as coordinator:
            handle = await coordinator.start(anything.saga, "x", run_id="run")
            with pytest.raises(RunFailed, match=r"step 2 \(any\) input") as failed:
                await handle.result()
            assert field.removeprefix("value") in failed.value.reason
            assert failed.value.status is RunStatus.COMPENSATED
            assert check_history(await handle.history()) == []

    asyncio.run(scenario())
    assert anything.got == []


@refused
def test_a_step_with_such_an_output_is_unknown_and_undone(value: Any, field: str) -> None:
    """It has been done, but its result cannot be recorded: not retried, and its undo gets None."""
    anything = Anything()
    anything.returns = value

    async def scenario() -> None:
        async with anything.coordinator("memory://") as coordinator:
            handle = await coordinator.start(anything.saga, "x", run_id="run")
            with pytest.raises(RunFailed, match="output") as failed:
                await handle.result()
            assert field.removeprefix("value") in failed.value.reason
            assert failed.value.status is RunStatus.COMPENSATED
            history = await handle.history()
            assert check_history(history) == []
            [unknown] = [event for event in history if isinstance(event, e.ActionUnknown)]
            assert unknown.why is e.UnknownWhy.UNSTORABLE

    asyncio.run(scenario())
    assert anything.got == ["x"]
    assert anything.undone == [("x", None)]


@refused
def test_a_saga_with_such_an_output_is_undone(value: Any, field: str) -> None:
    """The run is not stuck: it says why it has no result."""
    anything = Anything()

    async def body(run: Run) -> Any:
        await run.do(anything.action, "x")
        return value

    saga: Saga[None, Any] = Saga("odd", version=1, function=body)

    async def scenario() -> None:
        async with Coordinator("memory://", sagas=[saga], actions=[anything.action]) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            with pytest.raises(RunFailed, match="output") as failed:
                await handle.result()
            assert failed.value.status is RunStatus.COMPENSATED
            assert check_history(await handle.history()) == []

    asyncio.run(scenario())


TEXTS = {
    "nul": "a\x00b",
    "lone-surrogate": "a\ud800b",
    "long": "x" * (LIMIT_BYTES + 1),
    "controls": "\x01\x1b[31m\r\n",
    "transcoder": '{"_type_": "x", "_data_": 1}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_an_error_may_say_anything(log_url: str, text: str) -> None:
    """Its text is recorded, cut and escaped; the run is undone and can be read."""
    world = World()
    a, bad = world.action("a", undo=[boom(text)]), world.action("bad", do=boom(text))

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(bad, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    messages = [event.error.message for event in ran.all_of(e.ActionFailed, e.CompensationFailed, e.RunFailing)]
    assert all(len(message) < 2_100 for message in messages)
    assert len(messages) == 5
    if text == TEXTS["lone-surrogate"]:
        text = "a\\ud800b"
    assert all(message[:5] == text[:5] for message in messages)


def test_a_secret_field_is_refused_by_name() -> None:
    """Pydantic would store its stars and lose it."""
    anything = Anything()
    saga: Saga[Card, None] = Saga("pay", version=1, function=_pay)

    async def scenario() -> None:
        async with Coordinator("memory://", sagas=[saga], actions=[anything.action]) as coordinator:
            with pytest.raises(InvalidValue, match=r"input\.number") as refusal:
                await coordinator.start(saga, Card(number=SecretStr("4111")))
            assert "4111" not in str(refusal.value)

    asyncio.run(scenario())


async def _pay(run: Run, card: Card) -> None: ...


def test_the_limit_is_on_the_whole_event() -> None:
    """The largest input that fits, fits; one more byte does not, and the error says how much is allowed."""
    anything = Anything()

    async def scenario() -> None:
        async with anything.coordinator("memory://") as coordinator:
            with pytest.raises(ValueTooLarge) as refusal:
                await coordinator.start(anything.saga, "x" * LIMIT_BYTES, run_id="a")
            assert refusal.value.limit_bytes == LIMIT_BYTES
            over = refusal.value.size_bytes - LIMIT_BYTES
            with pytest.raises(ValueTooLarge):
                await coordinator.start(anything.saga, "x" * (LIMIT_BYTES - over + 1), run_id="a")
            handle = await coordinator.start(anything.saga, "x" * (LIMIT_BYTES - over), run_id="a")
            with pytest.raises(RunFailed, match=r"step 2 \(any\) input"):
                await handle.result()  # In a step's event there is less room, because it says more.

    asyncio.run(scenario())
