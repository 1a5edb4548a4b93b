"""Locks: one run at a time has each, in the order in which they asked, and nobody ever waits in a circle."""

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from amends import Action, ActionError, CommandRefused, InvalidValue, LockRefused, Run, RunStatus, Saga
from amends.saga import events as e
from tests.worlds import ONCE, World, a_saga, after, boom, until


def locking(world: World, *keys: str, go_on: asyncio.Event | None = None) -> Saga[Any, Any]:
    """A saga that takes locks and then does a step."""
    a = world.action("a", do=after(go_on) if go_on else None)

    async def body(run: Run) -> None:
        await run.lock(*keys)
        await run.do(a, "x")

    return a_saga(body)


async def until_let_go(run_id: str, *coordinators: Any) -> None:
    """Return when nobody hosts the run."""
    async with asyncio.timeout(20):
        while any(run_id in coordinator._hosting.drivers for coordinator in coordinators):
            await coordinators[0].handle(run_id).status()


def test_one_run_at_a_time_has_a_lock(log_url: str) -> None:
    """The others take no place while they wait, and are served in the order in which they asked."""
    world, go_on = World(), asyncio.Event()
    saga = locking(world, "user:42", go_on=go_on)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga, max_running=2) as coordinator:
            first = await coordinator.start(saga, run_id="run-0")
            await until(first, e.ActionStarted)
            others = []
            for number in range(1, 5):  # More than there are places.
                others.append(await coordinator.start(saga, run_id=f"run-{number}"))
                await until_let_go(f"run-{number}", coordinator)
            go_on.set()
            ran = [await world.rest(handle) for handle in (first, *others)]
            assert {each.status for each in ran} == {RunStatus.COMPLETED}
            for each in ran:
                assert [event.key for event in each.all_of(e.LockAwaited)] == ["user:42"]
                assert [(event.name, event.step) for event in each.all_of(e.SlotTaken)] == [("lock user:42", "1")]

    asyncio.run(scenario())
    assert [entry.run_id for entry in world.entries] == [f"run-{number}" for number in range(5)]


def test_a_lock_that_is_free_costs_no_claim(log_url: str) -> None:
    """The run goes on where it is."""
    world = World()

    async def scenario() -> None:
        saga = locking(world, "a", "c", "b")
        async with world.coordinator(log_url, saga) as coordinator:
            ran = await world.rest(await coordinator.start(saga, run_id="run"))
            assert len(ran.all_of(e.RunClaimed)) == 1
            assert [event.key for event in ran.all_of(e.LockAwaited)] == ["a", "b", "c"]
            assert (await coordinator._log.holding("run")).slots == frozenset()

    asyncio.run(scenario())
    assert world.entered_steps() == ["4"]


@pytest.mark.parametrize("keys", [("a", "a"), ("b", "b", "a")], ids=str)
def test_a_lock_that_the_run_has_is_had_at_once(log_url: str, keys: tuple[str, ...]) -> None:
    """Whatever order it is asked for in."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        await run.lock("a", "b")
        for key in keys:
            await run.lock(key)
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPLETED


@pytest.mark.parametrize("end", ["completed", "compensated", "cancelled", "abandoned"])
def test_a_lock_is_kept_until_the_run_has_ended(log_url: str, end: str) -> None:
    """Through the unwinding, too, and while it is parked."""
    world, go_on = World(), asyncio.Event()
    a = world.action("a", do=after(go_on), undo=boom() if end == "abandoned" else None)
    b = world.action("b", do=None if end == "completed" else boom(), **ONCE)

    async def body(run: Run) -> None:
        await run.lock("user:42")
        await run.do(a, "x")
        await run.do(b, "x")

    saga = a_saga(body)
    next_saga: Saga[Any, Any] = Saga("next", version=1, function=body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga, next_saga) as coordinator:
            first = await coordinator.start(saga, run_id="first")
            await until(first, e.ActionStarted)
            second = await coordinator.start(next_saga, run_id="second")
            await until(second, e.LockAwaited)
            if end == "cancelled":
                await first.cancel(by="ada", reason="enough")
            go_on.set()
            await world.rest(first)
            if end == "abandoned":
                assert await first.status() is RunStatus.PARKED
                assert (await coordinator._log.holding("first")).slots == {"lock user:42"}
                await first.abandon(by="ada", reason="enough")
            await until(second, e.SlotTaken)
            events = [*await first.history(), *await second.history()]
            ended = next(
                event for event in events if isinstance(event, e.RunCompleted | e.RunCompensated | e.RunAbandoned)
            )
            taken = [event for event in events if isinstance(event, e.SlotTaken)][1]
            assert ended.occurred_at <= taken.occurred_at
            await world.rest(second)

    asyncio.run(scenario())


def test_a_lock_is_given_to_a_run_of_another_process(shared_log_url: str) -> None:
    """The one that waits was let go of by its worker; whichever hears the bell takes it up."""
    world, go_on = World(), asyncio.Event()
    saga = locking(world, "user:42", go_on=go_on)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as one, world.coordinator(shared_log_url, saga) as other:
            first = await one.start(saga, run_id="first")
            await until(first, e.ActionStarted)
            second = await other.start(saga, run_id="second")
            await until_let_go("second", one, other)
            go_on.set()
            await world.rest(first)
            assert (await world.rest(second)).status is RunStatus.COMPLETED

    asyncio.run(scenario())


def test_whoever_is_cancelled_while_it_waits_is_passed_over(log_url: str) -> None:
    """From another process, or by its deadline."""
    world, go_on = World(), asyncio.Event()
    saga = locking(world, "user:42", go_on=go_on)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handles = [await coordinator.start(saga, run_id="first")]
            await until(handles[0], e.ActionStarted)
            for run_id, seconds in (("cancelled", None), ("late", 1.2), ("last", None)):
                handles.append(await coordinator.start(saga, run_id=run_id, deadline_seconds=seconds))
                await until_let_go(run_id, coordinator)
            await handles[1].cancel(by="ada", reason="enough")
            await world.rest(handles[1])
            await world.rest(handles[2])
            go_on.set()
            ran = [await world.rest(handle) for handle in handles]
            assert [each.status for each in ran] == [
                *(RunStatus.COMPLETED, RunStatus.COMPENSATED, RunStatus.COMPENSATED, RunStatus.COMPLETED)
            ]
            assert ran[1].all_of(e.SlotTaken) == ran[2].all_of(e.SlotTaken) == []

    asyncio.run(scenario())
    assert [entry.run_id for entry in world.entries] == ["first", "last"]


@pytest.mark.parametrize("how", ["descending", "in a branch", "beside a step", "a step beside it"])
def test_a_lock_out_of_order_is_refused(log_url: str, how: str) -> None:
    """And what it says helps. What depends on who is quicker fails the run, also if the saga catches it."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        match how:
            case "descending":
                await run.lock("b")
                await run.lock("a")
            case "in a branch":
                await run.all(run.do(a, "x"), run.lock("a", "b"))
            case "beside a step":
                await run.all(run.do(a, "x"), run.lock("a"))
            case _:
                await run.all(run.lock("a"), run.do(a, "x"))

    async def refused(run: Run) -> str:
        try:
            await body(run)
        except LockRefused as error:
            return str(error)
        return "not refused"

    ran = asyncio.run(world.run(log_url, refused))
    words = {"descending": "take them in one call", "a step beside it": "await run.lock by itself"}
    said = ran.output if how == "descending" else ran.all_of(e.RunFailing)[0].error.message
    assert words.get(how, "take locks before what runs side by side") in said


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 201, 42, "\ud800"])
def test_a_key_of_another_form_is_refused(key: Any) -> None:
    world = World()

    async def body(run: Run) -> None:
        with pytest.raises(InvalidValue, match="key"):
            await run.lock(key)
        with pytest.raises(InvalidValue, match="keys"):
            await run.lock()

    assert asyncio.run(world.run("memory://", body)).status is RunStatus.COMPLETED


def test_a_step_that_is_a_run_has_the_locks_of_its_parent(log_url: str) -> None:
    """And takes further ones behind these."""
    world = World()
    a = world.action("a")

    async def inner(run: Run) -> None:
        await run.lock("b", "c")
        await run.do(a, "x")

    child: Saga[Any, Any] = Saga("child", version=1, function=inner)

    async def body(run: Run) -> str:
        await run.lock("b")
        await run.saga(child)
        try:
            await run.lock("a")
        except LockRefused:
            return "refused"
        return "not refused"

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga, child) as coordinator:
            ran = await world.rest(await coordinator.start(saga, run_id="run"))
            assert ran.output == "refused"
            history = await coordinator.handle("run/2").history()
            assert [event.name for event in history if isinstance(event, e.SlotTaken)] == ["lock b", "lock c"]
            for run_id in ("run", "run/2"):
                assert (await coordinator._log.holding(run_id)).slots == frozenset()

    asyncio.run(scenario())


def test_a_run_that_dies_with_a_lock_keeps_it(shared_log_url: str) -> None:
    """Its next owner has it, and the one that waits waits on."""
    world, go_on = World(), asyncio.Event()
    saga = locking(world, "user:42", go_on=go_on)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga, drain_seconds=0) as one:
            first = await one.start(saga, run_id="first")
            await until(first, e.ActionStarted)
            await one.start(saga, run_id="second")
        async with world.coordinator(shared_log_url, saga) as other:
            first, second = other.handle("first"), other.handle("second")
            async with asyncio.timeout(20):
                while not isinstance((await first.history())[-1], e.ActionStarted):
                    pass
            assert (await other._log.holding("first")).slots == {"lock user:42"}
            assert not any(isinstance(event, e.SlotTaken) for event in await second.history())
            go_on.set()
            await world.rest(first)
            assert (await world.rest(second)).status is RunStatus.COMPLETED

    asyncio.run(scenario())


def test_who_waits_beside_a_straggler_is_in_nobody_s_way() -> None:
    """It cannot be let go of while a thread of it goes on; the one that has the lock gets its place meanwhile."""
    world, threads_end = World(), threading.Event()

    def stays(seconds: float) -> None:
        threads_end.wait(seconds)

    late: Action[float, None] = Action("late", do=stays, irreversible=True, timeout=0.05, **ONCE)

    async def first(run: Run) -> None:
        await run.lock("a")
        await run.wait_for("go")

    async def second(run: Run) -> None:
        with contextlib.suppress(ActionError):
            await run.do(late, 20.0)
        await run.lock("a")

    sagas: list[Saga[None, None]] = [Saga(body.__name__, version=1, function=body) for body in (first, second)]
    world.actions.append(late)

    async def scenario() -> None:
        async with world.coordinator("memory://", *sagas, max_running=1) as coordinator:
            holder = await coordinator.start(sagas[0], run_id="holder")
            await until_let_go("holder", coordinator)
            waiter = await coordinator.start(sagas[1], run_id="waiter")
            await until(waiter, e.LockAwaited)
            await holder.signal("go", by="ada")
            assert (await world.rest(holder)).status is RunStatus.COMPLETED
            assert (await world.rest(waiter)).status is RunStatus.COMPLETED
            threads_end.set()

    asyncio.run(scenario())


def test_who_has_locks_is_not_abandoned_before_the_runs_that_work_under_them(log_url: str) -> None:
    """They would go on without the lock."""
    world = World()

    async def inside(run: Run) -> None:
        await run.wait_for("go")

    child: Saga[None, None] = Saga("child", version=1, function=inside)

    async def body(run: Run) -> None:
        await run.lock("a")
        await run.saga(child)

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga, child) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            async with asyncio.timeout(20):
                while not await coordinator._log.read("run/2"):
                    pass
            with pytest.raises(CommandRefused, match="run/2 works under them"):
                await handle.abandon(by="ada", reason="?")
            await coordinator.handle("run/2").abandon(by="ada", reason="?")
            ran = await world.rest(handle)
            assert ran.status is RunStatus.COMPENSATED
            assert (await coordinator._log.holding("run")).slots == frozenset()

    asyncio.run(scenario())
