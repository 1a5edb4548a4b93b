"""Wide groups and long sagas: bounds are kept, and a late step costs what an early one did.

Timings are the benchmarks' business. What is counted here is the work: appends, bytes, and memory.
"""

import asyncio
import tracemalloc
from collections.abc import Sequence

import pytest

from amends import Action, Call, Run, RunStatus
from amends.saga.log.memory import MemoryLog
from amends.saga.log.port import Record, Standing
from tests.worlds import World, a_saga, boom

WIDE = 1_000
LONG = 10_000
TENTH = LONG // 10


class Peak:
    """Counts how many are inside at once."""

    def __init__(self) -> None:
        self.now = self.most = self.total = 0

    async def __call__(self, call: Call) -> None:
        self.now += 1
        self.total += 1
        self.most = max(self.most, self.now)
        for _ in range(3):
            await asyncio.sleep(0)
        self.now -= 1


@pytest.mark.parametrize(("limit", "most"), [(7, 7), (1, 1), (None, WIDE)])
def test_a_thousand_wide_group_keeps_its_limit(limit: int | None, most: int) -> None:
    """Never more than so many at once, all of them in the end, and results in order."""
    world, peak = World(), Peak()
    a = world.action("a", do=peak)

    async def body(run: Run) -> list[str]:
        return list(await run.all(*(run.do(a, f"n{number}") for number in range(WIDE)), limit=limit))

    ran = asyncio.run(world.run("memory://", body))
    assert ran.output == [f"N{number}" for number in range(WIDE)]
    assert peak.total == WIDE
    assert 1 <= peak.most <= most


def test_a_thousand_wide_group_is_undone(log_url: str) -> None:
    """All that succeeded is undone before the run ends, each once, side by side."""
    world, peak = World(), Peak()
    a = world.action("a", undo=peak)

    async def body(run: Run) -> None:
        await run.all(*(run.do(a, "x") for _ in range(WIDE)))
        raise RuntimeError

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert peak.total == WIDE
    assert peak.most > 1
    assert world.effects == set()


def test_a_thousand_plain_handlers_take_turns_in_the_threads() -> None:
    """There are fewer threads than steps, and none is lost."""

    def do(value: int) -> int:
        return value

    a: Action[int, int] = Action("a", do=do, irreversible=True)
    world = World()
    world.actions.append(a)

    async def body(run: Run) -> int:
        return sum(await run.all(*(run.do(a, number) for number in range(WIDE))))

    assert asyncio.run(world.run("memory://", body)).output == sum(range(WIDE))


class Counted(MemoryLog):
    """Notes what is appended, and how much memory is in use at each so many appends."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.counts: list[int] = []

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        self.sizes.append(sum(len(record.state) for record in records))
        self.counts.append(len(records))
        await super().append(run_id, expected_version, records, standing, ring)


def test_a_late_step_costs_what_an_early_one_did() -> None:
    """Ten thousand steps: one append each, of the same size, and the same growth of memory in a thousand of them."""
    log, growth = Counted(), list[int]()

    async def do(value: int) -> int:
        if value in (TENTH, LONG - TENTH):
            tracemalloc.start()
        if value in (2 * TENTH, LONG - 1):
            growth.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
        return value

    a: Action[int, int] = Action("a", do=do, irreversible=True)
    world = World()
    world.actions.append(a)

    async def body(run: Run) -> int:
        total = 0
        for number in range(LONG):
            total += await run.do(a, number)
        return total

    async def scenario() -> None:
        saga = a_saga(body)
        async with world.coordinator(log, saga) as coordinator:
            assert await coordinator.run(saga, run_id="run") == sum(range(LONG))

    asyncio.run(scenario())
    assert len(log.sizes) <= LONG + 2
    early, late = log.sizes[TENTH : 2 * TENTH], log.sizes[-TENTH - 2 : -2]
    assert sum(late) <= 1.1 * sum(early)
    early_growth, late_growth = growth
    assert late_growth <= 2 * early_growth


def test_a_long_saga_is_undone_step_by_step() -> None:
    """Two thousand steps back, one append each, in the exact reverse."""
    world, log, steps = World(), Counted(), 2_000
    a, bad = world.action("a"), world.action("bad", do=boom())

    async def body(run: Run) -> None:
        for _ in range(steps):
            await run.do(a, "x")
        await run.do(bad, "x")

    ran = asyncio.run(world.run(log, body))
    assert ran.status is RunStatus.COMPENSATED
    assert world.entered_steps("undo") == [str(number) for number in range(steps, 0, -1)]
    assert max(log.counts) <= 5
    assert sum(log.sizes[-1_000:-2]) <= 1.1 * sum(log.sizes[steps + 10 : steps + 1_008])
