"""A cancel races the last success, on real databases, between two coordinators: one end each, and one answer for all.

50 races on each database in a session, 500 with `AMENDS_CAMPAIGN=1`.
"""

import asyncio
import os
import random
from collections import Counter
from typing import Any

import pytest

from amends import Call, Coordinator, Run, RunFailed, RunHandle, RunStatus
from amends.saga import events as e
from tests.worlds import World, a_saga

RACES = 500 if os.environ.get("AMENDS_CAMPAIGN") else 50
AT_ONCE = 25
SPREAD_SECONDS = 0.012
"""The last handler returns, and the cancel is sent, at any time within this."""

ENDS = (RunStatus.COMPLETED, RunStatus.COMPENSATED)


async def told(handle: RunHandle[Any]) -> RunStatus:
    try:
        await handle.result()
    except RunFailed as failed:
        return failed.status
    return RunStatus.COMPLETED


@pytest.mark.timeout(400)
def test_a_cancel_that_races_the_last_success_leaves_one_end(shared_log_url: str) -> None:
    """Whoever asks is told the same: the starter, somebody in another process, and the one who cancelled."""
    world, chance = World(), random.Random(7)
    landed: dict[str, asyncio.Event] = {}

    async def last(call: Call) -> None:
        if call.step == "2":
            landed[call.run_id].set()
            await asyncio.sleep(chance.uniform(0, SPREAD_SECONDS))

    a = world.action("a", do=last)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(a, "y")

    saga = a_saga(body)

    async def race(number: int, host: Coordinator, other: Coordinator) -> RunStatus:
        run_id = f"race-{number}"
        landed[run_id] = asyncio.Event()
        handle = await host.start(saga, run_id=run_id)
        await landed[run_id].wait()
        await asyncio.sleep(chance.uniform(0, SPREAD_SECONDS))
        canceller = (other if number % 3 else host).handle(run_id)
        status = await canceller.cancel(by="ada", reason="race")
        ran = await world.rest(handle)
        assert {await told(handle), await told(other.handle(run_id))} == {ran.status}
        assert ran.status in ENDS
        assert (status is RunStatus.COMPLETED) is (ran.status is RunStatus.COMPLETED)
        assert len(ran.all_of(e.RunCompleted, e.RunCompensated)) == 1
        assert {step for of, step in world.effects if of == run_id} == (
            {"1", "2"} if ran.status is RunStatus.COMPLETED else set()
        )
        return ran.status

    async def scenario() -> Counter[RunStatus]:
        ends: Counter[RunStatus] = Counter()
        async with world.coordinator(shared_log_url, saga) as host, world.coordinator(shared_log_url, saga) as other:
            for first in range(0, RACES, AT_ONCE):
                races = (race(number, host, other) for number in range(first, min(first + AT_ONCE, RACES)))
                ends.update(await asyncio.gather(*races))
        return ends

    ends = asyncio.run(scenario())
    assert ends.total() == RACES
    assert set(ends) == set(ENDS), ends
