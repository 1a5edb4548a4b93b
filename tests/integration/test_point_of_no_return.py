"""Past its point of no return a run only goes forward: whatever fails, whoever cancels, whatever the clock says."""

import asyncio

import pytest
from tenacity import stop_after_attempt, wait_none

from amends import CommandRefused, OutcomeUnknown, Run, RunStatus, Saga
from amends.saga import events as e
from tests.worlds import ONCE, World, a_saga, boom


def test_a_step_that_fails_is_tried_for_as_long_as_an_undo_would_be(log_url: str) -> None:
    """Then the run parks over it; `retry` gives it that budget again, and `resume` is not for steps."""
    world, mended = World(), False

    async def fail(call: object) -> None:
        if not mended:
            raise boom()

    a, b = world.action("a"), world.action("b", do=fail, stop=stop_after_attempt(2), wait=wait_none())

    async def body(run: Run) -> str:
        await run.do(a, "x")
        await run.commit()
        return await run.do(b, "y")

    saga = a_saga(body)

    async def scenario() -> None:
        nonlocal mended
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            ran = await world.rest(handle)
            assert ran.status is RunStatus.PARKED
            [parked] = ran.all_of(e.RunParked)
            assert parked.reason is e.ParkReason.FORWARD_FAILED
            assert parked.detail == "b (step 3) failed past the point of no return: Boom: boom"
            assert len(ran.all_of(e.ActionFailed)) == 10
            assert await handle.resume(by="ada", reason="?") is RunStatus.PARKED
            with pytest.raises(CommandRefused, match="point of no return"):
                await handle.cancel(by="ada", reason="?")
            mended = True
            await handle.retry(by="ada", reason="mended")
            assert (await world.rest(handle)).output == "Y"
            assert (await handle.undo_plan()).is_committed
            with pytest.raises(CommandRefused, match="point of no return"):
                await handle.undo(by="ada", reason="?")

    asyncio.run(scenario())
    assert world.entered_steps("undo") == []


def test_a_saga_that_raises_waits_for_mended_code(log_url: str) -> None:
    """Or for a person who ends it where it stands."""
    world, mended = World(), False
    a = world.action("a")

    async def body(run: Run) -> str:
        await run.do(a, "x")
        await run.commit()
        if not mended:
            raise boom("a bug")
        return "mended"

    saga = a_saga(body)

    async def scenario() -> None:
        nonlocal mended
        async with world.coordinator(log_url, saga) as coordinator:
            first, second = [await coordinator.start(saga, run_id=name) for name in ("first", "second")]
            for handle in (first, second):
                ran = await world.rest(handle)
                assert ran.all_of(e.RunParked)[0].detail == "the saga raised past its point of no return: Boom: a bug"
            mended = True
            await first.resume(by="ada", reason="deployed")
            assert (await world.rest(first)).output == "mended"
            assert await second.abandon(by="ada", reason="never mind") is RunStatus.ABANDONED
            assert (await world.rest(second)).remaining == {"1": "abandoned"}

    asyncio.run(scenario())
    assert world.effects == {("first", "1"), ("second", "1")}


def test_a_deadline_is_void_then_and_a_step_may_still_be_unknown(log_url: str) -> None:
    """It is as with an undo: nobody gives up on it without a person."""
    world = World()

    async def slow(call: object) -> None:
        await asyncio.sleep(0.3)

    a, b = world.action("a", do=slow), world.action("b", on_unknown="undo", timeout=0.05, do=slow, **ONCE)

    async def body(run: Run) -> None:
        await run.commit()
        await run.do(a, "x")

    async def unknown(run: Run) -> None:
        await run.commit()
        await run.do(b, "x")

    sagas: list[Saga[None, None]] = [Saga(f.__name__, version=1, function=f) for f in (body, unknown)]

    async def scenario() -> None:
        async with world.coordinator(log_url, *sagas) as coordinator:
            handle = await coordinator.start(sagas[0], run_id="run", deadline_seconds=0.1)
            assert (await world.rest(handle)).status is RunStatus.COMPLETED
            ran = await world.rest(await coordinator.start(sagas[1], run_id="unknown"))
            assert ran.all_of(e.RunParked)[0].reason is e.ParkReason.OUTCOME_UNKNOWN

    asyncio.run(scenario())


def test_what_failed_in_the_end_is_why_it_waits(log_url: str) -> None:
    """An attempt before of which nobody knows is mentioned, and does not hide it."""
    world = World()
    script = [OutcomeUnknown("lost"), *[boom("bank away")] * 9]
    a = world.action("a", do=script, stop=stop_after_attempt(2), wait=wait_none())

    async def body(run: Run) -> None:
        await run.commit()
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    [parked] = ran.all_of(e.RunParked)
    assert parked.reason is e.ParkReason.FORWARD_FAILED
    assert "after an attempt of which nobody knows whether it landed: Boom: bank away" in parked.detail
