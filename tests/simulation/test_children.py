"""Sagas of sagas under kills, pauses and a log that does not answer: every run of the family ends as it should."""

import random
from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_fixed

from amends import Action, Call, Run, RunStatus, action, saga
from amends.saga.codec import EventCodec
from amends.saga.state import fold
from amends.testing import Cluster, Scenario, World
from amends.testing.checker import check

world = World()


@action("family.act", stop=stop_after_attempt(50), wait=wait_fixed(0.2))
async def act(value: str, call: Call) -> str:
    world.put("done", call.run_id, call.step)
    return value


@act.undo(stop=stop_after_attempt(100), wait=wait_fixed(0.2))
async def undo_act(value: str, output: str | None, call: Call) -> None:
    world.discard("done", call.run_id, call.step)


@action("family.fail", stop=stop_after_attempt(1), irreversible=True)
async def fail() -> None:
    raise ValueError("no")


@saga("family.leaf")
async def leaf(run: Run, value: str) -> str:
    await run.sleep(2.0)
    return await run.do(act, value)


@saga("family.middle")
async def middle(run: Run, value: str) -> str:
    first = await run.do(act, value)
    return first + await run.saga(leaf, value)


@saga("family.parent")
async def parent(run: Run, fails: bool) -> str:
    await run.do(act, "first")
    both = await run.all(run.saga(middle, "x"), run.saga(leaf, "y"))
    if fails:
        await run.do(fail)
    return "".join(both)


ACTIONS: list[Action[Any, Any]] = [act, fail]
FAMILY = [
    Scenario(parent, True, actions=ACTIONS, world=world),
    Scenario(middle, "m", actions=ACTIONS, world=world),
    Scenario(leaf, "l", actions=ACTIONS, world=world),
]


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("fails", [True, False])
def test_a_family_ends_whatever_happens_to_its_workers(seed: int, fails: bool) -> None:
    """Every run of it as its parent does; nothing that is undone stands, and nothing is started twice."""
    chance = random.Random(f"{seed} {fails}")
    with Cluster(FAMILY, seed=seed, lease_seconds=2.0) as cluster:
        cluster.boot()
        cluster.boot()
        cluster.start(FAMILY[0], "top", fails, at=cluster.boot(client=True))
        for _ in range(chance.randrange(2, 7)):
            cluster.turns(chance.randrange(5, 150))
            worker = chance.choice([name for name in cluster.running if name in cluster.workers])
            match chance.randrange(4):
                case 0:
                    cluster.kill(worker)
                    cluster.boot()
                case 1:
                    cluster.stop(worker)
                    cluster.boot()
                case 2:
                    cluster.fail_log(chance.random() * 3, at=worker)
                case _:
                    cluster.fail_appends(chance.choice(["fail_before", "do_then_fail"]), chance.randrange(1, 4))
            cluster.advance(chance.random() * 3)
        cluster.heal()
        cluster.settle()
        cluster.check()
        expected = RunStatus.COMPENSATED if fails else RunStatus.COMPLETED
        codec = EventCodec()
        assert sorted(cluster.log.run_ids) == ["top", "top/2", "top/2/2", "top/3"]
        for run_id in cluster.log.run_ids:
            events = [codec.decode(record) for record in cluster.log.records(run_id)]
            assert check(events) == []
            assert fold(run_id, events).status is expected, run_id
