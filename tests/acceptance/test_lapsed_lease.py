"""A worker that cannot renew its lease while all else goes on: another session holds its row."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from amends.saga import events as e
from tests.acceptance.scenes import Scene, scene
from tests.campaign.trips import Trip

LEASE_SECONDS = 1.0
STEPS = 150


@asynccontextmanager
async def held_lease(url: str, worker: str | None) -> AsyncIterator[float]:
    """Hold a worker's lease as it is; yields when it began (seconds of wall time)."""
    connection = await psycopg.AsyncConnection.connect(url)
    async with connection:
        await connection.execute(b"SELECT 1 FROM amends_workers WHERE worker = %s FOR UPDATE", [worker])
        yield time.time()


def entered_after(on: Scene, seconds: float) -> list[int]:
    """The attempts that were entered after a point in time."""
    return [line.attempt for line in on.entries("march") if line.at_ns / 1e9 > seconds]


async def until_lapsed(on: Scene, held_at: float) -> None:
    """Wait until the lease cannot hold any more, and a good while longer."""
    await on.until(lambda: time.time() > held_at + 3 * LEASE_SECONDS)


def test_no_handler_is_entered_when_the_lease_may_have_lapsed(postgres_url: str, tmp_path: Path) -> None:
    """Appends go through all the while; it stops by itself, and goes on when it can renew again."""

    async def story() -> None:
        async with scene(postgres_url, tmp_path, lease_seconds=LEASE_SECONDS) as on:
            hand = await on.hire()
            await on.client.start("march", Trip(steps=STEPS), run_id="march", here=False)
            await on.until(lambda: len(on.entries("march")) > 5)
            async with held_lease(postgres_url, on.worker(hand)) as held_at:
                await until_lapsed(on, held_at)
                assert entered_after(on, held_at + LEASE_SECONDS) == []
                assert len(on.entries("march")) < STEPS
            await on.at_rest("march")
            assert on.of("march", e.RunCompleted)
            assert len(on.entries("march")) == STEPS
            on.audit("march")

    asyncio.run(story())


def test_runs_that_others_took_meanwhile_are_let_go_of(postgres_url: str, tmp_path: Path) -> None:
    """The other one finishes them; when it can renew again, the first enters nothing of them."""

    async def story() -> None:
        async with scene(postgres_url, tmp_path, lease_seconds=LEASE_SECONDS) as on:
            first = await on.hire()
            await on.client.start("march", Trip(steps=STEPS), run_id="march", here=False)
            await on.until(lambda: len(on.entries("march")) > 5)
            async with held_lease(postgres_url, on.worker(first)) as held_at:
                second = await on.hire()
                await on.until(lambda: len(on.of("march", e.RunClaimed)) == 2)
            await on.at_rest("march")
            assert on.of("march", e.RunCompleted)
            assert [claim.worker for claim in on.of("march", e.RunClaimed)] == [on.worker(first), on.worker(second)]
            late = [line for line in on.entries("march") if line.at_ns / 1e9 > held_at + LEASE_SECONDS]
            assert {line.worker for line in late} == {on.worker(second)}
            assert first.is_alive
            on.audit("march")

    asyncio.run(story())
