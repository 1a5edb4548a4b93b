"""Runs that contend for locks and limits, over workers that die, stop and lose replies: nobody has what another has.

With `AMENDS_CAMPAIGN=1` there are many more seeds.
"""

import os
import random
from collections.abc import Callable
from datetime import datetime

import pytest

from amends import InvariantBroken, RunStatus
from amends.saga import driver, letting_go
from amends.saga import events as e
from amends.saga import slots as engine_slots
from amends.saga.host import Host
from amends.saga.log import slots as memory_slots
from amends.saga.log.port import Slot
from amends.saga.moments import SlotsHeld
from amends.saga.slots import Slots
from amends.saga.state import RunState
from amends.testing import Cluster
from amends.testing.plays import RAISES, Step
from amends.testing.shapes import Block, Hear, How, Lock, Node, Shape, Sleep, seq
from amends.testing.slot_checks import no_more_have_one_than_may
from tests.reporting import counted

CAMPAIGN = bool(os.environ.get("AMENDS_CAMPAIGN"))
SEEDS = range(2_000) if CAMPAIGN else [*range(40), 1031]
"""In that of 1031 a worker repeats an append that had been written, when others have the run."""


def shapes(draw: random.Random) -> list[Shape]:
    """Sagas that take locks of the same few keys, in their order or not, and some have a limit."""
    found = []
    for number in range(4):
        nodes: list[Node] = []
        for position in range(draw.randint(1, 3)):
            keys = tuple(draw.sample("abc", draw.randint(1, 3)))
            nodes += [Lock(keys), Step(f"s{position}", seconds=draw.choice((0.0, 0.0, 1.0, 4.0)))]
            if draw.random() < 0.3:
                nodes.append(Sleep(draw.choice((0.2, 5.0))))
        match draw.random():
            case chance if chance < 0.2:
                nodes.append(Block(How.RAISE))
            case chance if chance < 0.3:
                nodes.insert(2, Hear("x", 30.0))
            case chance if chance < 0.4:
                nodes += [Step("stuck", undo=RAISES, undo_attempts=1), Block(How.RAISE)]
        concurrency = draw.choice((None, None, 1, 2))
        found.append(Shape(f"shape{number}", seq(*nodes), concurrency=concurrency))
    return found


def disturb(cluster: Cluster, draw: random.Random) -> None:
    """Do one thing that may go wrong."""
    match draw.randrange(8):
        case 0 if len(cluster.workers) > 1:
            cluster.kill(draw.choice(cluster.workers))
        case 1 if len(cluster.workers) > 1:
            cluster.stop(draw.choice(cluster.workers))
        case 2 if cluster.stopped:
            cluster.go_on(draw.choice(cluster.stopped))
        case 3:
            cluster.fail_appends(draw.choice(("fail_before", "do_then_fail", "crash_after", "crash_before")))
        case 4 if cluster.runs and cluster.running:
            cluster.cancel(draw.choice(cluster.runs))
        case 5 if cluster.runs and cluster.running:
            cluster.abandon(draw.choice(cluster.runs))
        case 6 if len(cluster.workers) < 3:
            cluster.boot()
        case _:
            cluster.fail_log(draw.choice((0.5, 3.0)))


def contend(seed: int) -> None:
    """Let runs contend under faults, and hold what must be so over them."""
    draw = random.Random(seed)
    scenarios = [shape.among_others for shape in shapes(draw)]
    with Cluster(scenarios, seed=seed) as cluster:
        cluster.boot()
        cluster.boot()
        for number in range(draw.randint(3, 8)):
            if not cluster.workers:
                cluster.boot()
            at = draw.choice(cluster.workers)
            cluster.start(draw.choice(scenarios), f"run{number}", at=at, here=draw.random() < 0.5)
            cluster.turns(draw.randint(0, 60))
            if draw.random() < 0.5:
                disturb(cluster, draw)
            cluster.advance(draw.choice((0.0, 0.1, 2.5)))
        cluster.heal()
        cluster.check()
        counted["runs that contended for locks"] += len(cluster.runs)
        for run_id in cluster.runs:
            state = cluster.state(run_id)
            kept = {slot.name for slot in state.slots.wanted() or () if slot != state.slots.next}
            assert cluster.log.held(run_id) == kept, cluster.story()


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_has_what_another_has_and_nobody_waits_for_ever(seed: int) -> None:
    """A run may wait for one that is parked; every other one ends, and gives back all that it had."""
    contend(seed)


def one_too_many(queues: memory_slots.Slots, name: str) -> list[str]:
    """Give a slot to whoever waits, although nobody has given it back."""
    waiting = [run_id for run_id, place in queues._queues.get(name, {}).items() if not place.held]
    for run_id in waiting[:1]:
        queues._queues[name][run_id].held = True
    return waiting[:1]


def nobody_is_rung_for(queues: memory_slots.Slots, run_id: str, slots: tuple[Slot, ...]) -> list[str]:
    """Whoever gets a slot is not told."""
    NOTE(queues, run_id, slots)
    return []


def never_given_back(queues: memory_slots.Slots, run_id: str, slots: tuple[Slot, ...]) -> list[str]:
    """A run that has ended keeps what it had."""
    return NOTE(queues, run_id, slots) if slots else []


async def told_too_soon(host: Host, state: RunState) -> SlotsHeld | None:
    """Every run is told that it has what it waits for."""
    held = await HELD(host, state)
    awaited = state.slots.next
    return SlotsHeld(frozenset({awaited.name})) if held is None and awaited is not None else held


def without_locks_when(is_so: Callable[[Slots], bool]) -> Callable[[Slots], tuple[Slot, ...] | None]:
    """Let the log forget a run's locks in some case."""
    return lambda slots: () if slots.locks and is_so(slots) else WANTED(slots)


NOTE, HELD, WANTED = memory_slots.Slots.note, letting_go.slots_held, Slots.wanted

PLANTED = {
    "one run too many has it": (memory_slots.Slots, "_grant", one_too_many),
    "whoever gets it is not rung for": (memory_slots.Slots, "note", nobody_is_rung_for),
    "it is never given back": (memory_slots.Slots, "note", never_given_back),
    "a run is told that it has it before it has": (driver, "slots_held", told_too_soon),
    "a parked run loses its locks": (Slots, "wanted", without_locks_when(lambda slots: slots.is_parked)),
    "a run that has two locks loses them": (Slots, "wanted", without_locks_when(lambda slots: len(slots.locks) > 1)),
    "an order of keys is not asked for": (engine_slots, "refusal", lambda *_, **__: None),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_each_of_these_bugs_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, wrong = PLANTED[bug]
    monkeypatch.setattr(owner, name, wrong)
    for seed in range(60):
        try:
            contend(seed)
        except (InvariantBroken, AssertionError):
            return
    pytest.fail(f"nothing was seen of it: {bug}")


def test_a_run_that_waits_for_a_parked_one_goes_on_when_a_person_ends_that() -> None:
    holds = Shape("holds", seq(Lock(("a",)), Step("s", undo=RAISES, undo_attempts=1), Block(How.RAISE))).among_others
    waits = Shape("waits", seq(Lock(("a",)), Step("s"))).among_others
    with Cluster([holds, waits], seed=1) as cluster:
        worker = cluster.boot()
        cluster.start(holds, "parked", at=worker)
        assert cluster.settle()
        cluster.start(waits, "waits", at=worker)
        cluster.heal()
        cluster.check()
        assert cluster.state("parked").status is RunStatus.PARKED
        assert cluster.state("waits").status is RunStatus.RUNNING
        cluster.abandon("parked", at=worker)
        cluster.heal()
        cluster.check()
        assert cluster.state("waits").status is RunStatus.COMPLETED


def test_two_that_have_one_lock_are_found() -> None:
    """The check can fail."""
    at = cluster_time()
    started = e.RunStarted(occurred_at=at, saga="s", saga_version=1, input="null")
    taken = e.SlotTaken(occurred_at=at, name="lock a", step="1")
    parked = e.RunParked(occurred_at=at, reason=e.ParkReason.UNDO_FAILED, detail="")
    ended = e.RunCompleted(occurred_at=at, output="null")
    log = [("one", started), ("two", started), ("one", taken), ("one", parked), ("two", taken)]
    assert [run_id for run_id, _ in no_more_have_one_than_may(log)] == ["two"]
    assert list(no_more_have_one_than_may([*log[:4], ("one", ended), ("two", taken)])) == []
    limit = e.Limit(name="saga s", size=1)
    limited = started.model_copy(update={"limits": (limit,)})
    taken = e.SlotTaken(occurred_at=at, name="saga s", step="0.1")
    log = [("one", limited), ("two", limited), ("one", taken), ("two", taken)]
    assert [run_id for run_id, _ in no_more_have_one_than_may(log)] == ["two"]
    assert list(no_more_have_one_than_may([*log[:3], ("one", parked), ("two", taken)])) == []


def cluster_time() -> datetime:
    """Return some time."""
    with Cluster([Shape("none", seq()).among_others]) as cluster:
        return cluster.clock.now()
