"""Limits of actions in one service: what they bound, what a wrong one is told, and what an operator sees."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import Action, Coordinator, DefinitionError, Rate, Run, RunFailed, RunStatus, Saga, action
from amends.console.cli import main
from amends.saga import events as e
from amends.saga.log.memory import MemoryLog
from amends.saga.log.open import open_log
from amends.testing.log_contract.limits import need
from amends.testing.log_contract.owners import beat


class Gauge:
    """How many calls are under way, and were at most."""

    def __init__(self) -> None:
        self.now = self.most = self.count = 0
        self.entered = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def call(self, value: int) -> int:
        await self._pass()
        return value

    async def undo(self, value: int, output: int | None) -> None:
        await self._pass()

    async def _pass(self) -> None:
        self.now += 1
        self.entered.set()
        self.count += 1
        self.most = max(self.most, self.now)
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0.01))
        finally:
            self.now -= 1


class SlowLog(MemoryLog):
    """Holds appends back while its gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.held = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def append(self, *what: Any, **more: Any) -> None:
        if not self.gate.is_set():
            self.held.set()
            await self.gate.wait()
        await super().append(*what, **more)


def limited(gauge: Gauge, **limits: Any) -> Action[int, int]:
    return Action("call", do=gauge.call, undo=gauge.undo, **limits)


def calling(called: Action[int, int], count: int, *, fails: bool = False) -> Saga[None, int]:
    async def calls(run: Run) -> int:
        found = await run.all(*(run.do(called, number) for number in range(count)))
        if fails:
            raise ValueError("on purpose")
        return sum(found)

    return Saga("calls", version=1, function=calls)


@pytest.fixture(params=["memory", "sqlite_url", "postgres_url"])
def log(request: pytest.FixtureRequest) -> Any:
    return MemoryLog() if request.param == "memory" else request.getfixturevalue(request.param)


def test_all_runs_of_all_coordinators_share_a_limit(log: Any) -> None:
    """And their undos: what is undone waits for its turn like what is done."""

    async def story() -> None:
        gauge = Gauge()
        called = limited(gauge, concurrency=2)
        saga = calling(called, 5, fails=True)
        async with (
            Coordinator(log, sagas=[saga], actions=[called]) as one,
            Coordinator(log, sagas=[saga], actions=[called]) as other,
        ):
            handles = [await (one, other)[number % 2].start(saga, run_id=f"run-{number}") for number in range(4)]
            for handle in handles:
                with pytest.raises(RunFailed) as failed:
                    await handle.result()
                assert failed.value.status is RunStatus.COMPENSATED
        assert (gauge.most, gauge.count) == (2, 40)

    asyncio.run(story())


def test_nothing_is_recorded_of_what_waits_for_a_permit(log: Any) -> None:
    """So that nothing of it is unknown when the process dies; and a cancelled run lets others pass."""

    async def story() -> None:
        gauge = Gauge()
        gauge.gate = asyncio.Event()
        called = limited(gauge, concurrency=1)
        saga = calling(called, 3)
        async with Coordinator(log, sagas=[saga], actions=[called]) as coordinator:
            first = await coordinator.start(saga, run_id="first")
            await gauge.entered.wait()
            second = await coordinator.start(saga, run_id="second")
            assert [type(event) for event in await second.history()] == [e.RunStarted, e.RunClaimed]
            await second.cancel(by="ada", reason="not needed")
            with pytest.raises(RunFailed):
                await second.result()
            assert not any(isinstance(event, e.ActionStarted) for event in await second.history())
            gauge.gate.set()
            assert await first.result() == 3
        assert gauge.most == 1

    asyncio.run(story())


def test_a_drain_does_not_wait_for_what_waits(log: Any) -> None:
    """The attempt under way ends, the others are left to whoever takes up the runs."""

    async def story() -> None:
        gauge = Gauge()
        gauge.gate = asyncio.Event()
        called = limited(gauge, concurrency=1)
        saga = calling(called, 3)
        async with Coordinator(log, sagas=[saga], actions=[called], drain_seconds=60.0) as coordinator:
            await coordinator.start(saga, run_id="run")
            await coordinator.start(saga, run_id="other")
            await gauge.entered.wait()
            asyncio.get_running_loop().call_later(0.2, gauge.gate.set)  # When it drains.
        assert gauge.count == 1
        async with Coordinator(log, sagas=[saga], actions=[called]) as coordinator:
            assert await coordinator.handle("run").result() == 3
            assert await coordinator.handle("other").result() == 3
        assert gauge.count == 6

    asyncio.run(story())


def test_a_run_is_called_off_however_many_of_its_attempts_wait() -> None:
    """A permit goes round all who wait while the cancel is on its way to the log, and is of use to none of them."""

    async def story() -> None:
        gauge, log = Gauge(), SlowLog()
        gauge.gate = asyncio.Event()
        called = limited(gauge, concurrency=1)
        saga = calling(called, 1_500)
        async with asyncio.timeout(60), Coordinator(log, sagas=[saga], actions=[called]) as coordinator:
            handle = await coordinator.start(saga, run_id="wide")
            await gauge.entered.wait()
            log.gate.clear()
            cancelling = asyncio.create_task(handle.cancel(by="ada", reason="not needed"))
            await log.held.wait()
            gauge.gate.set()
            for _ in range(100):  # Turns of the loop, in which the attempt ends and gives back its permit.
                await asyncio.sleep(0)
            log.gate.set()
            await cancelling
            with pytest.raises(RunFailed) as failed:
                await handle.result()
            assert failed.value.status is RunStatus.COMPENSATED
            assert not any(isinstance(event, e.RunClaimed) for event in (await handle.history())[2:])
        assert gauge.count == 2

    asyncio.run(story())


def test_whoever_waits_for_a_driver_that_breaks_off_is_told() -> None:
    """Also of what was asked of it when it had broken off already and had not left yet."""

    async def story() -> None:
        gauge, log = Gauge(), SlowLog()
        gauge.gate = asyncio.Event()
        called = limited(gauge, concurrency=1)
        saga = calling(called, 1)
        async with asyncio.timeout(20), Coordinator(log, sagas=[saga], actions=[called]) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await gauge.entered.wait()
            driver = coordinator._opened().drivers["run"]
            log.gate.clear()
            before = asyncio.create_task(handle.cancel(by="ada", reason="not needed"))
            await log.held.wait()
            driver.broke_off("call", RuntimeError("on purpose"))
            for waiting in (before, driver.durable()):
                with pytest.raises(RuntimeError, match="on purpose"):
                    await waiting
            log.gate.set()
            gauge.gate.set()

    asyncio.run(story())


def test_a_rate_bounds_what_begins(log: Any) -> None:
    """Five at once, and the next when the first have been counted for a whole span."""

    async def story() -> None:
        gauge = Gauge()
        called = limited(gauge, rate=Rate(5, per_seconds=0.4))
        saga = calling(called, 11)
        async with Coordinator(log, sagas=[saga], actions=[called]) as coordinator:
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert await coordinator.run(saga) == 55
            assert loop.time() - began > 0.8

    asyncio.run(story())


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, "3", 10**9])
def test_a_concurrency_is_a_whole_number(concurrency: Any) -> None:
    with pytest.raises(DefinitionError, match=r"concurrency=.*use a whole number from 1"):
        action("call", concurrency=concurrency)(lambda: None)


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(0, 1), (True, 1), (1.5, 1), (1, 0), (1, float("nan")), (1, float("inf")), (1, "1"), (1, True)],
)
def test_a_rate_has_a_count_and_a_span(count: Any, seconds: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Rate: (count|per_seconds)=.*use"):
        Rate(count, per_seconds=seconds)


def test_a_rate_is_no_number() -> None:
    with pytest.raises(DefinitionError, match="use Rate"):
        action("call", rate=100)(lambda: None)  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def _in(url: str, work: Callable[[Any], Awaitable[None]]) -> None:
    async def story() -> None:
        log = open_log(url)
        await log.open()
        await work(log)
        await log.close()

    asyncio.run(story())


def test_an_operator_sees_who_holds_and_who_waits(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without knowing a saga or an action."""

    async def ask(log: Any) -> None:
        for worker in ("ada", "bob"):
            beat(log, worker, 3600)
        await log.share(need("bob", waiting=9))
        await log.share(need("ada", waiting=2, size=5, rate=Rate(10, per_seconds=60)))

    _in(url, ask)
    assert main(["limits", "--url", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["kind", "name", "size", "held", "waiting", "by"],
        ["action", "mail", "4", "4", "9", "bob"],
        ["action", "mail", "5,", "10", "in", "60", "s", "0", "2", "ada"],
    ]
    assert main(["limits", "--url", url, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    counts = {"held": 4, "waiting": 9, "by": "bob"}
    assert first == {"kind": "action", "name": "mail", "size": 4, "rate": None, **counts}
    assert (second["size"], second["rate"]) == (5, {"count": 10, "per_seconds": 60.0})


def test_where_no_limit_is_in_use_that_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    _in(url, lambda log: log.shares())
    assert main(["limits", "--url", url]) == 0
    assert capsys.readouterr().out == "no limit is in use\n"
