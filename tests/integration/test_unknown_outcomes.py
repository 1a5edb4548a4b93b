"""Attempts of which nobody can say whether their effect landed: retry, undo, park, and probes that look."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import ActionError, Call, Coordinator, OutcomeUnknown, Run, RunFailed, RunStatus
from amends.saga import events as e
from tests.worlds import Ran, World, a_saga, boom, landing

LOST = landing(OutcomeUnknown("the reply was lost"))


def test_an_unknown_attempt_is_retried_with_the_same_key(log_url: str) -> None:
    """That is the default: a service that knows the key does nothing twice."""
    world = World()
    a = world.action("a", do=[LOST])

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.trail == ["do 1", "unknown 1", "do 1", "done 1", "COMPLETED"]
    assert len({entry.key for entry in world.entries}) == 1
    assert ran.all_of(e.ActionUnknown)[0].why is e.UnknownWhy.LOST


@pytest.mark.parametrize("lands", [True, False])
def test_a_step_that_stays_unknown_is_undone_without_an_output(log_url: str, lands: bool) -> None:
    """The undo is offered `None` and `unknown`, whether or not anything is there."""
    world = World()
    a = world.action("a", do=LOST if lands else OutcomeUnknown("lost"))

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.trail[-3:] == ["undo 1", "undone 1", "COMPENSATED"]
    assert world.entered_steps() == ["1", "1", "1"]
    assert world.outcomes == [("1", None, "unknown")]
    assert world.effects == set()


def test_an_irreversible_step_that_stays_unknown_remains(log_url: str) -> None:
    """A mail that may have been sent is named."""
    world = World()
    mail = world.action("mail", do=LOST, irreversible=True)

    async def body(run: Run) -> None:
        await run.do(mail, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.PARTIALLY_COMPENSATED
    assert ran.remaining == {"1": "irreversible"}


def test_a_saga_that_goes_on_without_an_unknown_step_says_so(log_url: str) -> None:
    """It completes, with the step among the unresolved ones."""
    world = World()
    a, b = world.action("a", do=LOST, on_unknown="undo"), world.action("b")

    async def body(run: Run) -> str:
        try:
            await run.do(a, "x")
        except ActionError as error:
            return await run.do(b, str(error.outcome))
        return "not reached"

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPLETED
    assert ran.output == "UNKNOWN"
    assert ran.all_of(e.RunCompleted)[0].unresolved == ("1",)


def test_on_unknown_undo_tries_no_further(log_url: str) -> None:
    """One attempt, then the step has failed with an unknown outcome."""
    world = World()
    a = world.action("a", do=LOST, on_unknown="undo")

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.trail == ["do 1", "unknown 1", "FAILING", "undo 1", "undone 1", "COMPENSATED"]


async def _parked(world: World, log_url: str, body: Callable[[Run], Awaitable[Any]], say: str) -> tuple[Ran, Ran]:
    """Run to the parking, give the command, and run to rest again."""
    saga = a_saga(body)
    async with world.coordinator(log_url, saga) as coordinator:
        handle = await coordinator.start(saga, run_id="run")
        before = await world.rest(handle)
        await getattr(handle, say)(by="ada", reason="looked")
        return before, await world.rest(handle)


def test_on_unknown_park_waits_for_a_person(log_url: str) -> None:
    """The run names the step; a retry tries it again, with the same key, and the run goes on."""
    world = World()
    a, b = world.action("a", do=[LOST], on_unknown="park"), world.action("b")

    async def body(run: Run) -> str:
        return await run.do(a, "x") + await run.do(b, "y")

    parked, ran = asyncio.run(_parked(world, log_url, body, "retry"))
    assert parked.status is RunStatus.PARKED
    assert parked.trail == ["do 1", "unknown 1", "PARKED"]
    assert parked.error is not None
    assert "nobody knows whether a (step 1) landed" in parked.error.reason
    assert ran.output == "XY"
    assert ran.trail[3:] == ["RESUMED", "do 1", "done 1", "do 2", "done 2", "COMPLETED"]


def test_a_parked_unknown_step_can_be_called_off(log_url: str) -> None:
    """A cancel undoes the run, the unknown step with it."""
    world = World()
    first, a = world.action("first"), world.action("a", do=LOST, on_unknown="park")

    async def body(run: Run) -> None:
        await run.do(first, "x")
        await run.do(a, "y")

    parked, ran = asyncio.run(_parked(world, log_url, body, "cancel"))
    assert parked.remaining == {"1": "held_back", "2": "held_back"}
    assert ran.status is RunStatus.COMPENSATED
    assert ran.trail[-6:] == ["FAILING", "undo 2", "undone 2", "undo 1", "undone 1", "COMPENSATED"]
    assert world.effects == set()


def test_a_branch_beside_a_parked_step_is_not_undone(log_url: str) -> None:
    """The run parks, it does not fail; after the retry every branch ends, no finished step having been done twice."""
    world = World()
    a, b = world.action("a", do=[LOST], on_unknown="park"), world.action("b")

    async def branch(run: Run) -> None:
        for _ in range(3):
            await run.do(b, "x")

    async def body(run: Run) -> None:
        await run.all(run.do(a, "x"), branch(run))

    parked, ran = asyncio.run(_parked(world, log_url, body, "retry"))
    assert parked.status is RunStatus.PARKED
    assert "FAILING" not in parked.trail
    assert ran.status is RunStatus.COMPLETED
    assert sorted(world.entered_steps()) == ["1", "1", "2.2.1", "2.2.2", "2.2.3"]


def test_another_function_parks_a_resumed_run_and_the_old_one_finishes_it(shared_log_url: str) -> None:
    """Expected and actual are named, nothing is entered or undone, and putting the old code back lets it go on."""
    world = World()
    a, b, other = world.action("a"), world.action("b", do=[LOST], on_unknown="park"), world.action("other")

    async def old(run: Run) -> str:
        return await run.do(a, "x") + await run.do(b, "y")

    async def new(run: Run) -> str:
        return await run.do(other, "x") + await run.do(b, "y")

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, a_saga(old)) as coordinator:
            await world.rest(await coordinator.start("a-saga", run_id="run"))
        async with world.coordinator(shared_log_url, a_saga(new)) as coordinator:
            handle = coordinator.handle("run")
            await handle.retry(by="ada", reason="try the new code")
            ran = await world.rest(handle)
            assert ran.status is RunStatus.PARKED
            assert ran.error is not None
            assert "expected 'a' (recorded), got 'other' (the code)" in ran.error.reason
            assert world.entered_steps("undo") == []
            assert world.entered_steps() == ["1", "2"]
        async with world.coordinator(shared_log_url, a_saga(old)) as coordinator:
            handle = coordinator.handle("run")
            await handle.retry(by="ada", reason="the old code is back")
            assert (await world.rest(handle)).output == "XY"
        assert world.entered_steps() == ["1", "2", "2"]

    asyncio.run(scenario())


def test_a_worker_that_lacks_an_action_parks_the_run_and_undoes_nothing(shared_log_url: str) -> None:
    """In a rolling deploy that would be the wrong way out; a worker that has the action goes on after a retry."""
    world = World()
    a, b = world.action("a"), world.action("b", do=[LOST], on_unknown="park")

    async def body(run: Run) -> str:
        return await run.do(a, "x") + await run.do(b, "y")

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, a_saga(body)) as coordinator:
            await world.rest(await coordinator.start("a-saga", run_id="run"))
        async with Coordinator(shared_log_url, sagas=[a_saga(body)], actions=[b]) as coordinator:
            handle = coordinator.handle("run")
            await handle.retry(by="ada", reason="on a worker that lacks it")
            with pytest.raises(RunFailed, match="step 1: no action 'a'"):
                await handle.result()
            assert world.entered_steps("undo") == []
        async with world.coordinator(shared_log_url, a_saga(body)) as coordinator:
            handle = coordinator.handle("run")
            await handle.retry(by="ada", reason="on one that has it")
            assert (await world.rest(handle)).output == "XY"

    asyncio.run(scenario())


def test_a_probe_finds_an_effect_that_landed(log_url: str) -> None:
    """Its answer is the output; the handler is not entered a second time."""
    world = World()

    async def look(call: Call) -> str | None:
        return "found" if (call.run_id, call.step) in world.effects else None

    a = world.action("a", do=[LOST], probe=look)

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.output == "found"
    assert world.entered_steps() == ["1"]
    assert ran.trail == ["do 1", "unknown 1", "do 1", "done 1", "COMPLETED"]


def test_a_probe_that_finds_nothing_lets_the_handler_be_entered_again(log_url: str) -> None:
    """The effect has not landed, so the attempt is a new one."""
    world = World()

    async def look(call: Call) -> str | None:
        return None

    a = world.action("a", do=[OutcomeUnknown("lost")], probe=look)

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.output == "X"
    assert [entry.kind for entry in world.entries] == ["do", "probe", "do"]


def test_a_probe_is_asked_although_the_attempt_between_failed(log_url: str) -> None:
    """What became of the first attempt is still unknown when the third begins."""
    world = World()
    looks: list[bool] = []

    async def look(call: Call) -> str | None:
        looks.append((call.run_id, call.step) in world.effects)
        return "found" if len(looks) > 1 else None

    a = world.action("a", do=[LOST, boom(), boom()], probe=look)

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    assert asyncio.run(world.run(log_url, body)).output == "found"
    assert [entry.kind for entry in world.entries] == ["do", "probe", "do", "probe"]


@pytest.mark.parametrize("found", [True, False])
def test_a_probe_decides_whether_an_unknown_step_is_undone(log_url: str, found: bool) -> None:
    """Its answer is the undo's output; when it finds nothing, the undo is not entered and the step is undone."""
    world = World()

    async def look(call: Call) -> str | None:
        return "found" if found else None

    a = world.action("a", do=OutcomeUnknown("lost"), probe=look, on_unknown="undo")

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert world.outcomes == ([("1", "found", "unknown")] if found else [])


def test_a_probe_that_fails_once_is_asked_again(log_url: str) -> None:
    """Before the undo too: a probe that cannot be asked is a failed attempt to undo."""
    world = World()
    answers: list[BaseException | str] = [boom("no route"), "found"]

    async def look(call: Call) -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    a = world.action("a", do=LOST, probe=look, on_unknown="undo")

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.trail[-5:] == ["undo 1", "undo-failed 1", "undo 1", "undone 1", "COMPENSATED"]
    assert world.outcomes == [("1", "found", "unknown")]
