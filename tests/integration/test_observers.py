"""Observers are told of what is durable and of what is entered here, and nothing that they do changes a run."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import pytest

from amends import Call, Coordinator, DefinitionError, Outcome, Run, RunConflict, RunStatus, Saga, action
from amends.saga import events as e
from amends.saga.codec import EventCodec
from amends.saga.events import RunStarted
from amends.saga.log.memory import MemoryLog
from amends.telemetry import Attempt, Figures, Observer, Recorded, Start
from tests.worlds import ONCE, World, a_saga, boom, trail

CANARY = "hunter2-canary"
HOOKS = ("opened", "closed", "starting", "attempting", "recorded")
FAULTS = (ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, StopIteration, MemoryError)


class Notes(Observer):
    """Notes what it is told."""

    def __init__(self, trace: Any = None) -> None:
        self.trace = trace
        self.starts: list[Start] = []
        self.attempts: list[Attempt] = []
        self.told: list[Recorded] = []
        self.figures: list[Any] = []

    def opened(self, figures: Any) -> None:
        self.figures.append(figures)

    def closed(self, figures: Any) -> None:
        self.figures.remove(figures)

    @contextmanager
    def starting(self, start: Start) -> Iterator[Any]:
        self.starts.append(start)
        yield self.trace

    @contextmanager
    def attempting(self, attempt: Attempt) -> Iterator[None]:
        self.attempts.append(attempt)
        yield

    def recorded(self, recorded: Recorded) -> None:
        self.told.append(recorded)

    @property
    def events(self) -> list[e.Event]:
        return [told.event for told in self.told]


class Failing(Observer):
    """Raises in each hook, at once or inside of its context manager."""

    def __init__(self, error: type[BaseException], *, late: str | None = None) -> None:
        self.error = error
        self.late = late
        self.hooks: set[str] = set()

    def fail(self, hook: str) -> None:
        self.hooks.add(hook)
        raise self.error(CANARY)

    def opened(self, figures: Any) -> None:
        self.fail("opened")

    def closed(self, figures: Any) -> None:
        self.fail("closed")

    def starting(self, start: Start) -> Any:
        return self.wrap("starting")

    def attempting(self, attempt: Attempt) -> Any:
        return self.wrap("attempting")

    def recorded(self, recorded: Recorded) -> None:
        self.fail("recorded")

    def wrap(self, hook: str) -> Any:
        if self.late is None:
            self.fail(hook)
        if self.late == "no context manager":
            self.hooks.add(hook)
            return 42
        return self.inside(hook)

    @contextmanager
    def inside(self, hook: str) -> Iterator[str | None]:
        if self.late == "on entering":
            self.fail(hook)
        yield None
        if self.late == "yields twice":
            self.hooks.add(hook)
            yield None
        self.fail(hook)


def going_and_failing(world: World) -> tuple[Saga[Any, Any], Saga[Any, Any]]:
    """Return a saga that completes, and one that is undone; their actions are made."""
    a = world.action("a")
    bad = world.action("bad", do=boom(), **ONCE)

    async def go(run: Run) -> str:
        return await run.do(a, "x")

    async def fail(run: Run) -> None:
        await run.do(a, "x")
        await run.do(bad, "x")

    return Saga("go", version=1, function=go), Saga("fail", version=1, function=fail)


@pytest.mark.parametrize("late", [None, "on entering", "on leaving", "yields twice", "no context manager"])
@pytest.mark.parametrize("error", FAULTS, ids=lambda kind: kind.__name__)
def test_an_observer_that_fails_harms_no_run(
    error: type[BaseException], late: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Everywhere, with every kind of exception; each kind is logged once, without its text."""
    world = World()
    go, fail = going_and_failing(world)
    before, failing, after = Notes(), Failing(error, late=late), Notes()

    async def scenario() -> None:
        async with world.coordinator("memory://", go, fail, observers=[before, failing, after]) as coordinator:
            for number in range(3):
                ran = await world.rest(await coordinator.start(go, run_id=f"go-{number}"))
                assert ran.status is RunStatus.COMPLETED
                ran = await world.rest(await coordinator.start(fail, run_id=f"fail-{number}"))
                assert ran.status is RunStatus.COMPENSATED
            with pytest.raises(RunConflict):
                await coordinator.start(fail, run_id="go-1")
            await world.rest(await coordinator.start(go, run_id="left", here=False))

    asyncio.run(scenario())
    assert failing.hooks == set(HOOKS)
    assert [type(event) for event in before.events] == [type(event) for event in after.events]
    assert len(before.attempts) == len(after.attempts) == 3 * (1 + 3) + 1
    said = [record.getMessage() for record in caplog.records if record.name == "amends.observers"]
    assert len(said) == len(set(said)) == len(HOOKS)
    assert CANARY not in caplog.text


def test_a_fault_is_said_although_logging_fails_as_well() -> None:
    """A filter of the user's raises: the run goes on all the same."""
    world = World()
    go, _ = going_and_failing(world)

    def refuse(record: logging.LogRecord) -> bool:
        raise RuntimeError("a filter that fails")

    async def scenario() -> None:
        async with world.coordinator("memory://", go, observers=[Failing(ValueError)]) as coordinator:
            assert (await world.rest(await coordinator.start(go))).status is RunStatus.COMPLETED

    logger = logging.getLogger("amends.observers")
    logger.addFilter(refuse)
    try:
        asyncio.run(scenario())
    finally:
        logger.removeFilter(refuse)


def test_what_is_told_is_the_log(log_url: str) -> None:
    """Every event, in order, once; and each was durable when it was told."""
    world = World()
    go, fail = going_and_failing(world)
    notes = Notes()

    async def scenario() -> None:
        async with world.coordinator(log_url, go, fail, observers=[notes]) as coordinator:
            for made in (go, fail):
                ran = await world.rest(await coordinator.start(made, run_id=made.name))
                assert [told.event for told in notes.told if told.run.run_id == made.name] == ran.events

    asyncio.run(scenario())
    assert {told.run.saga for told in notes.told} == {"go", "fail"}
    assert {(told.action, getattr(told.event, "step", None)) for told in notes.told if told.action} >= {
        ("a", "1"),
        ("bad", "2"),
    }


def test_an_event_is_durable_when_it_is_told() -> None:
    """The log holds it already."""
    world = World()
    go, fail = going_and_failing(world)
    log = MemoryLog()
    missing: list[e.Event] = []

    class Looks(Observer):
        def recorded(self, recorded: Recorded) -> None:
            held = [record.topic for record in log._runs.get(recorded.run.run_id, [])]
            if recorded.event.TOPIC not in held:
                missing.append(recorded.event)

    async def scenario() -> None:
        async with world.coordinator(log, go, fail, observers=[Looks()]) as coordinator:
            for made in (go, fail):
                await world.rest(await coordinator.start(made))

    asyncio.run(scenario())
    assert missing == []


def test_an_attempt_is_told_how_it_ended() -> None:
    """Attempts of the step and of its undo, with the class of what was raised."""
    world = World()
    a = world.action("a", do=[boom()], undo=[boom()])
    bad = world.action("bad", do=asyncio.TimeoutError, irreversible=True, **ONCE)
    notes = Notes()

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(bad, "x")

    async def scenario() -> None:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[notes]) as coordinator:
            await world.rest(await coordinator.start(made))

    asyncio.run(scenario())
    seen = [(told.action, told.undoes, told.attempt, told.outcome.value) for told in notes.attempts]
    assert seen == [
        ("a", False, 1, "failed"),
        ("a", False, 2, "succeeded"),
        ("bad", False, 1, "failed"),
        ("a", True, 1, "failed"),
        ("a", True, 2, "succeeded"),
    ]
    assert notes.attempts[2].error is not None
    assert notes.attempts[2].error.type == "TimeoutError"
    assert all(told.seconds >= 0 for told in notes.attempts)


def test_an_attempt_that_outlives_its_time_is_unknown() -> None:
    """It is told so although the handler goes on, and ends when the handler does."""
    world = World()
    go_on = asyncio.Event()

    async def stubborn(call: Call) -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    a = world.action("a", do=stubborn, timeout=0.01, on_unknown="park")
    notes = Notes()

    async def body(run: Run) -> None:
        await run.do(a, "x")

    async def scenario() -> None:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[notes]) as coordinator:
            ran = await world.rest(await coordinator.start(made))
            assert ran.status is RunStatus.PARKED
            (told,) = notes.attempts
            assert (told.outcome, told.seconds) == (Outcome.UNKNOWN, 0.0)
            go_on.set()
        assert told.error is not None
        assert (told.outcome, told.error.type) == (Outcome.UNKNOWN, "TimeoutError")

    asyncio.run(scenario())


@pytest.mark.parametrize("trace", ["", "\ud800", "ü", "x" * 257, "a\nb", 42, None, b"00-1"], ids=repr)
def test_a_trace_that_cannot_be_recorded_is_none(trace: Any) -> None:
    """An observer may yield anything; the next one's counts."""
    world = World()
    go, _ = going_and_failing(world)

    async def scenario() -> list[e.Event]:
        async with world.coordinator("memory://", go, observers=[Notes(trace)]) as coordinator:
            first = await world.rest(await coordinator.start(go))
        async with world.coordinator("memory://", go, observers=[Notes(trace), Notes("good")]) as coordinator:
            second = await world.rest(await coordinator.start(go))
        return [first.events[0], second.events[0]]

    first, second = asyncio.run(scenario())
    assert isinstance(first, RunStarted)
    assert isinstance(second, RunStarted)
    assert (first.trace, second.trace) == (None, "good")


def test_a_start_is_told_what_there_is_already(log_url: str) -> None:
    """The trace of the run as it is recorded; and the error where there is none to be had."""
    world = World()
    go, fail = going_and_failing(world)
    notes = Notes("one")

    async def scenario() -> None:
        async with world.coordinator(log_url, go, fail, observers=[notes]) as coordinator:
            await world.rest(await coordinator.start(go, run_id="run"))
            notes.trace = "two"
            await coordinator.start(go, run_id="run")
            with pytest.raises(RunConflict):
                await coordinator.start(fail, run_id="run")

    asyncio.run(scenario())
    assert [start.trace for start in notes.starts] == ["one", "one", "two"]
    assert [type(start.error) for start in notes.starts] == [type(None), type(None), RunConflict]


def test_what_a_command_records_is_told_too() -> None:
    """A parked run has no driver, so the command is appended by whoever gives it."""
    world = World()
    a = world.action("a", undo=boom())
    bad = world.action("bad", do=boom(), irreversible=True, **ONCE)
    notes = Notes()

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(bad, "x")

    async def scenario() -> list[e.Event]:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[notes]) as coordinator:
            handle = await coordinator.start(made)
            await world.rest(handle)
            await handle.waive("1", by="ann", reason="gone by hand")
            return (await world.rest(handle)).events

    events = asyncio.run(scenario())
    assert trail(notes.events) == trail(events)
    assert "waived 1" in trail(events)


CURRENT: ContextVar[str] = ContextVar("current", default="")


class Sets(Observer):
    """Sets a context variable around each attempt."""

    @contextmanager
    def attempting(self, attempt: Attempt) -> Iterator[None]:
        token = CURRENT.set(f"{attempt.action} {attempt.attempt}")
        yield
        CURRENT.reset(token)


@action("in-a-thread", irreversible=True)
def in_a_thread() -> str:
    return CURRENT.get()


@action("on-the-loop", irreversible=True)
async def on_the_loop() -> str:
    return CURRENT.get()


def test_a_context_variable_reaches_the_handlers() -> None:
    """On the loop, in a thread, and nothing of it is left in the attempt that follows or in the saga."""

    async def body(run: Run) -> list[str]:
        first = await run.do(in_a_thread)
        second = await run.do(on_the_loop)
        return [first, second, CURRENT.get()]

    async def scenario() -> list[str]:
        made = a_saga(body)
        actions = [in_a_thread, on_the_loop]
        async with Coordinator("memory://", sagas=[made], actions=actions, observers=[Sets()]) as coordinator:
            return list(await coordinator.run(made))

    assert asyncio.run(scenario()) == ["in-a-thread 1", "on-the-loop 1", ""]


def test_figures_can_be_read_while_a_coordinator_is_open() -> None:
    world = World()
    go_on = asyncio.Event()

    async def wait(call: Call) -> None:
        await go_on.wait()

    a = world.action("a", do=wait)
    notes = Notes()

    async def body(run: Run) -> None:
        await run.do(a, "x")

    async def scenario() -> None:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[notes]) as coordinator:
            handle = await coordinator.start(made)
            (figures,) = notes.figures
            assert figures() == Figures(1, coordinator.backlog)
            go_on.set()
            await world.rest(handle)
        assert notes.figures == []

    asyncio.run(scenario())


def test_one_observer_is_no_list_of_them() -> None:
    """The likeliest slip says what to write."""
    with pytest.raises(DefinitionError, match="use a list"):
        Coordinator("memory://", observers=Observer())  # type: ignore[arg-type]


def test_a_start_without_a_trace_is_stored_as_before() -> None:
    """And one that was stored before there were traces is read."""
    codec = EventCodec()
    started = RunStarted(occurred_at=datetime.fromtimestamp(0, UTC), saga="a", saga_version=1, input="null")
    assert b"trace" not in codec.encode(started).state
    assert codec.decode(codec.encode(started)) == started
    traced = started.model_copy(update={"trace": "00-1"})
    assert codec.decode(codec.encode(traced)) == traced


@pytest.mark.parametrize("wrong", [Observer, object(), "telemetry"], ids=["a class", "an object", "a text"])
def test_what_is_no_observer_is_refused(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r"observers: .* is not an Observer"):
        Coordinator("memory://", observers=[wrong])
