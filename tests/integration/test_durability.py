"""A handler is entered, and a result is told, only when the events that it rests on are durable."""

import asyncio
from collections.abc import Sequence

import pytest

from amends import Call, LogUnavailable, Run, RunFailed, RunStatus
from amends.saga import driver
from amends.saga import events as e
from amends.saga.log.memory import MemoryLog
from amends.saga.log.port import Record, Standing
from tests.worlds import World, a_saga, boom, trail


class HeldLog(MemoryLog):
    """Appends only when it is let, one append at a time; can fail before, or after the fact.

    Attributes:
        waiting: the topics of the append that waits; changes are told by `changed`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[str] = []
        self.asked = asyncio.Event()
        self._let = asyncio.Semaphore(0)
        self.fail_before: set[int] = set()
        self.fail_after: set[int] = set()
        self.count = 0

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        self.waiting = [record.topic.rpartition(":")[2] for record in records]
        self.asked.set()
        await self._let.acquire()
        self.waiting = []
        self.count += 1
        if self.count in self.fail_before:
            raise LogUnavailable("not now")
        await super().append(run_id, expected_version, records, standing, ring)
        if self.count in self.fail_after:
            raise LogUnavailable("perhaps")

    async def next_append(self) -> list[str]:
        """Return what the next append is to write."""
        await self.asked.wait()
        self.asked.clear()
        for _ in range(20):  # Whatever runs ahead of the disk has run by then.
            await asyncio.sleep(0)
        return self.waiting

    def let(self, count: int = 1) -> None:
        """Let so many appends through."""
        for _ in range(count):
            self._let.release()


def test_each_entry_and_each_result_waits_for_its_append() -> None:
    """Start, do, undo, end: nothing happens outside before the append returns."""
    log, world = HeldLog(), World()
    a = world.action("a")

    async def body(run: Run) -> None:
        await run.do(a, "x")
        raise RuntimeError("off")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log, saga) as coordinator:
            starting = asyncio.create_task(coordinator.start(saga, run_id="run"))
            assert await log.next_append() == ["RunStarted", "RunClaimed", "ActionStarted"]
            assert not starting.done()
            assert world.entries == []
            log.let()
            handle = await starting
            waiting = asyncio.create_task(handle.result())
            assert await log.next_append() == ["ActionSucceeded", "RunFailing", "CompensationStarted"]
            assert world.entered_steps() == ["1"]
            assert world.entered_steps("undo") == []
            log.let()
            assert await log.next_append() == ["ActionCompensated", "RunCompensated"]
            assert world.entered_steps("undo") == ["1"]
            assert not waiting.done()
            log.let()
            with pytest.raises(RunFailed):
                await waiting

    asyncio.run(scenario())


def test_a_completed_result_waits_for_its_append() -> None:
    """Nobody is told of a result that a crash could still undo."""
    log, world = HeldLog(), World()

    async def body(run: Run) -> str:
        return "done"

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log, saga) as coordinator:
            starting = asyncio.create_task(coordinator.start(saga, run_id="run"))
            await log.next_append()
            others = [asyncio.create_task(coordinator.run(saga, run_id="run")) for _ in range(3)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in [starting, *others])
            log.let(2)
            assert await asyncio.gather(*others) == ["done"] * 3
            assert await (await starting).result() == "done"

    asyncio.run(scenario())


def test_a_cancel_is_told_when_it_is_durable() -> None:
    """Whoever cancels knows afterwards that it cannot be forgotten."""
    log, world, go_on = HeldLog(), World(), asyncio.Event()

    async def wait(call: Call) -> None:
        await go_on.wait()

    a = world.action("a", do=wait)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log, saga) as coordinator:
            log.let()
            handle = await coordinator.start(saga, run_id="run")
            log.asked.clear()
            cancelling = asyncio.create_task(handle.cancel(by="ada", reason="?"))
            assert await log.next_append() == ["RunFailing"]
            assert not cancelling.done()
            log.let()
            assert await cancelling is RunStatus.UNWINDING
            log.let(9)
            go_on.set()
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED

    asyncio.run(scenario())


@pytest.mark.parametrize("fails", ["fail_before", "fail_after"])
def test_a_start_that_may_be_lost_is_told_and_can_be_asked_again(fails: str) -> None:
    """No handler has been entered; the same start finds or makes the one run."""
    log, world = HeldLog(), World()
    a = world.action("a")

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log, saga, drain_seconds=0) as coordinator:
            getattr(log, fails).add(1)
            log.let()
            with pytest.raises(LogUnavailable):
                await coordinator.start(saga, run_id="run")
            assert world.entries == []
            log.let(9)
            handle = await coordinator.start(saga, run_id="run")
            if fails == "fail_before":
                assert (await world.rest(handle)).output == "X"
            else:
                # It is there; who goes on with it is the business of whoever claims it.
                assert (await handle.history())[0].TOPIC == e.RunStarted.TOPIC

    asyncio.run(scenario())


def test_what_follows_from_a_result_shares_its_commit() -> None:
    """The start with step 1, its result with steps 2 and 3, their results with steps 4 and 5, the last with the end."""
    log, world = HeldLog(), World()
    a = world.action("a")
    log.let(99)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.all(run.do(a, "y"), run.do(a, "z"))
        await asyncio.gather(run.do(a, "y"), run.do(a, "z"))

    assert asyncio.run(world.run(log, body)).status is RunStatus.COMPLETED
    assert log.count == 4


@pytest.mark.parametrize("fails", ["fail_before", "fail_after"])
@pytest.mark.parametrize("nth", range(2, 9))
def test_an_outage_in_the_middle_is_waited_out(monkeypatch: pytest.MonkeyPatch, fails: str, nth: int) -> None:
    """The same append again, until it is through: no event twice, no handler entered a second time."""
    monkeypatch.setattr(driver, "OUTAGE_PAUSE_SECONDS", 0.0)
    log, world = HeldLog(), World()
    a, bad = world.action("a", undo=[boom()]), world.action("bad", do=boom())
    getattr(log, fails).update({nth, nth + 1})
    log.let(99)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(bad, "y")

    ran = asyncio.run(world.run(log, body))
    assert ran.status is RunStatus.COMPENSATED
    assert log.count > nth
    assert world.entered_steps() == ["1", "2", "2", "2"]
    assert world.entered_steps("undo") == ["1", "1"]


def test_a_run_that_somebody_else_has_taken_is_let_go_of() -> None:
    """A foreign event at our version: nothing more is entered here, and the log keeps what the other wrote."""
    log, world, go_on = MemoryLog(), World(), asyncio.Event()

    async def wait(call: Call) -> None:
        await go_on.wait()

    a, b = world.action("a", do=wait), world.action("b")

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(b, "y")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await world.entered.wait()
            history = await handle.history()
            claim = e.RunClaimed(occurred_at=history[0].occurred_at, worker="another", epoch=2)
            await log.append("run", len(history), [coordinator._codec.encode(claim)])
            go_on.set()
        async with world.coordinator(log, saga) as reader:
            assert await reader.handle("run").history() == [*history, claim]
        assert trail(history) == ["do 1"]

    asyncio.run(scenario())
    assert world.entered_steps() == ["1"]
