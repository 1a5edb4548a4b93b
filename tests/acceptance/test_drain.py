"""A worker that is asked to go."""

import asyncio
import signal
import time
from pathlib import Path

from amends.saga import events as e
from tests.acceptance.scenes import scene
from tests.campaign.trips import Leg

DRAIN_SECONDS = 1.0


def test_short_attempts_are_recorded_and_long_ones_released(shared_log_url: str, tmp_path: Path) -> None:
    """SIGTERM: exit code 0 when the grace is over, and what is left is taken at once, long before the lease lapses."""

    async def story() -> None:
        async with scene(shared_log_url, tmp_path, lease_seconds=60.0, drain_seconds=DRAIN_SECONDS) as on:
            first = await on.hire()
            short, long = Leg(hold_seconds=0.4), Leg(hold_seconds=60)
            await on.client.start("invoke:book", short.model_dump(), run_id="short", here=False)
            await on.client.start("invoke:book", long.model_dump(), run_id="long", here=False)
            await on.until(lambda: all(on.entries(run_id) for run_id in ("short", "long")))
            second = await on.hire()
            began = time.monotonic()
            first.signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.exit_code) == 0
            assert time.monotonic() - began < DRAIN_SECONDS + 2
            await on.at_rest("short", "long", seconds=5)
            on.audit("short", "long", gone=[first])
            assert [done.attempt for done in on.of("short", e.ActionSucceeded)] == [1]
            assert [entry.worker for entry in on.entries("short")] == [on.worker(first)]
            assert [entry.worker for entry in on.entries("long")] == [on.worker(first), on.worker(second)]
            assert [(claim.worker, claim.lapsed) for claim in on.of("long", e.RunClaimed)] == [
                (on.worker(first), False),
                (on.worker(second), False),
            ]

    asyncio.run(story())


def test_a_worker_with_nothing_to_do_goes_at_once(shared_log_url: str, tmp_path: Path) -> None:
    """The grace is only for attempts that are under way."""

    async def story() -> None:
        async with scene(shared_log_url, tmp_path, lease_seconds=60.0, drain_seconds=60.0) as on:
            hand = await on.hire()
            hand.signal(signal.SIGTERM)
            assert await asyncio.to_thread(hand.exit_code, 5) == 0
            assert on.complaints == ""

    asyncio.run(story())
