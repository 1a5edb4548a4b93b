"""Run ids and tags: what is allowed is kept as it is, what is odd is refused at every door."""

import asyncio
from typing import Any

import pytest

from amends import InvalidName, Run, UnknownName
from tests.integration.test_starting import greeting
from tests.worlds import World, boom


def test_an_id_that_is_not_given_is_made(log_url: str) -> None:
    """Ids of later runs sort after those of earlier ones, and none is made twice."""
    world = World()
    greet = greeting(world)

    async def scenario() -> None:
        async with world.coordinator(log_url, greet) as coordinator:
            handles = [await coordinator.start(greet, "ada") for _ in range(20)]
            assert len({handle.run_id for handle in handles}) == 20
            stamps = [handle.run_id[:12] for handle in handles]
            assert stamps == sorted(stamps)
            await asyncio.gather(*(world.rest(handle) for handle in handles))

    asyncio.run(scenario())


BAD_RUN_IDS = ["", " ", "a b", "-a", ".a", "a" * 201, "é", "a\n", "a\x00", "a/../\\b", "\ud800", "a;b", "a'b", 7, b"a"]


@pytest.mark.parametrize("run_id", BAD_RUN_IDS, ids=ascii)
def test_an_odd_run_id_is_refused(run_id: Any) -> None:
    """At every door, before anything is recorded."""
    world = World()
    greet = greeting(world)

    async def scenario() -> None:
        async with world.coordinator("memory://", greet) as coordinator:
            for start in (coordinator.start, coordinator.run):
                with pytest.raises(InvalidName, match="run_id"):
                    await start(greet, "ada", run_id=run_id)
            with pytest.raises(InvalidName, match="run_id"):
                coordinator.handle(run_id)

    asyncio.run(scenario())


@pytest.mark.parametrize("run_id", ["a", "A1_.:@/+-z", "signup:ada@example.com", "9" * 200, "token:abcdefgh12345678"])
def test_an_allowed_run_id_is_kept_as_it_is(log_url: str, run_id: str) -> None:
    """It is never changed on the way, redacted least of all."""
    world = World()
    bad = world.action("bad", do=boom("password=hunter2"))

    async def body(run: Run) -> None:
        await run.do(bad, "x")

    ran = asyncio.run(world.run(log_url, body, run_id))
    assert ran.error is not None
    assert ran.error.run_id == run_id
    assert run_id in str(ran.error)


BAD_TAGS: list[dict[Any, Any]] = [
    {"": "x"},
    {"1a": "x"},
    {"a b": "x"},
    {"a" * 65: "x"},
    {"a": "x" * 201},
    {"a": "line\nbreak"},
    {"a": "\x00"},
    {"a": "\ud800"},
    {"a": 1},
    {1: "a"},
]


@pytest.mark.parametrize("tags", BAD_TAGS, ids=ascii)
def test_an_odd_tag_is_refused(tags: dict[str, str]) -> None:
    """Its name is in the error, and no run begins."""
    world = World()
    greet = greeting(world)

    async def scenario() -> None:
        async with world.coordinator("memory://", greet) as coordinator:
            with pytest.raises(InvalidName, match="tag"):
                await coordinator.start(greet, "ada", run_id="run", tags=tags)
            with pytest.raises(UnknownName):
                await coordinator.handle("run").status()

    asyncio.run(scenario())
