"""Attempts that do not end in time, and handlers that go on when they should have stopped."""

import asyncio
import threading

import pytest
from tenacity import stop_after_attempt, wait_none

from amends import Action, Call, Run, RunStatus
from amends.actions import entering
from amends.saga import events as e
from tests.worlds import World, a_saga, until


class SlowThread:
    """An action with a plain handler that acts only when it is let go, long after its time is up."""

    def __init__(self, world: World, *, undo_timeout: float = 60.0, undo_attempts: int = 3) -> None:
        self.world = world
        self.let_go = threading.Event()
        self.acted = threading.Event()
        self.undone_before_it_acted: bool | None = None
        self.action: Action[str, str] = Action(
            "slow", do=self.do, timeout=0.01, stop=stop_after_attempt(1), wait=wait_none()
        )
        self.action.undo(timeout=undo_timeout, stop=stop_after_attempt(undo_attempts), wait=wait_none())(self.undo)
        world.actions.append(self.action)

    def do(self, value: str, call: Call) -> str:
        self.world.note("do", "slow", call)
        self.let_go.wait(30)
        self.world.effects.add((call.run_id, call.step))
        self.acted.set()
        return value

    def undo(self, value: str, output: str | None, call: Call) -> None:
        self.world.note("undo", "slow", call)
        self.undone_before_it_acted = not self.acted.is_set()
        self.world.outcomes.append((call.step, output, call.outcome))
        self.world.effects.discard((call.run_id, call.step))


def test_a_timed_out_thread_is_not_undone_before_it_has_ended(log_url: str) -> None:
    """Its outcome is unknown; the run is not reported compensated while it may still act; then its effect is undone."""
    world = World()
    slow = SlowThread(world)

    async def body(run: Run) -> None:
        await run.do(slow.action, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await until(handle, e.CompensationStarted)
            assert await handle.status() is RunStatus.UNWINDING
            assert world.entered_steps("undo") == []
            slow.let_go.set()
            ran = await world.rest(handle)
        assert ran.trail == ["do 1", "unknown 1", "FAILING", "undo 1", "undone 1", "COMPENSATED"]
        [unknown] = ran.all_of(e.ActionUnknown)
        assert unknown.why is e.UnknownWhy.TIMED_OUT

    asyncio.run(scenario())
    assert slow.undone_before_it_acted is False
    assert world.outcomes == [("1", None, "unknown")]
    assert world.effects == set()


def test_a_thread_that_never_ends_parks_the_run(log_url: str) -> None:
    """Its undo is not entered; the run says that an attempt is still running, and is not called compensated."""
    world = World()
    slow = SlowThread(world, undo_timeout=0.01, undo_attempts=2)

    async def body(run: Run) -> None:
        await run.do(slow.action, "x")

    ran = asyncio.run(world.run(log_url, body))
    slow.let_go.set()
    assert ran.status is RunStatus.PARKED
    assert world.entered_steps("undo") == []
    assert ran.error is not None
    assert "still running" in ran.error.reason


def test_a_thread_that_outlives_the_parking_still_holds_back_its_undo(log_url: str) -> None:
    """A retry by a person must not enter the undo beside the attempt either."""
    world = World()
    slow = SlowThread(world, undo_timeout=0.01, undo_attempts=2)

    async def body(run: Run) -> None:
        await run.do(slow.action, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await world.rest(handle)
            await handle.retry(by="ada", reason="?")
            ran = await world.rest(handle)
            assert world.entered_steps("undo") == []
            assert ran.status is RunStatus.PARKED
            slow.let_go.set()
            await asyncio.to_thread(slow.acted.wait, 30)
            await handle.retry(by="ada", reason="it has ended now")
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED

    try:
        asyncio.run(scenario())
    finally:
        slow.let_go.set()
    assert world.effects == set()


def test_a_timed_out_async_handler_is_cancelled_and_unknown(log_url: str) -> None:
    """It is retried with the same key; after the last attempt its undo is offered the unknown outcome."""
    world = World()
    cancelled: list[str] = []

    async def hang(call: Call) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(call.step)
            raise

    a = world.action("a", do=hang, timeout=0.01, stop=stop_after_attempt(2))

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert cancelled == ["1", "1"]
    assert ran.trail == ["do 1", "unknown 1", "do 1", "unknown 1", "FAILING", "undo 1", "undone 1", "COMPENSATED"]
    assert world.outcomes == [("1", None, "unknown")]
    assert ran.error is not None
    assert "no answer within 0.01 s" in ran.error.reason


def test_a_handler_that_swallows_its_cancellation_has_still_timed_out(log_url: str) -> None:
    """What it returns after its time is no success; and its undo waits until it has ended."""
    world = World()

    async def swallow(call: Call) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    a = world.action("a", do=swallow, timeout=0.01, stop=stop_after_attempt(1))

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.trail == ["do 1", "unknown 1", "FAILING", "undo 1", "undone 1", "COMPENSATED"]
    assert world.effects == set()


def test_a_handler_that_goes_on_after_its_cancellation_holds_back_its_undo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grace is bounded, and what is still running then is a straggler: undone when it has ended, not before."""
    monkeypatch.setattr(entering, "CANCEL_GRACE_SECONDS", 0.01)
    world, let_go = World(), asyncio.Event()

    async def go_on(call: Call) -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    a = world.action("a", do=go_on, timeout=0.01, stop=stop_after_attempt(1))

    async def body(run: Run) -> None:
        await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator("memory://", saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await until(handle, e.CompensationStarted)
            assert world.entered_steps("undo") == []
            let_go.set()
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED

    asyncio.run(scenario())
    assert world.effects == set()


def test_a_late_async_result_is_no_second_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that was given up and returns while the next attempt is under way adds no event, and ends nothing."""
    monkeypatch.setattr(entering, "CANCEL_GRACE_SECONDS", 0.01)
    world, let_go, second, returned = World(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def cling(call: Call) -> None:
        if call.attempt > 1:
            second.set()
            await returned.wait()
            return
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        returned.set()

    a = world.action("a", do=cling, timeout=0.1, stop=stop_after_attempt(2), wait=wait_none())

    async def body(run: Run) -> None:
        await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator("memory://", saga) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await second.wait()
            let_go.set()
            ran = await world.rest(handle)
        assert ran.trail == ["do 1", "unknown 1", "do 1", "done 1", "COMPLETED"]

    asyncio.run(scenario())


def test_closing_does_not_wait_for_a_handler_that_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may never end; what was waited for is on record."""
    monkeypatch.setattr(entering, "CANCEL_GRACE_SECONDS", 0.01)
    world, let_go = World(), asyncio.Event()

    async def cling(call: Call) -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    a = world.action("a", do=cling, timeout=0.01, stop=stop_after_attempt(2), wait=lambda state: 3600)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator("memory://", saga, drain_seconds=30) as coordinator:
            handle = await coordinator.start(saga, run_id="run")
            await until(handle, e.ActionUnknown)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 20
        let_go.set()

    asyncio.run(scenario())


def test_a_late_result_is_no_second_end(log_url: str) -> None:
    """A thread that ends between two attempts adds no event of its own."""
    world = World()
    let_go = threading.Event()

    def do(value: str, call: Call) -> str:
        if call.attempt == 1:
            let_go.wait(30)
        return value

    async def undo(value: str, output: str | None) -> None: ...

    a: Action[str, str] = Action("a", do=do, undo=undo, timeout=0.05, wait=wait_none())
    world.actions.append(a)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        let_go.set()

    ran = asyncio.run(world.run(log_url, body))
    let_go.set()
    assert ran.trail == ["do 1", "unknown 1", "do 1", "done 1", "COMPLETED"]


def test_abandoned_threads_leave_places_for_others() -> None:
    """Abandoned threads give their places back: more plain handlers than places hang, and the next one runs."""
    world, let_go = World(), threading.Event()

    def hang(value: int) -> None:
        let_go.wait(30)

    def work(value: int) -> int:
        return value

    hanging: Action[int, None] = Action("hanging", do=hang, irreversible=True, timeout=0.01, on_unknown="undo")
    working: Action[int, int] = Action("working", do=work, irreversible=True)
    world.actions += [hanging, working]

    async def body(run: Run) -> int:
        results = await asyncio.gather(*(run.do(hanging, n) for n in range(80)), return_exceptions=True)
        assert all(isinstance(result, Exception) for result in results)
        return await run.do(working, 7)

    try:
        assert asyncio.run(world.run("memory://", body)).output == 7
    finally:
        let_go.set()


def test_no_time_limit_means_none() -> None:
    """With `timeout=None` an attempt has no deadline and is not given up."""
    world, deadlines = World(), []

    async def note(call: Call) -> None:
        deadlines.append(call.deadline)

    a = world.action("a", do=note, timeout=None)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    assert asyncio.run(world.run("memory://", body)).status is RunStatus.COMPLETED
    assert deadlines == [None]
