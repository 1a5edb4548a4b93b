"""Waiting for times and signals: in one process and over several, early, late, twice, and when nobody listens."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from amends import (
    CommandRefused,
    DefinitionError,
    InvalidValue,
    Run,
    RunFailed,
    RunHandle,
    RunStatus,
    Saga,
    SignalConflict,
    SignalTimedOut,
    UnknownName,
)
from amends.saga import events as e
from amends.saga.log.memory import MemoryLog
from amends.saga.log.port import Record
from tests.worlds import World, a_saga, until


class Approval(BaseModel):
    """What a person says."""

    ok: bool


async def let_go(handle: RunHandle[Any], *coordinators: Any) -> None:
    """Return when nobody hosts the run."""
    async with asyncio.timeout(20):
        while any(handle.run_id in coordinator._hosting.drivers for coordinator in coordinators):
            await handle.status()


def test_a_run_that_waits_is_nobodys_and_goes_on_when_it_is_due(log_url: str) -> None:
    """It takes no place, it is claimed anew when its time has come, and what it did before is not done again."""
    world = World()
    a, b = world.action("a"), world.action("b")

    async def body(run: Run) -> str:
        await run.do(a, "x")
        before = run.now()
        await run.sleep(1.2)
        await run.do(b, "x")
        return str(run.now() - before >= timedelta(seconds=1.2))

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga, max_running=1) as coordinator:
            first = await coordinator.start(saga, run_id="first")
            await let_go(first, coordinator)
            second = await coordinator.start(saga, run_id="second")  # There is a place, because the first has none.
            for ran in (await world.rest(first), await world.rest(second)):
                assert (ran.status, ran.output) == (RunStatus.COMPLETED, "True")
                assert [event.epoch for event in ran.all_of(e.RunClaimed)] == [1, 2]
                assert not any(event.lapsed for event in ran.all_of(e.RunClaimed))

    asyncio.run(scenario())
    assert world.entered_steps(run_id="first") == ["1", "3"]


def test_a_short_wait_keeps_its_place(log_url: str) -> None:
    world = World()

    async def body(run: Run) -> None:
        await run.sleep(0.05)
        await run.sleep(0)

    ran = asyncio.run(world.run(log_url, body))
    assert len(ran.all_of(e.RunClaimed)) == 1
    assert len(ran.all_of(e.TimerFired)) == 2


def test_a_signal_from_another_process_wakes_the_run(shared_log_url: str) -> None:
    """Whoever hosts it next has the payload, and every replay gives each wait what it was given first."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> list[Any]:
        first = await run.wait_for("approved", Approval)
        await run.do(a, "x")
        second = await run.wait_for("approved", Approval, timeout_seconds=60)
        await run.sleep(1.1)
        return [first.ok, second.ok]

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as one, world.coordinator(shared_log_url) as client:
            handle = await one.start(saga, run_id="run")
            await let_go(handle, one)
            await client.signal("run", "approved", {"ok": True}, by="ada")
            await client.handle("run").signal("approved", {"ok": False}, by="bob")
            ran = await world.rest(handle)
            assert ran.output == [True, False]
            assert [(event.by, event.payload) for event in ran.all_of(e.SignalReceived)] == [
                ("ada", '{"ok":true}'),
                ("bob", '{"ok":false}'),
            ]

    asyncio.run(scenario())
    assert world.entered_steps() == ["2"]


def test_a_signal_that_comes_before_the_wait_is_kept(log_url: str) -> None:
    """While a handler is at it, and the run is hosted: it needs no claim, and no wait."""
    world, go_on = World(), asyncio.Event()

    async def hold(call: Any) -> None:
        await go_on.wait()

    a = world.action("a", do=hold)

    async def body(run: Run) -> list[Any]:
        await run.do(a, "x")
        return [await run.wait_for("number", int), await run.wait_for("number", int), await run.wait_for("text", str)]

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await world.entered.wait()
            for number in (1, 2):
                await handle.signal("number", number, by="ada")
            await handle.signal("text", "three", by="ada")
            go_on.set()
            ran = await world.rest(handle)
            assert ran.output == [1, 2, "three"]
            assert len(ran.all_of(e.RunClaimed)) == 1

    asyncio.run(scenario())


def test_commands_reach_a_run_that_is_busy_in_another_process(shared_log_url: str) -> None:
    """The owner finds them behind its own events, goes on with what it has, and nothing is lost or done twice."""
    world, go_on = World(), asyncio.Event()

    async def hold(call: Any) -> None:
        await go_on.wait()

    a, b = world.action("a", do=hold), world.action("b")

    async def body(run: Run) -> int:
        await run.all(run.do(a, "x"), run.do(b, "y"))
        return sum([await run.wait_for("number", int) for _ in range(20)])

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as one, world.coordinator(shared_log_url) as client:
            handle = await one.start(saga, run_id="run")
            await until(handle, e.ActionSucceeded)
            told = (client.signal("run", "number", number, by="ada") for number in range(20))
            await asyncio.gather(*told)
            go_on.set()
            ran = await world.rest(handle)
            assert ran.output == sum(range(20))
            assert len(ran.all_of(e.RunClaimed)) == 1

    asyncio.run(scenario())
    assert sorted(world.entered_steps()) == ["1", "2"]


def test_a_signal_of_one_key_is_received_once(shared_log_url: str) -> None:
    """Eight senders in two processes at once; another payload under the same key is refused."""
    world = World()

    async def body(run: Run) -> list[Any]:
        first = await run.wait_for("paid", int)
        try:
            return [first, await run.wait_for("paid", int, timeout_seconds=0.2)]
        except SignalTimedOut as late:
            return [first, late.signal, late.step]

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as one, world.coordinator(shared_log_url) as two:
            handle = await one.start(saga, run_id="run")
            await asyncio.gather(*(it.signal("run", "paid", 7, by="bank", key="7") for it in (one, two) * 4))
            with pytest.raises(SignalConflict, match="another signal of the key '7'"):
                await two.signal("run", "paid", 8, by="bank", key="7")
            ran = await world.rest(handle)
            assert ran.output == [7, "paid", "2"]
            assert len(ran.all_of(e.SignalReceived)) == 1
            await two.signal("run", "paid", 7, by="bank", key="7")  # It is on record, so it was told.
            with pytest.raises(CommandRefused, match="is completed: nobody would hear"):
                await two.signal("run", "paid", 7, by="bank")

    asyncio.run(scenario())


def test_a_wait_that_is_over_unwinds_the_run_unless_it_is_caught(log_url: str) -> None:
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.wait_for("approved", Approval, timeout_seconds=0.05)

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.error is not None
    assert ran.error.reason == "SignalTimedOut: no signal 'approved' came in time (step 2)"
    assert world.effects == set()


def test_waits_side_by_side(log_url: str) -> None:
    """In branches of their own or as they are, beside steps; each name has its own queue."""
    world = World()
    a = world.action("a")

    async def branch(run: Run, signal: str) -> str:
        return await run.do(a, await run.wait_for(signal, str))

    async def body(run: Run) -> list[Any]:
        both = await run.all(branch(run, "one"), branch(run, "two"))
        return [*both, *await run.all(run.sleep(0.01), run.do(a, "x"), run.wait_for("three"))]

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            for signal in ("three", "two", "one"):
                await handle.signal(signal, None if signal == "three" else signal, by="ada")
            ran = await world.rest(handle)
            assert ran.output == ["ONE", "TWO", None, "X", None]

    asyncio.run(scenario())


def test_a_saga_that_declares_its_signals_hears_no_others(log_url: str) -> None:
    """Neither a name that it does not know nor a payload that does not fit is recorded, and the saga is held to it."""
    world = World()

    async def function(run: Run) -> bool:
        with pytest.raises(DefinitionError, match="declares only approved"):
            await run.wait_for("aproved")
        approval: Approval = await run.wait_for("approved")
        return approval.ok

    saga: Saga[None, bool] = Saga("declared", version=1, function=function, signals={"approved": Approval})

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            with pytest.raises(UnknownName, match="no signal 'aproved'; known: approved"):
                await handle.signal("aproved", {"ok": True}, by="ada")
            with pytest.raises(InvalidValue, match=r"payload\.ok: Field required"):
                await handle.signal("approved", {"okay": True}, by="ada")
            await handle.signal("approved", {"ok": True}, by="ada")
            assert (await world.rest(handle)).output is True

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("signal", "error"),
    [
        ({"name": "a b"}, DefinitionError),
        ({"payload": float("nan")}, InvalidValue),
        ({"payload": "\ud800"}, InvalidValue),
        ({"payload": "x" * 2_000_000}, InvalidValue),
        ({"payload": object()}, InvalidValue),
        ({"by": " "}, InvalidValue),
        ({"key": ""}, InvalidValue),
        ({"key": "k" * 201}, InvalidValue),
    ],
)
def test_a_signal_that_cannot_be_kept_is_refused(log_url: str, signal: dict[str, Any], error: type[Exception]) -> None:
    world = World()

    async def body(run: Run) -> None:
        await run.wait_for("x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await until(handle, e.SignalAwaited)
            before = await handle.history()
            with pytest.raises(error):
                await handle.signal(**{"name": "x", "by": "ada"} | signal)
            assert await handle.history() == before
            await handle.signal("x", by="ada")
            await world.rest(handle)

    asyncio.run(scenario())


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 10**10, "1", True, None])
def test_a_time_that_is_none_is_refused(seconds: Any) -> None:
    world = World()

    async def body(run: Run) -> None:
        with pytest.raises(InvalidValue, match="seconds"):
            await run.sleep(seconds)
        if seconds is not None:
            with pytest.raises(InvalidValue, match="timeout_seconds"):
                await run.wait_for("x", timeout_seconds=seconds)

    assert asyncio.run(world.run("memory://", body)).status is RunStatus.COMPLETED


def test_what_is_derived_is_the_same_in_every_replay(log_url: str) -> None:
    """Times, UUIDs and random numbers, in branches, too; and no two of one run are alike."""
    world = World()
    a = world.action("a")
    seen: list[list[Any]] = []

    async def branch(run: Run) -> list[Any]:
        await run.do(a, "x")
        return [run.now(), run.uuid(), run.random().random()]

    async def body(run: Run) -> None:
        values = [run.now(), run.uuid(), run.uuid(), run.random().random(), run.random().random()]
        for more in await run.all(branch(run), branch(run)):
            values += more
        values.append(run.now())
        seen.append(values)
        await run.sleep(1.2)
        seen.append([run.now()])

    asyncio.run(world.run(log_url, body))
    first, replayed, slept = seen
    assert first == replayed
    assert len(set(first[1:])) > len(first) - 4  # The last time is that of one of the branches.
    assert first[0] < first[-1] < slept[0]


def test_a_run_that_is_abandoned_or_cancelled_while_it_waits_ends(shared_log_url: str) -> None:
    """From a process that does not know its saga, as well."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.wait_for("never")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as one, world.coordinator(shared_log_url) as client:
            cancelled, abandoned = [await one.start(saga, run_id=name) for name in ("cancelled", "abandoned")]
            for handle in (cancelled, abandoned):
                await let_go(handle, one)
            assert await client.handle("cancelled").cancel(by="ada", reason="?") is RunStatus.UNWINDING
            assert await client.handle("abandoned").abandon(by="ada", reason="?") is RunStatus.ABANDONED
            assert (await world.rest(cancelled)).status is RunStatus.COMPENSATED
            ran = await world.rest(abandoned)
            assert ran.status is RunStatus.ABANDONED
            assert ran.remaining == {"1": "abandoned"}
            with pytest.raises(RunFailed, match="is abandoned: abandoned by ada"):
                await abandoned.result()

    asyncio.run(scenario())
    assert world.effects == {("abandoned", "1")}


def test_a_deadline_undoes_a_run_whatever_it_does(log_url: str) -> None:
    """It works, it waits, or nobody hosts it; a run that is in time knows nothing of it."""
    world = World()

    async def hold(call: Any) -> None:
        await asyncio.sleep(0.3)

    slow, a = world.action("slow", do=hold), world.action("a")

    async def busy(run: Run) -> None:
        await run.do(slow, "x")
        await run.do(a, "x")

    async def waiting(run: Run) -> None:
        await run.do(a, "x")
        await run.wait_for("never")

    async def quick(run: Run) -> None:
        await run.do(a, "x")

    sagas: list[Saga[None, None]] = [Saga(f.__name__, version=1, function=f) for f in (busy, waiting, quick)]

    async def scenario() -> None:
        async with world.coordinator(log_url, *sagas) as coordinator:
            handles = [
                await coordinator.start(saga, run_id=saga.name, deadline_seconds=seconds)
                for saga, seconds in zip(sagas, (0.1, 1.3, 60), strict=True)
            ]
            busy_run, waiting_run, quick_run = [await world.rest(handle) for handle in handles]
            for ran in (busy_run, waiting_run):
                assert ran.status is RunStatus.COMPENSATED
                assert ran.error is not None
                assert "DeadlineExceeded: the run was to have ended by" in ran.error.reason
            assert busy_run.trail[1:3] == ["FAILING", "done 1"]
            assert quick_run.status is RunStatus.COMPLETED
            with pytest.raises(InvalidValue, match="deadline_seconds"):
                await coordinator.start(sagas[0], deadline_seconds=0)

    asyncio.run(scenario())
    assert world.effects == {("quick", "1")}


def test_a_signal_reads_its_run_once_at_most() -> None:
    """Not at all where the run is hosted; else once, to decide on what was read."""
    world = World()
    reads: list[str] = []

    class Counting(MemoryLog):
        async def read(self, run_id: str, after_version: int = 0) -> list[Record]:
            reads.append(run_id)
            return await super().read(run_id, after_version)

    async def hears(run: Run) -> None:
        await run.wait_for("news", int, timeout_seconds=0.5)
        await run.wait_for("news", int)

    hearing = a_saga(hears)
    log = Counting()

    async def scenario() -> None:
        async with world.coordinator(log, hearing) as coordinator:
            handle = await coordinator.start(hearing, run_id="run")
            reads.clear()
            await handle.signal("news", 1, by="ada")
            assert reads == []
        async with world.coordinator(log, hearing, max_running=0) as client:
            reads.clear()
            await client.signal("run", "news", 2, by="ada")
            assert reads == ["run"]

    asyncio.run(scenario())
