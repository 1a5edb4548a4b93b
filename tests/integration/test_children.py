"""Sagas that are steps of sagas: done, undone, called off, parked, taken over, and never in the way of themselves."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from amends import ActionError, DefinitionError, LogUnavailable, Run, RunStatus, Saga, UnknownName
from amends.saga import events as e
from amends.saga.log.memory import MemoryLog
from tests.worlds import ONCE, World, boom, until


def sagas_of(*functions: Any) -> list[Saga[Any, Any]]:
    return [Saga(function.__name__, version=1, function=function) for function in functions]


def test_a_saga_is_a_step_and_a_run_of_its_own(log_url: str) -> None:
    """It has an id that follows from its parent's, its parent's tags, its own events, and a typed result."""
    world = World()
    a = world.action("a")

    class Doubled(BaseModel):
        text: str

    async def child(run: Run, text: str) -> Doubled:
        return Doubled(text=await run.do(a, text) * 2)

    inner: Saga[str, Doubled] = Saga("child", version=1, function=child)

    async def parent(run: Run) -> list[Any]:
        first: Doubled = await run.saga(inner, "x")
        both = await run.all(run.saga(inner, "y"), run.do(a, "z"))
        return [first.text, both[0].text, both[1]]

    outer: Saga[None, list[Any]] = Saga("parent", version=1, function=parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, outer, inner) as coordinator:
            handle = await coordinator.start(outer, run_id="run", tags={"tenant": "acme"})
            ran = await world.rest(handle)
            assert ran.output == ["XX", "YY", "Z"]
            started = (await coordinator.handle("run/1").history())[0]
            assert isinstance(started, e.RunStarted)
            assert (started.parent, started.tags) == ("run", {"tenant": "acme"})
            assert (await world.rest(coordinator.handle("run/2"))).status is RunStatus.COMPLETED

    asyncio.run(scenario())


def test_what_a_child_has_done_is_undone_with_its_parent(log_url: str) -> None:
    """In the mirror's order, from its own events; and once."""
    world = World()
    a, b, fails = world.action("a"), world.action("b"), world.action("fails", do=boom(), **ONCE)

    async def child(run: Run) -> None:
        await run.do(a, "1")
        await run.do(a, "2")

    async def parent(run: Run) -> None:
        await run.do(b, "x")
        await run.saga(inner)
        await run.do(b, "y")
        await run.do(fails, "z")

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, outer, inner) as coordinator:
            ran = await world.rest(await coordinator.start(outer, run_id="run"))
            assert ran.status is RunStatus.COMPENSATED
            assert (await world.rest(coordinator.handle("run/2"))).status is RunStatus.COMPENSATED

    asyncio.run(scenario())
    undone = [(entry.run_id, entry.step) for entry in world.entries if entry.kind == "undo"]
    assert undone == [("run", "3"), ("run/2", "2"), ("run/2", "1"), ("run", "1")]
    assert world.effects == set()


def test_a_child_that_fails_fails_its_step(log_url: str) -> None:
    """What it did is undone by then; the parent unwinds, or goes another way."""
    world = World()
    a, fails = world.action("a"), world.action("fails", do=boom("no"), **ONCE)

    async def child(run: Run) -> None:
        await run.do(a, "1")
        await run.do(fails, "2")

    async def parent(run: Run) -> str:
        await run.do(a, "x")
        try:
            await run.saga(inner)
        except ActionError as error:
            return f"{error.action}: {error.error.message}"
        return ""

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, outer, inner) as coordinator:
            ran = await world.rest(await coordinator.start(outer, run_id="run"))
            assert ran.status is RunStatus.COMPLETED
            assert ran.output == "saga:child: run 'run/2' is compensated: Boom: no"

    asyncio.run(scenario())
    assert world.effects == {("run", "1")}


def test_a_child_that_cannot_be_undone_completely_remains(log_url: str) -> None:
    """It is undone but for what is irreversible in it, and its parent never calls itself compensated."""
    world = World()
    a, mail = world.action("a"), world.action("mail", irreversible=True)
    fails = world.action("fails", do=boom(), **ONCE)

    async def child(run: Run) -> None:
        await run.all(run.do(a, "1"), run.do(mail, "2"))

    async def parent(run: Run) -> None:
        await run.saga(inner)
        await run.do(fails, "z")

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, outer, inner) as coordinator:
            ran = await world.rest(await coordinator.start(outer, run_id="run"))
            assert ran.status is RunStatus.PARTIALLY_COMPENSATED
            assert ran.remaining == {"1": "partly_undone"}

    asyncio.run(scenario())
    assert world.effects == {("run/1", "2")}


def test_cancelling_a_parent_cancels_its_children(shared_log_url: str) -> None:
    """Deeper ones too, one that waits for ever and one that is busy."""
    world, go_on = World(), asyncio.Event()

    async def hold(call: Any) -> None:
        await go_on.wait()

    a, slow = world.action("a"), world.action("slow", do=hold)

    async def leaf(run: Run) -> None:
        await run.do(a, "1")
        await run.wait_for("never")

    async def busy(run: Run) -> None:
        await run.do(slow, "1")

    async def middle(run: Run) -> None:
        await run.all(run.saga(first), run.saga(second))

    async def parent(run: Run) -> None:
        await run.saga(third)

    first, second, third, outer = sagas_of(leaf, busy, middle, parent)

    async def scenario() -> None:
        async with (
            world.coordinator(shared_log_url, first, second, third, outer) as coordinator,
            world.coordinator(shared_log_url) as client,
        ):
            handle = await coordinator.start(outer, run_id="run")
            await slow_is_entered()
            await client.handle("run").cancel(by="ada", reason="enough")
            go_on.set()
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED
            for run_id in ("run/1", "run/1/1", "run/1/2"):
                ran = await world.rest(coordinator.handle(run_id))
                assert ran.status is RunStatus.COMPENSATED
                assert ran.all_of(e.RunFailing)[0].by == f"run {run_id.rpartition('/')[0]}"

    async def slow_is_entered() -> None:
        async with asyncio.timeout(20):
            while "slow" not in {entry.action for entry in world.entries}:
                world.entered.clear()
                await world.entered.wait()

    asyncio.run(scenario())
    assert world.effects == set()


@pytest.mark.parametrize("called_off", [False, True])
def test_a_child_that_the_log_does_not_take_is_started_later_unless_its_parent_fails(called_off: bool) -> None:
    """Nothing of that is the run's business: it goes on where it is, and uses up no attempt."""
    world = World()
    a = world.action("a")
    is_refused, is_back = asyncio.Event(), asyncio.Event()

    class Away(MemoryLog):
        async def append(self, run_id: str, *arguments: Any, **keywords: Any) -> None:
            if run_id == "run/2" and not is_back.is_set():
                is_refused.set()
                raise LogUnavailable("a test")
            await super().append(run_id, *arguments, **keywords)

    async def child(run: Run) -> None:
        await run.do(a, "1")

    async def parent(run: Run) -> None:
        await run.do(a, "x")
        await run.saga(inner)

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(Away(), outer, inner) as coordinator:
            handle = await coordinator.start(outer, run_id="run")
            async with asyncio.timeout(20):
                await is_refused.wait()
            if called_off:
                await handle.cancel(by="ada", reason="enough")
            is_back.set()
            ran = await world.rest(handle)
            assert len(ran.all_of(e.RunClaimed)) == 1
            if called_off:
                assert ran.status is RunStatus.COMPENSATED
                with pytest.raises(UnknownName):
                    await coordinator.handle("run/2").status()
            else:
                assert ran.status is RunStatus.COMPLETED

    asyncio.run(scenario())
    assert world.effects == (set() if called_off else {("run", "1"), ("run/2", "1")})


def test_parents_never_keep_their_children_out(log_url: str) -> None:
    """One place, twenty parents, three generations: whoever waits for a run gives its place to it."""
    world = World()
    a = world.action("a")

    async def leaf(run: Run) -> str:
        return await run.do(a, "x")

    async def middle(run: Run) -> str:
        return await run.saga(inner)

    async def parent(run: Run) -> tuple[Any, ...]:
        return await run.all(run.saga(between), run.saga(between))

    inner, between, outer = sagas_of(leaf, middle, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, inner, between, outer, max_running=1) as coordinator:
            handles = await asyncio.gather(*(coordinator.start(outer, run_id=f"run-{n}") for n in range(20)))
            for handle in handles:
                assert (await world.rest(handle)).output == ("X", "X")
            assert coordinator._hosting is not None
            async with asyncio.timeout(20):
                while coordinator._hosting.drivers:
                    await handle.history()
            assert coordinator._host.places.free_count == 1

    asyncio.run(scenario())


def test_a_parked_child_is_waited_for(log_url: str) -> None:
    """Its parent unwinds, waits until a person has dealt with the child, and ends as it should."""
    world = World()
    a = world.action("a", undo=[boom("stuck")] * 3)
    fails = world.action("fails", do=boom(), **ONCE)

    async def child(run: Run) -> None:
        await run.do(a, "1")

    async def parent(run: Run) -> None:
        await run.saga(inner)
        await run.do(fails, "z")

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, inner, outer) as coordinator:
            handle = await coordinator.start(outer, run_id="run")
            of_child = coordinator.handle("run/1")
            await until(handle, e.CompensationStarted)
            async with asyncio.timeout(20):
                while await of_child.status() is not RunStatus.PARKED:
                    await handle.status()
            assert await handle.status() is RunStatus.UNWINDING
            await of_child.retry(by="ada", reason="mended")
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED

    asyncio.run(scenario())
    assert world.effects == set()


def test_a_parent_that_is_taken_over_goes_on_waiting(shared_log_url: str) -> None:
    """The child is not started again, and its end is not missed, whoever hosts which."""
    world, go_on = World(), asyncio.Event()

    async def hold(call: Any) -> None:
        await go_on.wait()

    slow, b = world.action("slow", do=hold), world.action("b")

    async def child(run: Run) -> str:
        await run.wait_for("go")
        return await run.do(b, "x")

    async def parent(run: Run) -> str:
        return await run.saga(inner)

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, inner, outer) as one:
            await one.start(outer, run_id="run")
            async with asyncio.timeout(20):
                while True:
                    try:
                        await until(one.handle("run/1"), e.SignalAwaited)
                        break
                    except UnknownName:
                        await asyncio.sleep(0)
        async with world.coordinator(shared_log_url, inner, outer) as two:
            await two.signal("run/1", "go", by="ada")
            ran = await world.rest(two.handle("run"))
            assert ran.output == "X"
            assert [event.attempt for event in ran.all_of(e.ActionStarted)] == [1]
            assert len(ran.all_of(e.RunClaimed)) == 2

    asyncio.run(scenario())
    assert slow is not None


def test_closing_while_a_parent_waits_is_no_fault(log_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was to be recorded, and whoever is next waits for the child again."""
    world, has_child = World(), asyncio.Event()
    log = MemoryLog() if log_url == "memory://" else log_url

    async def child(run: Run) -> None:
        has_child.set()
        await run.wait_for("go")

    async def parent(run: Run) -> None:
        await run.saga(inner)

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log, outer, inner) as coordinator:
            await coordinator.start(outer, run_id="run")
            await has_child.wait()
            await until(coordinator.handle("run/1"), e.SignalAwaited)
        assert [record.getMessage() for record in caplog.records if record.name.startswith("amends")] == []
        async with world.coordinator(log, outer, inner) as coordinator:
            await coordinator.handle("run/1").signal("go", by="ada")
            assert (await world.rest(coordinator.handle("run"))).status is RunStatus.COMPLETED

    asyncio.run(scenario())


def test_a_run_of_that_id_that_is_another_is_left_alone(log_url: str) -> None:
    """The step fails, and says why; what was done before is undone."""
    world = World()
    a = world.action("a")

    async def child(run: Run, text: str) -> str:
        return await run.do(a, text)

    async def parent(run: Run) -> str:
        return await run.saga(inner, "mine")

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, inner, outer) as coordinator:
            theirs = await coordinator.start(inner, "theirs", run_id="run/1")
            ran = await world.rest(await coordinator.start(outer, run_id="run"))
            assert ran.status is RunStatus.COMPENSATED
            assert ran.error is not None
            assert "RunConflict" in ran.error.reason
            assert (await world.rest(theirs)).output == "THEIRS"

    asyncio.run(scenario())


def test_what_is_no_saga_of_this_coordinator_is_refused(log_url: str) -> None:
    world = World()

    async def child(run: Run) -> None: ...

    async def parent(run: Run) -> str:
        with pytest.raises(DefinitionError, match=r"run\.saga takes a Saga"):
            await run.saga(child)  # type: ignore[call-overload]
        try:
            await run.saga(inner)
        except UnknownName as error:
            return str(error)
        return ""

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, outer) as coordinator:
            ran = await world.rest(await coordinator.start(outer, run_id="run"))
            assert "no saga 'child'" in ran.output

    asyncio.run(scenario())


def test_a_long_id_gives_its_children_ids_that_fit(log_url: str) -> None:
    world = World()
    a = world.action("a")

    async def child(run: Run) -> str:
        return await run.do(a, run.run_id)

    async def parent(run: Run) -> str:
        return await run.saga(inner)

    inner, outer = sagas_of(child, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, inner, outer) as coordinator:
            ran = await world.rest(await coordinator.start(outer, run_id="r" * 199))
            assert len(ran.output) == 36

    asyncio.run(scenario())


@pytest.mark.parametrize("leaves", ["closes", "dies"])
def test_a_parent_that_is_cancelled_while_nobody_has_it_calls_its_children_off(
    shared_log_url: str, leaves: str
) -> None:
    """Whoever takes it up next finds it failing, with a child that waits for ever."""
    world = World()

    async def waits(run: Run) -> None:
        await run.wait_for("go")

    async def parent(run: Run) -> None:
        await run.saga(child)

    [child, outer] = sagas_of(waits, parent)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, outer, child, max_running=0) as client:
            async with world.coordinator(shared_log_url, outer, child, lease_seconds=0.5) as worker:
                await worker.start(outer, run_id="run")
                async with asyncio.timeout(20):
                    while not await worker._log.read("run/1"):
                        pass
                if leaves == "dies":
                    assert worker._hosting is not None
                    worker._hosting.drivers["run"].lose()  # It is nobody's for as long as the lease holds.
                    await client.handle("run").cancel(by="ada", reason="no")
            if leaves == "closes":
                await client.handle("run").cancel(by="ada", reason="no")
            async with world.coordinator(shared_log_url, outer, child, lease_seconds=0.5) as worker:
                assert (await world.rest(worker.handle("run"))).status is RunStatus.COMPENSATED
                assert (await world.rest(worker.handle("run/1"))).status is RunStatus.COMPENSATED

    asyncio.run(scenario())


@pytest.mark.parametrize("why", ["irreversible", "committed"])
def test_the_plan_of_an_undo_tells_of_what_stands_in_children(log_url: str, why: str) -> None:
    """Before anybody asks for the undo; what comes of it then is the same."""
    world = World()
    a, mail = world.action("a"), world.action("mail", irreversible=True)

    async def child(run: Run) -> None:
        await run.do(a if why == "committed" else mail, "x")
        if why == "committed":
            await run.commit()

    async def between(run: Run) -> None:
        await run.saga(inner)

    async def parent(run: Run) -> None:
        await run.do(a, "x")
        await run.saga(middle)

    inner, middle, outer = sagas_of(child, between, parent)

    async def scenario() -> None:
        async with world.coordinator(log_url, outer, middle, inner) as coordinator:
            handle = await coordinator.start(outer, run_id="run")
            await world.rest(handle)
            [remaining] = (await handle.undo_plan()).remaining
            assert (remaining.step, remaining.why) == ("2", e.RemainingWhy.PARTLY_UNDONE)
            [within] = (await coordinator.handle("run/2").undo_plan()).remaining
            assert within.why is (e.RemainingWhy.PARTLY_UNDONE if why == "irreversible" else e.RemainingWhy.UNDO_FAILED)

    asyncio.run(scenario())
