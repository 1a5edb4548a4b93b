"""A run whose COMMIT replies are lost, one after the other: it ends as if nothing had happened."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from amends import ActionError, Coordinator, Run, RunStatus
from tests.proxy import LostReplies
from tests.reporting import counted
from tests.worlds import Ran, World, a_saga, boom


def straight(world: World) -> Callable[[Run], Awaitable[object]]:
    """Two steps, the first of which fails once."""
    a, b = world.action("a", do=[boom()]), world.action("b")

    async def body(run: Run) -> str:
        return await run.do(a, "x") + await run.do(b, "y")

    return body


def branched(world: World) -> Callable[[Run], Awaitable[object]]:
    """Branches of two steps, and a step that fails and is caught."""
    a, bad = world.action("a"), world.action("bad", do=boom())

    async def branch(run: Run) -> str:
        return await run.do(a, "x") + await run.do(a, "y")

    async def body(run: Run) -> str:
        with contextlib.suppress(ActionError):
            await run.do(bad, "z")
        return "".join(await run.all(branch(run), branch(run)))

    return body


def unwound(world: World) -> Callable[[Run], Awaitable[object]]:
    """Three steps that are undone, one undo failing once."""
    a, b, bad = world.action("a"), world.action("b", undo=[boom()]), world.action("bad", do=boom())

    async def body(run: Run) -> None:
        await run.all(run.do(a, "x"), run.do(b, "y"))
        await run.do(a, "z")
        await run.do(bad, "x")

    return body


SHAPES = {"straight": straight, "branched": branched, "unwound": unwound}


async def _run(url: str, shape: str, run_id: str) -> tuple[Ran, World]:
    world = World()
    body = SHAPES[shape](world)
    saga = a_saga(body)
    async with world.coordinator(url, saga) as coordinator:
        return await world.rest(await coordinator.start(saga, run_id=run_id)), world


@pytest.mark.parametrize("shape", SHAPES)
def test_a_lost_reply_changes_nothing(postgres_url: str, shape: str) -> None:
    """The reply to each append in turn: the same events, each handler entered once for each started event."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy:
            reference, world = await _run(proxy.url, shape, "reference")
            appends = proxy.call_count
            assert appends > 4
            for nth in range(1, appends + 1):
                before = proxy.dropped_count
                proxy.drop(nth)
                ran, again = await _run(proxy.url, shape, f"lost-{nth}")
                counted["lost-reply cases"] += proxy.dropped_count - before
                assert proxy.dropped_count == before + 1
                assert sorted(ran.trail) == sorted(reference.trail)
                assert (ran.status, ran.output) == (reference.status, reference.output)
                assert sorted(again.entered_steps()) == sorted(world.entered_steps())
                assert {step for _, step in again.effects} == {step for _, step in world.effects}

    asyncio.run(scenario())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_reply_can_be_lost_once(postgres_url: str, shape: str) -> None:
    """All of one run's appends lose their first reply."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy:
            for nth in range(1, 60, 2):
                proxy.drop(nth)
            ran, world = await _run(proxy.url, shape, "run")
            counted["lost-reply cases"] += proxy.dropped_count
            assert proxy.dropped_count > 4
            assert ran.status in (RunStatus.COMPLETED, RunStatus.COMPENSATED)
            assert bool(world.effects) is (ran.status is RunStatus.COMPLETED)

    asyncio.run(scenario())


def test_sixteen_starts_of_one_id_survive_a_lost_reply(postgres_url: str) -> None:
    """The winner's own write is no conflict, and everybody gets its result."""

    async def start(coordinator: Coordinator) -> str:
        return str(await (await coordinator.start("a-saga", run_id="run")).result())

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy:
            world = World()
            saga = a_saga(straight(world))
            async with world.coordinator(proxy.url, saga) as one, world.coordinator(proxy.url, saga) as two:
                proxy.drop(1)
                proxy.drop(2)
                assert await asyncio.gather(*(start(it) for it in (one, two) * 8)) == ["XY"] * 16
                await world.rest(one.handle("run"))
                counted["lost-reply cases"] += proxy.dropped_count
                assert sorted(world.entered_steps()) == ["1", "1", "2"]

    asyncio.run(scenario())
