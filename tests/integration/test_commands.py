"""What a person says to a run is checked, recorded with a name and a reason, and never with a secret."""

import asyncio
from typing import Any

import pytest
from tenacity import stop_after_attempt

from amends import Action, InvalidValue, Run, RunHandle, RunStatus
from amends.saga import events as e
from amends.saga.log.memory import MemoryLog
from tests.integration.test_undo import Stuck
from tests.worlds import World, a_saga, boom

ODD: list[Any] = ["", "   ", "\ud800", "x" * 1_000_000, None, 7]


@pytest.mark.parametrize("words", ODD, ids=lambda words: repr(words)[:10])
def test_odd_words_are_refused(words: Any) -> None:
    """With the name of the field, and before anything is recorded."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator("memory://", stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="run")
            parked = await stuck.world.rest(handle)
            for command in (handle.cancel, handle.retry):
                with pytest.raises(InvalidValue, match="by"):
                    await command(by=words, reason="fine")
                with pytest.raises(InvalidValue, match="reason"):
                    await command(by="ada", reason=words)
            with pytest.raises(InvalidValue, match="by"):
                await handle.waive("2", by=words, reason="fine")
            with pytest.raises(InvalidValue, match="reason"):
                await handle.waive("2", by="ada", reason=words)
            assert await handle.history() == parked.events

    asyncio.run(scenario())


def test_a_secret_in_a_reason_is_not_recorded(log_url: str) -> None:
    """People paste what they see."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator(log_url, stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="run")
            await stuck.world.rest(handle)
            await handle.retry(by="ada", reason="set password=hunter2 by hand")
            await stuck.world.rest(handle)
            await handle.waive("2", by="ada", reason="see postgresql://app:hunter2@db/app")
            ran = await stuck.world.rest(handle)
            assert ran.status is RunStatus.PARTIALLY_COMPENSATED
            assert "hunter2" not in repr(ran.events)
            assert {event.by for event in ran.all_of(e.RunResumed, e.CompensationWaived)} == {"ada"}

    asyncio.run(scenario())


def test_an_action_that_the_coordinator_does_not_know_cannot_be_a_step() -> None:
    """Not even another object of a known name: the run is undone, and the error names what is known."""
    world = World()
    known = world.action("known")
    namesake: Action[str, str] = Action("known", do=known.do, irreversible=True)
    stranger: Action[str, str] = Action("stranger", do=known.do, irreversible=True)

    async def body(run: Run) -> None:
        await run.do(known, "x")
        await run.do(stranger if run.run_id == "stranger" else namesake, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator("memory://", saga) as coordinator:
            for run_id in ("stranger", "known"):
                ran = await world.rest(await coordinator.start(saga, run_id=run_id))
                assert ran.status is RunStatus.COMPENSATED
                assert ran.error is not None
                assert f"no action '{run_id}'; give it to Coordinator(actions=[...]); known: known" in ran.error.reason

    asyncio.run(scenario())
    assert world.effects == set()


def test_what_is_no_action_cannot_be_a_step() -> None:
    """The error says to decorate the function."""
    world = World()

    async def body(run: Run) -> None:
        await run.do(world.action)  # type: ignore[call-overload]

    ran = asyncio.run(world.run("memory://", body))
    assert ran.error is not None
    assert "decorate the function with @action(...)" in ran.error.reason


def test_many_commands_at_once_are_one(log_url: str) -> None:
    """Eight people retry and waive at the same moment: one of them sets the run going, and the others see it."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator(log_url, stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="run")
            await stuck.world.rest(handle)
            retries = (handle.retry(by=f"person {number}", reason="?") for number in range(4))
            waivers = (handle.waive("2", by=f"person {number}", reason="?") for number in range(4, 8))
            await asyncio.gather(*retries, *waivers)
            ran = await stuck.world.rest(handle)
            if ran.status is RunStatus.PARKED:
                await handle.waive("2", by="ada", reason="by hand")
                ran = await stuck.world.rest(handle)
            assert ran.status is RunStatus.PARTIALLY_COMPENSATED
            assert ran.remaining == {"2": "waived"}

    asyncio.run(scenario())
    assert stuck.world.effects == {("run", "2")}


def test_commands_from_two_processes_at_once_are_one(shared_log_url: str) -> None:
    """Whoever comes second finds the run under way elsewhere, or over; no undo is entered twice at once."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator(shared_log_url, stuck.saga) as one:
            await stuck.world.rest(await one.start(stuck.saga, run_id="run"))
            async with stuck.world.coordinator(shared_log_url, stuck.saga) as two:
                stuck.mended = True
                commands = [it.handle("run").retry(by="ada", reason="?") for it in (one, two) * 4]
                told = await asyncio.gather(*commands, return_exceptions=True)
                assert all(isinstance(answer, RunStatus) for answer in told)
                assert (await stuck.world.rest(two.handle("run"))).status is RunStatus.COMPENSATED
                await stuck.world.rest(one.handle("run"))

    asyncio.run(scenario())
    assert stuck.world.entered_steps("undo") == ["3", "2", "2", "2", "2", "1"]


def test_a_command_may_come_before_the_driver_knows_that_the_run_is_parked() -> None:
    """Whoever follows the log sees it first. The run goes on, in the hands of whoever claims it."""
    world = World()
    a = world.action("a", undo=boom(), undo_stop=stop_after_attempt(1))
    handles: list[RunHandle[Any]] = []
    retries: list[asyncio.Task[RunStatus]] = []

    class Early(MemoryLog):
        async def append(self, run_id: str, expected_version: int, records: Any, *rest: Any, **more: Any) -> None:
            await super().append(run_id, expected_version, records, *rest, **more)
            if any("RunParked" in record.topic for record in records) and not retries:
                retries.append(asyncio.create_task(handles[0].retry(by="ada", reason="again")))
                await asyncio.sleep(0.01)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        raise boom("no")

    async def scenario() -> None:
        saga = a_saga(body)
        async with world.coordinator(Early(), saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            handles.append(handle)
            async with asyncio.timeout(20):
                while sum(isinstance(event, e.RunParked) for event in await handle.history()) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert await retries[0] is RunStatus.UNWINDING

    asyncio.run(scenario())
