"""Many workers on one database that share the runs."""

import asyncio
from collections import Counter
from pathlib import Path

from amends.saga import events as e
from tests.acceptance.scenes import scene
from tests.campaign.ledger import At
from tests.campaign.trips import Trip

WORKERS = 12
RUNS = 200


def test_twelve_workers_start_at_once_and_enter_each_handler_once(postgres_url: str, tmp_path: Path) -> None:
    """On an empty database; a client that hosts nothing starts 200 runs, and whoever is first takes each of them."""

    async def story() -> None:
        async with scene(postgres_url, tmp_path, lease_seconds=20.0) as on:
            for _ in range(WORKERS):
                on.crew.hire()
            ids = [f"run-{number}" for number in range(RUNS)]
            starts = (
                on.client.start("chain", Trip(seed=number, fails=number % 3 == 0), run_id=run_id, here=False)
                for number, run_id in enumerate(ids)
            )
            await asyncio.gather(*starts)
            await on.at_rest(*ids)
            await on.until(lambda: sum(line.at is At.BOOT for line in on.lines) == WORKERS)
            on.audit(*ids)
            entries = Counter(
                (line.run_id, line.kind, line.step, line.attempt) for line in on.lines if _is_entry(line.at)
            )
            assert set(entries.values()) == {1}
            claims = [claim for run_id in ids for claim in on.of(run_id, e.RunClaimed)]
            assert len(claims) == RUNS
            assert len({claim.worker for claim in claims}) > 1
            assert on.crew.dismiss() == [0] * WORKERS

    asyncio.run(story())


def _is_entry(at: At) -> bool:
    return at is At.ENTER
