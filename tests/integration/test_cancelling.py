"""Calling a run off: while it runs, twice, while it unwinds, after its end."""

import asyncio

import pytest

from amends import Call, Run, RunStatus
from amends.saga import events as e
from tests.worlds import World, a_saga, boom, until


class Gate:
    """A play that says when it is entered and waits until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        self.entered.set()
        await self.let_go.wait()


@pytest.mark.parametrize("times", [1, 2])
def test_a_running_run_is_cancelled(log_url: str, times: int) -> None:
    """The attempt under way ends first and is undone with the rest; a second cancel changes nothing."""
    world, gate = World(), Gate()
    a, slow, never = world.action("a"), world.action("slow", do=gate), world.action("never")

    async def body(run: Run) -> None:
        for action in (a, slow, never):
            await run.do(action, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await gate.entered.wait()
            for number in range(times):
                assert await handle.cancel(by="ada", reason=f"changed her mind {number}") is RunStatus.UNWINDING
            gate.let_go.set()
            ran = await world.rest(handle)
        assert ran.status is RunStatus.COMPENSATED
        assert ran.trail[3:] == ["FAILING", "done 2", "undo 2", "undone 2", "undo 1", "undone 1", "COMPENSATED"]
        [failing] = ran.all_of(e.RunFailing)
        assert (failing.reason, failing.by) == (e.FailingReason.CANCELLED, "ada")
        assert ran.error is not None
        assert ran.error.reason == "cancelled by ada: changed her mind 0"

    asyncio.run(scenario())
    assert world.entered_steps() == ["1", "2"]
    assert world.effects == set()


def test_a_saga_cannot_swallow_its_cancellation(log_url: str) -> None:
    """However it clings to its life, it gets no further step, and the run is undone."""
    world, gate = World(), Gate()
    slow, more = world.action("slow", do=gate), world.action("more")

    async def body(run: Run) -> str:
        for action in (slow, more, more):
            try:
                await run.do(action, "x")
            except BaseException:
                continue
        return "done all the same"

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await gate.entered.wait()
            await handle.cancel(by="ada", reason="?")
            gate.let_go.set()
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED

    asyncio.run(scenario())
    assert world.entered_steps() == ["1"]


def test_a_cancel_between_two_attempts_starts_no_further_one(log_url: str) -> None:
    """What waits for its next attempt has failed, and the wait is not waited for."""
    world = World()
    flaky = world.action("flaky", do=boom(), wait=lambda state: 3600)

    async def body(run: Run) -> None:
        await run.do(flaky, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await until(handle, e.ActionFailed)
            await handle.cancel(by="ada", reason="?")
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED

    asyncio.run(scenario())
    assert world.entered_steps() == ["1"]


def test_an_unwinding_run_cannot_be_cancelled(log_url: str) -> None:
    """The undo under way goes on, is entered once, and the reason stays the first one."""
    world, gate = World(), Gate()
    a = world.action("a", undo=gate)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        raise LookupError("the first reason")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await gate.entered.wait()
            assert await handle.cancel(by="ada", reason="too late") is RunStatus.UNWINDING
            gate.let_go.set()
            ran = await world.rest(handle)
        assert ran.status is RunStatus.COMPENSATED
        assert ran.error is not None
        assert "the first reason" in ran.error.reason

    asyncio.run(scenario())
    assert world.entered_steps("undo") == ["1"]


def test_a_run_that_has_ended_stays_as_it_is(log_url: str) -> None:
    """The status is returned, nothing is recorded."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            ran = await world.rest(handle)
            assert await handle.cancel(by="ada", reason="too late") is RunStatus.COMPLETED
            assert await handle.history() == ran.events

    asyncio.run(scenario())
    assert world.effects == {("run", "1")}


def test_a_cancel_races_the_last_success(log_url: str) -> None:
    """One of completed and compensated, never both, and everyone is told the same."""
    world, gate = World(), Gate()
    a = world.action("a", do=gate)

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await gate.entered.wait()
            gate.let_go.set()
            told = await handle.cancel(by="ada", reason="now")
            ran = await world.rest(handle)
        assert ran.status in (RunStatus.COMPLETED, RunStatus.COMPENSATED)
        assert (told is RunStatus.COMPLETED) is (ran.status is RunStatus.COMPLETED)
        assert world.effects == ({("run", "1")} if ran.status is RunStatus.COMPLETED else set())

    asyncio.run(scenario())


def test_whoever_waits_for_a_result_may_stop_waiting(log_url: str) -> None:
    """Cancelling the waiting task, or a timeout around it, is no cancel of the run."""
    world, gate = World(), Gate()
    a = world.action("a", do=gate)

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            waiting = asyncio.create_task(handle.result())
            await gate.entered.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            gate.let_go.set()
            assert (await world.rest(handle)).status is RunStatus.COMPLETED

    asyncio.run(scenario())
