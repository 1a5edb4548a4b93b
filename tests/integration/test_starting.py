"""Starting runs: by object and by name, idempotent by run id, from many callers and many processes at once."""

import asyncio
import re
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel

from amends import (
    Call,
    Coordinator,
    CoordinatorClosed,
    InvalidValue,
    Run,
    RunConflict,
    RunFailed,
    RunStatus,
    Saga,
    UnknownName,
    action,
    saga,
)
from amends.clock import SystemClock
from amends.saga import events as e
from amends.saga.surroundings import Surroundings
from tests.checker import check_history
from tests.worlds import World, a_saga, boom

CALLERS = 16


class Order(BaseModel):
    sku: str
    count: int = 1


def greeting(world: World) -> Saga[str, str]:
    """Return a saga of one step that takes an input."""
    a = world.action("greet")

    async def greet(run: Run, name: str) -> str:
        return await run.do(a, name)

    return Saga("greet", version=1, function=greet)


def test_starting_one_id_sixteen_times_at_once_makes_one_run(log_url: str) -> None:
    """Equal handles, equal results, the handler entered once."""
    world = World()
    greet = greeting(world)

    async def scenario() -> None:
        async with world.coordinator(log_url, greet) as coordinator:
            starts = (coordinator.start(greet, "ada", run_id="run") for _ in range(CALLERS))
            handles = await asyncio.gather(*starts)
            assert len(set(handles)) == 1
            assert await asyncio.gather(*(handle.result() for handle in handles)) == ["ADA"] * CALLERS
            await world.rest(handles[0])

    asyncio.run(scenario())
    assert len(world.entries) == 1


def test_starting_one_id_from_four_processes_makes_one_run(shared_log_url: str) -> None:
    """One of them hosts it; the others see its result."""
    world = World()
    greet = greeting(world)

    async def start(coordinator: Coordinator) -> str:
        handle = await coordinator.start(greet, "ada", run_id="run")
        return await handle.result()

    async def scenario() -> None:
        async with (
            world.coordinator(shared_log_url, greet) as one,
            world.coordinator(shared_log_url, greet) as two,
            world.coordinator(shared_log_url, greet) as three,
            world.coordinator(shared_log_url, greet) as four,
        ):
            results = await asyncio.gather(*(start(one_of) for one_of in (one, two, three, four) * 4))
            assert results == ["ADA"] * CALLERS
            await world.rest(two.handle("run"))

    asyncio.run(scenario())
    assert len(world.entries) == 1


def test_starting_an_ended_run_again_returns_its_result(log_url: str) -> None:
    """No handler is entered and no event is added; a failed run fails again, in the same words."""
    world = World()
    good, bad = world.action("good"), world.action("bad", do=boom("no"))

    async def body(run: Run) -> str:
        return await run.do(bad if run.run_id == "bad" else good, "x")

    greet = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, greet) as coordinator:
            assert await coordinator.run(greet, run_id="good") == "X"
            with pytest.raises(RunFailed) as first:
                await coordinator.run(greet, run_id="bad")
            entered, history = len(world.entries), await coordinator.handle("bad").history()
            assert await coordinator.run(greet, run_id="good") == "X"
            with pytest.raises(RunFailed, match=re.escape(str(first.value))):
                await coordinator.run(greet, run_id="bad")
            assert len(world.entries) == entered
            assert await coordinator.handle("bad").history() == history

    asyncio.run(scenario())


@pytest.mark.parametrize("ended", [False, True])
def test_another_input_or_saga_under_a_taken_id_is_a_conflict(log_url: str, ended: bool) -> None:
    """Whether the run has ended or not; it goes on unharmed."""
    world, go_on = World(), asyncio.Event()

    async def wait(call: Call) -> None:
        await go_on.wait()

    a = world.action("a", do=wait)

    async def one(run: Run, name: str) -> str:
        return await run.do(a, name)

    async def two(run: Run, name: str) -> str:
        return name

    first: Saga[str, str] = Saga("first", version=1, function=one)
    second: Saga[str, str] = Saga("second", version=1, function=two)

    async def scenario() -> None:
        async with world.coordinator(log_url, first, second) as coordinator:
            handle: Any = await coordinator.start(first, "x", run_id="run")
            if ended:
                go_on.set()
                await handle.result()
            with pytest.raises(RunConflict, match="'run' exists with another input") as conflict:
                await coordinator.start(first, "y", run_id="run")
            assert (conflict.value.run_id, conflict.value.difference) == ("run", "input")
            with pytest.raises(RunConflict, match="another saga"):
                await coordinator.start(second, "x", run_id="run")
            with pytest.raises(RunConflict, match="another saga"):
                await coordinator.invoke(a, "x", run_id="run")
            go_on.set()
            assert (await world.rest(handle)).output == "X"

    asyncio.run(scenario())
    assert len(world.entries) == 1


def test_sixteen_conflicting_starts_have_one_winner(log_url: str) -> None:
    """Each other caller is told, none gets the winner's result as its own."""
    world = World()
    greet = greeting(world)

    async def scenario() -> None:
        async with world.coordinator(log_url, greet) as coordinator:
            starts = (coordinator.run(greet, f"n{index}", run_id="run") for index in range(CALLERS))
            results = await asyncio.gather(*starts, return_exceptions=True)
            assert sum(isinstance(result, RunConflict) for result in results) == CALLERS - 1
            await world.rest(coordinator.handle("run"))

    asyncio.run(scenario())
    assert len(world.entries) == 1


def test_the_same_input_in_other_words_is_the_same_input(log_url: str) -> None:
    """A dict in another order, and a field that is left to its default, make the same value."""
    world = World()
    a = world.action("a")

    async def body(run: Run, order: Order) -> str:
        return await run.do(a, order.sku)

    buy: Saga[Order, str] = Saga("buy", version=1, function=body)

    async def scenario() -> None:
        async with world.coordinator(log_url, buy) as coordinator:
            assert await coordinator.run(buy, Order(sku="a", count=1), run_id="run") == "A"
            handle = await coordinator.start("buy", {"count": 1, "sku": "a"}, run_id="run")
            assert await handle.result() == "A"
            assert await (await coordinator.start("buy", {"sku": "a"}, run_id="run")).result() == "A"

    asyncio.run(scenario())
    assert len(world.entries) == 1


@pytest.mark.parametrize(("one", "other"), [(True, 1), (1, 1.0), ({"vip": True}, {"vip": 1})])
def test_values_that_only_python_calls_equal_are_a_conflict(one: Any, other: Any) -> None:
    """JSON tells true from 1, and so does whoever started the run."""

    @saga("any")
    async def anything(run: Run, value: Any) -> str:
        return "done"

    async def scenario() -> None:
        async with Coordinator("memory://", sagas=[anything]) as coordinator:
            await coordinator.run(anything, one, run_id="run")
            with pytest.raises(RunConflict):
                await coordinator.run(anything, other, run_id="run")

    asyncio.run(scenario())


def test_an_action_can_be_invoked_by_name_with_a_dict(log_url: str) -> None:
    """As a run of its own: with an id, a history, and an undo when it fails."""
    got: list[Order] = []

    @action("buy", irreversible=True)
    async def buy(order: Order) -> str:
        got.append(order)
        return order.sku

    async def scenario() -> None:
        async with Coordinator(log_url, actions=[buy]) as coordinator:
            assert await coordinator.invoke("buy", {"sku": "a", "count": "3"}, run_id="run", tags={"t": "1"}) == "a"
            assert await coordinator.invoke(buy, Order(sku="a", count=3), run_id="run") == "a"
            history = await coordinator.handle("run").history()
            assert check_history(history) == []
            assert isinstance(history[0], e.RunStarted)
            assert (history[0].saga, history[0].tags) == ("invoke:buy", {"t": "1"})
            with pytest.raises(InvalidValue, match=r"input\.count"):
                await coordinator.invoke("buy", {"sku": "a", "count": "many"}, run_id="run-2")
            with pytest.raises(UnknownName, match=r"no action 'sell'; .*; known: buy"):
                await coordinator.invoke("sell", {})

    asyncio.run(scenario())
    assert got == [Order(sku="a", count=3)]


def test_a_saga_by_name_is_its_newest_version() -> None:
    """Both versions can be registered side by side; the object says which one is meant."""

    async def old(run: Run) -> int:
        return 1

    async def new(run: Run) -> int:
        return 2

    versions: list[Saga[None, int]] = [Saga("s", version=2, function=new), Saga("s", version=1, function=old)]

    async def scenario() -> None:
        async with Coordinator("memory://", sagas=versions) as coordinator:
            assert await (await coordinator.start("s")).result() == 2
            assert await coordinator.run(versions[1]) == 1
            with pytest.raises(UnknownName, match=r"no saga 'other'; .*; known: s"):
                await coordinator.start("other")

    asyncio.run(scenario())


def test_sagas_and_actions_may_take_nothing(log_url: str) -> None:
    """No input: no parameter, and none is asked for; an undo then takes the output alone."""
    undone: list[Any] = []

    @action("tick")
    async def tick() -> int:
        return 7

    @tick.undo
    async def untick(output: int | None) -> None:
        undone.append(output)

    @action("tock", irreversible=True)
    def tock(call: Call) -> str:
        return call.step

    @saga("clock")
    async def clock(run: Run) -> None:
        assert await run.do(tick) == 7
        assert await run.do(tock) == "2"
        raise RuntimeError("stop")

    async def scenario() -> None:
        async with Coordinator(log_url, sagas=[clock], actions=[tick, tock]) as coordinator:
            with pytest.raises(RunFailed) as failed:
                await coordinator.run(clock)
            assert failed.value.status is RunStatus.PARTIALLY_COMPENSATED
            assert await coordinator.invoke("tick") == 7
            with pytest.raises(InvalidValue):
                await coordinator.start("clock", "not asked for")

    asyncio.run(scenario())
    assert undone == [7]


def test_a_closed_coordinator_starts_nothing(log_url: str) -> None:
    """Neither before it is opened nor after it is closed; the runs under way are waited for."""
    world = World()
    greet = greeting(world)
    coordinator = Coordinator(log_url, sagas=[greet], actions=world.actions)

    async def scenario() -> None:
        with pytest.raises(CoordinatorClosed):
            await coordinator.start(greet, "ada")
        async with coordinator:
            handle = await coordinator.start(greet, "ada")
        assert len(world.effects) == 1
        with pytest.raises(CoordinatorClosed):
            await coordinator.start(greet, "ada")
        with pytest.raises(CoordinatorClosed):
            await handle.status()

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["completed", "abandoned"])
def test_a_start_that_is_repeated_in_the_same_instant_does_not_begin_a_run_that_is_over(log_url: str, how: str) -> None:
    """Not even by a clock that stands still: a start would else be the very bytes of the first, and pass for it."""
    world = World()
    greet = greeting(world)
    instant = SystemClock().now()

    class StandingClock:
        def now(self) -> datetime:
            return instant

    async def scenario() -> None:
        around = Surroundings(clock=StandingClock())
        async with world.coordinator(log_url, greet, surroundings=around) as coordinator:
            for _ in range(3):
                handle = await coordinator.start(greet, "ada", run_id="run")
                if how == "abandoned":
                    await handle.abandon(by="ada", reason="a test")
                    assert await handle.status() in (RunStatus.ABANDONED, RunStatus.COMPLETED)
                else:
                    assert await handle.result() == "ADA"
                assert coordinator._hosting is not None
                async with asyncio.timeout(20):
                    while coordinator._hosting.drivers:
                        await handle.history()
            assert check_history(await handle.history(), world.entries) == []

    asyncio.run(scenario())
    assert len(world.entries) <= 1


def test_no_more_runs_are_hosted_than_there_are_places() -> None:
    """A further start waits for a place instead of failing."""
    world, at_once, most = World(), 0, 0

    async def count(call: Call) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    a = world.action("a", do=count)

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    counting = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator("memory://", counting, max_running=3) as coordinator:
            assert await asyncio.gather(*(coordinator.run(counting) for _ in range(20))) == ["X"] * 20

    asyncio.run(scenario())
    assert 1 <= most <= 3
