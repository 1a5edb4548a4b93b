"""A run that outlives the code that it was started with."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from amends import Coordinator
from amends.saga import events as e
from tests.acceptance.scenes import Scene, scene
from tests.campaign.crew import Hand
from tests.campaign.ledger import Ledger
from tests.campaign.trips import Agency, Leg
from tests.campaign.worker import Post

Code = dict[int, Sequence[str]]
"""The actions of each version of the saga."""

OLD = ("book", "rent", "pay")


def build(code: Code, ledger: Ledger, post: Post) -> Coordinator:
    agency = Agency(ledger)
    sagas = [agency.path(names, version) for version, names in code.items()]
    return agency.coordinator(post.url, sagas, **post.keywords)


async def hired(on: Scene, code: Code) -> Hand:
    return await on.hire(build=partial(build, code))


async def left_in_its_last_step(on: Scene, url: str) -> None:
    """Start a run under the old code, and kill its worker inside the last step."""
    hand = await on.hire(build=partial(build, {1: OLD}), starts=[("run", "path", Leg(hold_seconds=60).model_dump())])
    await on.until(lambda: len(on.entries("run")) == len(OLD))
    on.crew.kill(hand)


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (("rent", "book", "pay"), "step 1: expected 'book' (recorded), got 'rent' (the code)"),
        (("book", "insure", "rent", "pay"), "step 2: expected 'rent' (recorded), got 'insure' (the code)"),
        (("book", "pay"), "step 2: expected 'rent' (recorded), got 'pay' (the code)"),
        (("book", "rent"), "step 3: expected 'pay' (recorded), but the code ended without it"),
    ],
    ids=["reordered", "inserted", "removed", "shortened"],
)
def test_other_code_parks_the_run_before_any_handler(
    shared_log_url: str, tmp_path: Path, new: Sequence[str], said: str
) -> None:
    """With expected and actual; the old code, put back, finishes it when a person says so."""

    async def story() -> None:
        async with scene(shared_log_url, tmp_path) as on:
            await left_in_its_last_step(on, shared_log_url)
            other = await hired(on, {1: new})
            await on.at_rest("run")
            (parked,) = on.of("run", e.RunParked)
            assert (parked.reason, parked.detail) == (e.ParkReason.DIVERGED, said)
            assert on.worker(other) not in {entry.worker for entry in on.entries("run")}
            on.crew.kill(other)
            old = await hired(on, {1: OLD})
            await on.client.handle("run").retry(by="ada", reason="the old code is back")
            await on.until(lambda: bool(on.of("run", e.RunCompleted)))
            assert [entry.worker for entry in on.entries("run")][len(OLD) :] == [on.worker(old)]
            on.audit("run")

    asyncio.run(story())


def test_two_versions_stand_side_by_side(shared_log_url: str, tmp_path: Path) -> None:
    """A run stays with the version that it was started with; a new one takes the newest."""

    async def story() -> None:
        async with scene(shared_log_url, tmp_path) as on:
            await left_in_its_last_step(on, shared_log_url)
            both: Code = {1: OLD, 2: ("mail", "book")}
            await on.hire(build=partial(build, both), starts=[("new", "path", Leg().model_dump())])
            await on.until(lambda: all(on.of(run_id, e.RunCompleted) for run_id in ("run", "new")))
            assert [entry.action for entry in on.entries("run")] == [*OLD, "pay"][: len(on.entries("run"))]
            assert [entry.action for entry in on.entries("new")] == ["mail", "book"]
            assert [on.of(run_id, e.RunStarted)[0].saga_version for run_id in ("run", "new")] == [1, 2]
            on.audit("run", "new")

    asyncio.run(story())


def test_an_unknown_version_waits_for_a_worker_that_knows_it(shared_log_url: str, tmp_path: Path) -> None:
    """A worker of the new code leaves it alone and says so once; one of the old code takes it."""

    async def story() -> None:
        async with scene(shared_log_url, tmp_path) as on:
            await left_in_its_last_step(on, shared_log_url)
            await hired(on, {2: OLD})
            await on.until(lambda: "run run waits for a worker that knows saga path version 1" in on.complaints)
            assert len(on.of("run", e.RunClaimed)) == 1
            old = await hired(on, {1: OLD})
            await on.until(lambda: bool(on.of("run", e.RunCompleted)))
            assert [claim.worker for claim in on.of("run", e.RunClaimed)][1:] == [on.worker(old)]
            on.audit("run")

    asyncio.run(story())
