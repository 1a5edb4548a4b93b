"""Commands that come while a worker is about to append: what its saga had gone ahead on is void, and nobody notices."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from amends import Run, RunStatus
from amends.saga import events as e
from amends.saga.letting_go import due_at
from amends.saga.log.memory import MemoryLog
from amends.saga.log.port import FOR_EVER, Record, Standing
from amends.saga.state import fold
from amends.testing import Scenario, simulate
from amends.testing.deciding import NOW, event
from tests.worlds import Ran, World, a_saga, until


class Interrupted(MemoryLog):
    """A log to which somebody else writes just before an append of some topic."""

    def __init__(self, kind: type[e.Event], tell: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._kind: type[e.Event] | None = kind
        self._tell = tell

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        kind = self._kind
        if kind is not None and ring is None and any(record.topic == kind.TOPIC for record in records):
            self._kind = None
            await self._tell()
        await super().append(run_id, expected_version, records, standing, ring)


def told_before(
    world: World, body: Callable[[Run], Awaitable[Any]], kind: type[e.Event], signals: Sequence[Any], local: Any = None
) -> Ran:
    """Run a saga to which another process sends signals just before an event is appended; replay it at its end."""
    saga = a_saga(body)

    async def scenario() -> Ran:
        async def tell() -> None:
            for payload in signals:
                await client.signal("run", "x", payload, by="elsewhere")

        log = Interrupted(kind, tell)
        async with world.coordinator(log, saga) as one, world.coordinator(log) as client:
            handle = await one.start(saga, run_id="run")
            if local is not None:
                await until(handle, e.SignalAwaited)
                await handle.signal("x", local, by="here")
            return await world.rest(handle)

    return asyncio.run(scenario())


def test_a_signal_that_another_one_has_overtaken_goes_to_the_next_wait() -> None:
    """The saga had been given it before it was durable; what was on record first comes first, and none is lost."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> list[Any]:
        first = await run.wait_for("x", str, timeout_seconds=0.9)  # So short that the run is hosted meanwhile.
        await run.do(a, first)
        second = await run.wait_for("x", str)
        await run.sleep(1.5)  # It is let go of, and replayed: it asks for the same.
        return [first, second]

    ran = told_before(world, body, e.SignalReceived, ["elsewhere"], local="here")
    assert ran.output == ["elsewhere", "here"]
    assert world.inputs == ["elsewhere"]


def test_a_signal_that_comes_just_before_the_time_is_up_is_heard() -> None:
    """The saga had gone the other way already; nothing of that is on record."""
    world = World()
    a, b = world.action("a"), world.action("b")

    async def body(run: Run) -> None:
        try:
            heard = await run.wait_for("x", str, timeout_seconds=0.05)
            await run.do(a, heard)
        except TimeoutError:
            await run.do(b, "late")
        await run.sleep(1.5)

    ran = told_before(world, body, e.TimerFired, ["in time"])
    assert ran.status is RunStatus.COMPLETED
    assert world.inputs == ["in time"]


def test_times_that_a_saga_has_seen_are_those_on_record() -> None:
    """A success that is recorded later than at first is told anew, with the time at which it was recorded."""
    world = World()
    a, b = world.action("a"), world.action("b")

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(b, run.now().isoformat())
        await run.sleep(1.5)

    ran = told_before(world, body, e.ActionSucceeded, ["?"])
    assert ran.status is RunStatus.COMPLETED
    [first, _] = ran.all_of(e.ActionSucceeded)
    assert world.inputs == ["x", first.occurred_at.isoformat()]


@pytest.mark.parametrize("depth", [1, 4, 9])
def test_a_run_is_not_let_go_of_while_its_saga_is_at_it(depth: int) -> None:
    """A result goes through many tasks before the next step is asked for, and a branch beside it waits for long."""
    world = World()
    a = world.action("a")

    async def down(run: Run, levels: int) -> None:
        if levels:
            await run.all(down(run, levels - 1), nothing())
        else:
            await run.sleep(0.5)

    async def nothing() -> None:
        await asyncio.sleep(0)

    async def works(run: Run) -> None:
        await down(run, depth)
        await run.do(a, "x")

    async def waits(run: Run) -> None:
        await run.sleep(5_000)

    async def body(run: Run) -> None:
        await run.all(works(run), waits(run))

    done = simulate(Scenario(a_saga(body), actions=world.actions)).check()
    started = next(event for event in done.events if isinstance(event, e.ActionStarted))
    assert started.occurred_at - done.events[0].occurred_at < timedelta(seconds=5)
    assert len([event for event in done.events if isinstance(event, e.RunClaimed)]) > 1  # And it is let go of then.


@pytest.mark.parametrize("how", ["gather", "group", "limit", "sleep"])
def test_waits_in_tasks_of_any_kind_are_let_go_of(how: str) -> None:
    """But for a saga that sleeps by itself beside a wait: whether it will ask for more, nobody can know."""
    world = World()
    a = world.action("a")

    async def waits(run: Run) -> None:
        await run.sleep(100)

    async def dozes(run: Run) -> None:
        await asyncio.sleep(5)
        await run.do(a, "x")

    async def body(run: Run) -> None:
        if how == "gather":
            await asyncio.gather(run.sleep(100), run.sleep(101))
        elif how == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(run.sleep(100))
                group.create_task(run.sleep(101))
        elif how == "limit":
            await run.all(*(waits(run) for _ in range(5)), limit=2)
        else:
            await run.all(waits(run), dozes(run))

    done = simulate(Scenario(a_saga(body), actions=world.actions)).check()
    claims = [event for event in done.events if isinstance(event, e.RunClaimed)]
    assert len(claims) == {"gather": 2, "group": 2, "limit": 4, "sleep": 2}[how]
    starts = [event for event in done.events if isinstance(event, e.ActionStarted)]
    assert all((event.occurred_at - done.events[0].occurred_at).total_seconds() < 6 for event in starts)


def test_a_run_past_its_point_of_no_return_is_let_go_of_past_its_deadline() -> None:
    """Its deadline is void, so that it need not be hosted, or woken, for that."""
    deadline = NOW + timedelta(seconds=60)
    events = [
        event(e.RunStarted, saga="s", saga_version=1, input="{}", deadline=deadline),
        event(e.RunClaimed, worker="w", epoch=1),
        event(e.SignalAwaited, step="1", signal="x", due_at=None),
    ]
    assert due_at(fold("run", events), NOW) == deadline
    events.insert(2, event(e.RunCommitted, step="0"))
    assert due_at(fold("run", events), NOW) == FOR_EVER
    assert due_at(fold("run", events), deadline) == FOR_EVER
