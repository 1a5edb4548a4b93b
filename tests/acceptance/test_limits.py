"""Several processes share the limits of an action: they keep them, and get on when one of them is killed."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.limited import AT_ONCE, RATE, build, most_at_once, most_in_a_span, starts
from tests.acceptance.scenes import scene
from tests.campaign.ledger import At, Line

LATE_SECONDS = 0.3
"""How long it takes a busy machine from the decision to enter a handler to that handler's first line."""

databases = pytest.mark.parametrize("url_fixture", ["sqlite_url", "postgres_url"])


def _calls(lines: list[Line], saga: str) -> list[Line]:
    return [line for line in lines if line.at in (At.ENTER, At.EXIT) and line.run_id.startswith(saga)]


@databases
def test_processes_keep_a_limit_together_and_outlive_one_that_is_killed(
    request: pytest.FixtureRequest, url_fixture: str, tmp_path: Path
) -> None:
    """The first has all permits, in handlers that take a minute; the others wait until its lease has lapsed."""

    async def story() -> None:
        url = request.getfixturevalue(url_fixture)
        async with scene(url, tmp_path, lease_seconds=1.0, build=build) as on:
            first = await on.hire(starts=starts("few", "few-held", hold_seconds=60.0))
            await on.until(lambda: len(on.entries("few-held")) == AT_ONCE)
            others = [await on.hire(starts=starts("few", f"few-{n}-a", f"few-{n}-b")) for n in range(2)]
            await on.until(lambda: all(on.watch.events[f"few-{n}-b"] for n in range(2)))
            assert len(_calls(on.lines, "few")) == AT_ONCE
            on.crew.kill(first)
            runs = ["few-held", *(f"few-{n}-{run}" for n in range(2) for run in "ab")]
            await on.at_rest(*runs)
            killed, tokens = on.worker(first), {on.worker(other) for other in others}
            calls = [line for line in _calls(on.lines, "few") if line.worker != killed]
            assert {line.worker for line in calls} == tokens
            assert most_at_once(calls) == AT_ONCE
            assert len([line for line in calls if line.at is At.EXIT]) == 3 * len(runs)

    asyncio.run(story())


@databases
def test_processes_keep_a_rate_together(request: pytest.FixtureRequest, url_fixture: str, tmp_path: Path) -> None:
    """Never more in any span; and not much less than that when there is enough to do."""

    async def story() -> None:
        url = request.getfixturevalue(url_fixture)
        async with scene(url, tmp_path, lease_seconds=2.0, build=build) as on:
            runs = [f"slow-{n}-{run}" for n in range(2) for run in "abcd"]
            for n in range(2):
                await on.hire(starts=starts("slow", *(run for run in runs if f"-{n}-" in run)))
            await on.at_rest(*runs)
            calls = _calls(on.lines, "slow")
            entered = sorted(line.at_ns for line in calls if line.at is At.ENTER)
            assert len(entered) == 3 * len(runs)
            assert most_in_a_span(calls, RATE.per_seconds - LATE_SECONDS) <= RATE.count
            assert (entered[-1] - entered[0]) / 1e9 < 2 * RATE.per_seconds * (len(entered) / RATE.count)

    asyncio.run(story())
