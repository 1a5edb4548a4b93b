"""A run that kills every worker that takes it."""

import asyncio
from pathlib import Path

from amends.saga import events as e
from amends.saga.decisions import MAX_LAPSES
from tests.acceptance.scenes import scene
from tests.campaign.trips import Leg, Trip

OTHERS = [f"other-{number}" for number in range(8)]


def test_a_run_that_kills_its_workers_is_parked_and_the_others_finish(shared_log_url: str, tmp_path: Path) -> None:
    """Claimed a bounded number of times, then left to a person; whoever was hit along with it finishes."""

    async def story() -> None:
        async with scene(shared_log_url, tmp_path, lease_seconds=0.5) as on:
            for number, run_id in enumerate(OTHERS):
                await on.client.start("nested", Trip(seed=number), run_id=run_id, here=False)
            await on.client.start("invoke:poison", Leg().model_dump(), run_id="poison", here=False)
            deaths = 0
            while on.watch.unfinished or not on.watch.events["poison"]:
                assert deaths <= MAX_LAPSES + 1, "it goes on killing"
                hand = await on.hire()
                await on.until(lambda: not hand.is_alive or not on.watch.unfinished)  # noqa: B023 - used at once
                if not hand.is_alive:
                    assert hand.exit_code() == 9
                    on.crew.hands.remove(hand)
                    deaths += 1
            assert [parked.reason for parked in on.of("poison", e.RunParked)] == [e.ParkReason.WORKERS_DIED]
            assert len(on.entries("poison")) == deaths <= MAX_LAPSES
            for run_id in OTHERS:
                assert on.of(run_id, e.RunCompleted), run_id
            # A person has it undone, and so it is tried again: by a healthy worker here.
            await on.client.handle("poison").cancel(by="ada", reason="it is poison")
            await on.hire()
            await on.until(lambda: bool(on.of("poison", e.RunCompensated)))
            assert len(on.of("poison", e.RunParked)) == 1
            on.audit("poison", *OTHERS)

    asyncio.run(story())
