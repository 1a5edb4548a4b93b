"""Limits of sagas: so many runs at once over all workers, and so many of each value of a tag; the others wait."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tenacity import stop_after_attempt

from amends import Coordinator, DefinitionError, InvalidName, Run, RunStatus, Saga, saga
from amends.saga import events as e
from tests.integration.rows import connected
from tests.integration.test_enlisting import commit
from tests.integration.test_locks import until_let_go
from tests.worlds import ONCE, World, after, boom, until


def limited(
    world: World, go_on: asyncio.Event | None = None, *, concurrency: int | None = None, tag: int | None = None
) -> Saga[Any, Any]:
    """A saga of one step, with limits."""
    a = world.action("a", do=after(go_on) if go_on else None)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    per_tag = None if tag is None else {"tenant": tag}
    return Saga("limited", version=1, function=body, concurrency=concurrency, concurrency_per_tag=per_tag)


def tenant(name: str | None) -> Mapping[str, str] | None:
    """Return the tags of a run."""
    return None if name is None else {"tenant": name}


async def until_entered(world: World, count: int) -> None:
    """Return when so many handlers were entered."""
    async with asyncio.timeout(20):
        while len(world.entries) < count:
            world.entered.clear()
            await world.entered.wait()


@pytest.mark.parametrize("here", [True, False])
def test_no_more_runs_are_under_way_than_the_saga_allows(log_url: str, here: bool) -> None:
    """The others are nobody's, and go on in the order in which they were started."""
    world, go_on = World(), asyncio.Event()
    saga = limited(world, go_on, concurrency=2)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga, max_running=3) as coordinator:
            handles = [await coordinator.start(saga, run_id=f"run-{number}", here=here) for number in range(6)]
            await until_entered(world, 2)
            await until_let_go("run-5", coordinator)
            assert coordinator._hosting is not None
            assert await coordinator._log.owned(coordinator._hosting.worker) == {"run-0", "run-1"}
            go_on.set()
            ran = [await world.rest(handle) for handle in handles]
            assert {each.status for each in ran} == {RunStatus.COMPLETED}
            assert all([event.name for event in each.all_of(e.SlotTaken)] == ["saga limited"] for each in ran)

    asyncio.run(scenario())
    assert {entry.run_id for entry in world.entries[:2]} == {"run-0", "run-1"}
    assert len(world.entries) == 6


def test_one_tenant_does_not_stand_in_the_way_of_others(log_url: str) -> None:
    """However many of its runs wait; and a run without the tag is not held up by it."""
    world, go_on = World(), asyncio.Event()
    saga = limited(world, go_on, concurrency=3, tag=1)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            tenants = ["big", "big", "big", "big", "small", None, "tiny"]
            handles = [
                await coordinator.start(saga, run_id=f"run-{number}", tags=tenant(name))
                for number, name in enumerate(tenants)
            ]
            await until_entered(world, 3)
            assert {entry.run_id for entry in world.entries} == {"run-0", "run-4", "run-5"}
            go_on.set()
            ran = [await world.rest(handle) for handle in handles]
            assert {each.status for each in ran} == {RunStatus.COMPLETED}
            assert [event.name for event in ran[1].all_of(e.SlotTaken)] == ["saga limited tenant=big", "saga limited"]
            assert [event.name for event in ran[5].all_of(e.SlotTaken)] == ["saga limited"]

    asyncio.run(scenario())


def test_a_run_over_two_processes_counts_once(shared_log_url: str) -> None:
    """And whoever starts the run need not be the one that it is left to."""
    world, go_on = World(), asyncio.Event()
    saga = limited(world, go_on, concurrency=1)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as one, world.coordinator(shared_log_url, saga) as other:
            first = await one.start(saga, run_id="first")
            await until(first, e.ActionStarted)
            second = await other.start(saga, run_id="second")
            third = await one.start(saga, run_id="third")
            await until_let_go("second", one, other)
            await until_let_go("third", one, other)
            assert len(world.entries) == 1
            go_on.set()
            for handle in (first, second, third):
                assert (await world.rest(handle)).status is RunStatus.COMPLETED

    asyncio.run(scenario())
    assert [entry.run_id for entry in world.entries] == ["first", "second", "third"]


def test_a_run_that_is_parked_is_not_counted(log_url: str) -> None:
    """And when a person sets it going again, it does not wait: others may wait for what it has locked."""
    world, go_on = World(), asyncio.Event()
    a = world.action("a", undo=[boom(), None], undo_stop=stop_after_attempt(1))
    b, c = world.action("b", do=boom(), **ONCE), world.action("c", do=after(go_on))

    async def body(run: Run) -> None:
        if run.run_id == "second":
            await run.do(c, "x")
            return
        await run.do(a, "x")
        await run.do(b, "x")

    saga: Saga[Any, Any] = Saga("limited", version=1, function=body, concurrency=1)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            first = await coordinator.start(saga, run_id="first")
            assert (await world.rest(first)).status is RunStatus.PARKED
            second = await coordinator.start(saga, run_id="second")
            await until(second, e.ActionStarted)
            await first.retry(by="ada", reason="mended")
            assert (await world.rest(first)).status is RunStatus.COMPENSATED
            go_on.set()
            assert (await world.rest(second)).status is RunStatus.COMPLETED

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["cancelled", "its deadline", "abandoned"])
def test_a_run_that_waits_can_be_ended(log_url: str, how: str) -> None:
    """Nothing was done, so there is nothing to undo; the next one does not wait for it."""
    world, go_on = World(), asyncio.Event()
    saga = limited(world, go_on, concurrency=1)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            first = await coordinator.start(saga, run_id="first")
            await until(first, e.ActionStarted)
            deadline = 1.2 if how == "its deadline" else None
            second = await coordinator.start(saga, run_id="second", deadline_seconds=deadline)
            third = await coordinator.start(saga, run_id="third")
            await until_let_go("second", coordinator)
            if how == "cancelled":
                await second.cancel(by="ada", reason="enough")
            elif how == "abandoned":
                await second.abandon(by="ada", reason="enough")
            ran = await world.rest(second)
            assert ran.status is (RunStatus.ABANDONED if how == "abandoned" else RunStatus.COMPENSATED)
            go_on.set()
            await world.rest(first)
            assert (await world.rest(third)).status is RunStatus.COMPLETED

    asyncio.run(scenario())
    assert [entry.run_id for entry in world.entries] == ["first", "third"]


def test_a_step_that_is_a_run_is_not_held_up(log_url: str) -> None:
    """It could wait for the very run of which it is a step."""
    world = World()

    async def body(run: Run, depth: int) -> None:
        if depth:
            await run.saga(nested, depth - 1)

    nested: Saga[Any, Any] = Saga("nested", version=1, function=body, concurrency=1)

    async def scenario() -> None:
        async with world.coordinator(log_url, nested) as coordinator:
            assert (await world.rest(await coordinator.start(nested, 3, run_id="run"))).status is RunStatus.COMPLETED

    asyncio.run(scenario())


def test_a_limit_that_is_changed_holds_for_the_runs_that_start_then(shared_log_url: str) -> None:
    """And one that is new holds for none that was started before."""
    world, go_on = World(), asyncio.Event()
    free = limited(world, go_on)
    narrow: Saga[Any, Any] = Saga("limited", version=1, function=free.function, concurrency=1)

    async def scenario() -> None:
        async with Coordinator(shared_log_url, sagas=[free], actions=world.actions, drain_seconds=0) as before:
            for number in range(2):
                await until(await before.start(free, run_id=f"old-{number}"), e.ActionStarted)
        async with Coordinator(shared_log_url, sagas=[narrow], actions=world.actions) as after_it:
            await until_entered(world, 4)
            handles = [await after_it.start(narrow, run_id=f"new-{number}") for number in range(2)]
            await until(handles[0], e.ActionStarted)
            await until_let_go("new-1", after_it)
            go_on.set()
            for run_id in ("old-0", "old-1", "new-0", "new-1"):
                assert (await world.rest(after_it.handle(run_id))).status is RunStatus.COMPLETED

    asyncio.run(scenario())


def test_a_start_in_a_transaction_of_the_caller_s_waits_as_well(shared_log_url: str) -> None:
    """It is in the log before anybody has asked for its limit, so whoever claims it first does."""
    world, go_on = World(), asyncio.Event()
    saga = limited(world, go_on, concurrency=1)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as coordinator, connected(shared_log_url) as connection:
            for number in range(3):
                await coordinator.start(saga, run_id=f"run-{number}", connection=connection)
                await commit(connection)
            await until_entered(world, 1)
            handles = [coordinator.handle(f"run-{number}") for number in range(3)]
            for handle in handles:
                await until(handle, e.RunClaimed)
            assert len(world.entries) == 1
            go_on.set()
            ran = [await world.rest(handle) for handle in handles]
            assert {each.status for each in ran} == {RunStatus.COMPLETED}
            assert all([event.name for event in each.all_of(e.SlotTaken)] == ["saga limited"] for each in ran)

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", 10**7])
def test_a_limit_of_another_form_is_refused(count: Any) -> None:
    """With the saga's name and the keyword."""

    async def body(run: Run) -> None:
        pass

    with pytest.raises(DefinitionError, match=r"saga limited: concurrency="):
        saga("limited", concurrency=count)(body)
    with pytest.raises(DefinitionError, match=r"saga limited: concurrency_per_tag\['tenant'\]="):
        saga("limited", concurrency_per_tag={"tenant": count})(body)
    with pytest.raises(InvalidName, match="tag name"):
        saga("limited", concurrency_per_tag={"no name": 1})(body)
