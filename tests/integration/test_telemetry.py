"""OpenTelemetry's own SDK sees one trace a run, whoever hosts it, metrics of bounded size, and never a payload."""

import asyncio
import logging
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracerProvider,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
    get_current_span,
    use_span,
)

from amends import Call, Coordinator, Run, RunFailed, RunStatus, Saga, action
from amends.blocking import BlockingCoordinator
from amends.saga.events import ActionStarted, CompensationStarted
from amends.saga.log.memory import MemoryLog
from amends.saga.log.port import Backlog
from amends.telemetry import Attempt, Figures, ObservedRun, RunLogger
from amends.telemetry.metrics import ATTEMPT_BOUNDS, RUN_BOUNDS
from amends.telemetry.otel import OpenTelemetry
from tests.telemetry import Sdk, parent_of
from tests.tree import ROOT
from tests.worlds import ONCE, World, a_saga, boom, until

CANARY = "hunter2-canary"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    """The telemetry knows nothing of the log, so that two kinds are enough."""
    found: str = "memory://" if request.param == "memory" else request.getfixturevalue("sqlite_url")
    return found


def id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return format_span_id(span.context.span_id)


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return format_trace_id(span.context.trace_id)


def seen(spans: list[ReadableSpan]) -> list[tuple[str, object]]:
    """Name and outcome or status, in the order in which they ended."""
    found: list[tuple[str, object]] = []
    for span in spans:
        attributes = dict(span.attributes or {})
        found.append((span.name, attributes.get("amends.outcome", attributes.get("amends.status"))))
    return found


def onboarding(world: World, *, crm: Any = ()) -> Saga[Any, Any]:
    """Return a saga of one step and then two side by side, of which the last may fail."""
    user = world.action("create-user")
    mail = world.action("send-mail", irreversible=True)
    contact = world.action("update-crm", do=crm)

    async def body(run: Run) -> str:
        made = await run.do(user, "ada")
        await run.all(run.do(mail, made), run.do(contact, made))
        return made

    return Saga("onboard", version=3, function=body)


def test_a_run_is_one_trace_below_its_caller(url: str) -> None:
    """The start is a child of the caller's span, and everything else one of the start."""
    world, sdk = World(), Sdk()
    onboard = onboarding(world)

    async def scenario() -> str:
        async with world.coordinator(url, onboard, observers=[sdk.observer]) as coordinator:
            with sdk.caller() as trace:
                handle = await coordinator.start(onboard, run_id="run", tags={"tenant": "acme"})
            assert (await world.rest(handle)).status is RunStatus.COMPLETED
        return trace

    trace = asyncio.run(scenario())
    start, caller = sdk.one("start onboard"), sdk.one("POST /signup")
    assert parent_of(start) == id_of(caller)
    assert start.kind is SpanKind.PRODUCER
    rest = [span for span in sdk.spans if span not in (start, caller)]
    assert sorted(seen(rest), key=str) == [
        ("do create-user", "succeeded"),
        ("do send-mail", "succeeded"),
        ("do update-crm", "succeeded"),
        ("run onboard", "completed"),
    ]
    assert {trace_of(span) for span in sdk.spans} == {trace}
    assert {parent_of(span) for span in rest} == {id_of(start)}
    assert dict(sdk.one("do update-crm").attributes or {}) == {
        "amends.run_id": "run",
        "amends.saga": "onboard",
        "amends.saga_version": 3,
        "amends.step": "3",
        "amends.action": "update-crm",
        "amends.attempt": 1,
        "amends.outcome": "succeeded",
    }
    assert {span.status.status_code for span in sdk.spans} == {StatusCode.UNSET}


def test_a_failing_step_and_its_unwinding_are_in_the_trace(url: str) -> None:
    """Attempts with the class of their error, the step over all of them, the undo, and the run with its reason."""
    world, sdk = World(), Sdk()
    onboard = onboarding(world, crm=[boom("x"), boom("x"), boom("x")])

    async def scenario() -> list[Any]:
        async with world.coordinator(url, onboard, observers=[sdk.observer]) as coordinator:
            ran = await world.rest(await coordinator.start(onboard))
        assert ran.status is RunStatus.PARTIALLY_COMPENSATED
        return ran.events

    events = asyncio.run(scenario())
    assert seen([span for span in sdk.spans if "send-mail" not in span.name and "start" not in span.name]) == [
        ("do create-user", "succeeded"),
        ("do update-crm", "failed"),
        ("do update-crm", "failed"),
        ("do update-crm", "failed"),
        ("step update-crm", "failed"),
        ("undo create-user", "succeeded"),
        ("run onboard", "partially_compensated"),
    ]
    step, run = sdk.one("step update-crm"), sdk.one("run onboard")
    for span in [*sdk.named("do update-crm"), step]:
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description is None
        assert (span.attributes or {})["error.type"] == "tests.worlds.Boom"
        (event,) = span.events
        assert (event.name, dict(event.attributes or {})) == ("exception", {"exception.type": "tests.worlds.Boom"})
    assert (step.attributes or {})["amends.attempts"] == 3
    assert (run.attributes or {})["error.type"] == "action_failed"
    assert run.status.status_code is StatusCode.ERROR
    attempts = sdk.named("do update-crm")
    first = next(event for event in events if isinstance(event, ActionStarted) and event.action == "update-crm")
    assert step.start_time == round(first.occurred_at.timestamp() * 1e6) * 1_000
    assert (step.start_time or 0) <= (attempts[0].start_time or 0)
    assert run.start_time == round(events[0].occurred_at.timestamp() * 1e6) * 1_000
    assert run.end_time == round(events[-1].occurred_at.timestamp() * 1e6) * 1_000
    assert all((span.end_time or 0) >= (span.start_time or 0) for span in sdk.spans)


def test_the_spans_of_handlers_are_below_their_attempt() -> None:
    """In async handlers and in plain ones, which run in threads; and each attempt has its own."""
    sdk = Sdk()

    @action("on-the-loop", irreversible=True)
    async def on_the_loop() -> None:
        await asyncio.sleep(0)
        sdk.tracer.start_span("in on-the-loop").end()

    @action("in-a-thread", wait=lambda state: 0.0)
    def in_a_thread(call: Call) -> None:
        sdk.tracer.start_span(f"in in-a-thread {call.attempt}").end()
        if call.attempt == 1:
            raise boom()

    @in_a_thread.undo
    def undo_in_a_thread(output: None) -> None:
        sdk.tracer.start_span("in the undo").end()

    async def body(run: Run) -> None:
        await run.all(run.do(on_the_loop), run.do(in_a_thread))
        raise RuntimeError("undo it all")

    async def scenario() -> None:
        made = a_saga(body)
        actions = [on_the_loop, in_a_thread]
        async with Coordinator("memory://", sagas=[made], actions=actions, observers=[sdk.observer]) as coordinator:
            with pytest.raises(RunFailed):
                await coordinator.run(made)

    asyncio.run(scenario())
    first, second = sdk.named("do in-a-thread")
    assert parent_of(sdk.one("in on-the-loop")) == id_of(sdk.one("do on-the-loop"))
    assert parent_of(sdk.one("in in-a-thread 1")) == id_of(first)
    assert parent_of(sdk.one("in in-a-thread 2")) == id_of(second)
    assert parent_of(sdk.one("in the undo")) == id_of(sdk.one("undo in-a-thread"))
    assert len({trace_of(span) for span in sdk.spans}) == 1


def test_another_worker_continues_the_trace(url: str) -> None:
    """It tells of what it does itself, and of nothing that was recorded before; nor is it a child of who opened it."""
    first, second = Sdk(), Sdk()
    world = World()
    hanging = asyncio.Event()

    async def hang(call: Call) -> None:
        hanging.set()
        await asyncio.Event().wait()

    a, b = world.action("a"), world.action("b", do=[hang])
    log = MemoryLog() if url == "memory://" else url

    async def body(run: Run) -> str:
        return await run.do(b, await run.do(a, "x"))

    async def scenario() -> tuple[str, list[Any]]:
        made = a_saga(body)
        async with world.coordinator(log, made, observers=[first.observer], drain_seconds=0.0) as coordinator:
            with first.caller() as trace:
                await coordinator.start(made, run_id="run")
            await hanging.wait()
        with second.caller("somebody else's request"):
            async with world.coordinator(log, made, observers=[second.observer]) as coordinator:
                return trace, (await world.rest(coordinator.handle("run"))).events

    trace, events = asyncio.run(scenario())
    (start,) = first.named("start a-saga")
    assert seen(first.spans) == [
        ("start a-saga", None),
        ("POST /signup", None),
        ("do a", "succeeded"),
        ("do b", "unknown"),
    ]
    assert seen(second.spans)[:-1] == [("do b", "succeeded"), ("step b", "succeeded"), ("run a-saga", "completed")]
    for span in second.spans[:-1]:
        assert (trace_of(span), parent_of(span)) == (trace, id_of(start))
    assert (second.one("do b").attributes or {})["amends.attempt"] == 2
    assert (second.one("step b").start_time or 0) < (second.one("do b").start_time or 0)
    assert events[0].trace.split("-")[1] == trace
    assert second.metrics()["amends.attempts"] == {("b", "do", "unknown"): 1, ("b", "do", "succeeded"): 1}
    assert "amends.runs.started" not in second.metrics()


def test_a_client_and_the_worker_that_hosts_its_run_share_a_trace(sqlite_url: str) -> None:
    client_sdk, worker_sdk = Sdk(), Sdk()
    world = World()
    a = world.action("a")

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    async def scenario() -> None:
        made = a_saga(body)
        async with (
            world.coordinator(sqlite_url, made, observers=[worker_sdk.observer]),
            world.coordinator(sqlite_url, made, max_running=0, observers=[client_sdk.observer]) as client,
        ):
            await world.rest(await client.start(made))

    asyncio.run(scenario())
    (start,) = client_sdk.spans
    assert seen(worker_sdk.spans) == [("do a", "succeeded"), ("run a-saga", "completed")]
    assert {parent_of(span) for span in worker_sdk.spans} == {id_of(start)}
    assert client_sdk.metrics()["amends.runs.started"] == {("a-saga",): 1}
    assert "amends.runs.started" not in worker_sdk.metrics()


def test_a_start_that_finds_its_run_links_to_it() -> None:
    """The second caller's trace shows that it started nothing."""
    world, sdk = World(), Sdk()
    onboard = onboarding(world)

    async def scenario() -> None:
        async with world.coordinator("memory://", onboard, observers=[sdk.observer]) as coordinator:
            await world.rest(await coordinator.start(onboard, run_id="run"))
            with sdk.caller():
                await coordinator.start(onboard, run_id="run")

    asyncio.run(scenario())
    first, second = sdk.named("start onboard")
    assert list(first.links) == []
    assert [format_span_id(link.context.span_id) for link in second.links] == [id_of(first)]
    assert trace_of(first) != trace_of(second)
    assert len(sdk.named("run onboard")) == 1
    assert sdk.metrics()["amends.runs.started"] == {("onboard",): 1}


def test_a_run_without_a_trace_is_nobodys_child(url: str) -> None:
    """It was started before the service had telemetry; its attempts are searched for by run id."""
    world, sdk = World(), Sdk()
    onboard = onboarding(world)
    log = MemoryLog() if url == "memory://" else url

    async def scenario() -> None:
        async with world.coordinator(log, max_running=0) as client:
            client._registry._add_saga(onboard)
            await client.start(onboard, run_id="run")
        with sdk.caller():
            async with world.coordinator(log, onboard, observers=[sdk.observer]) as coordinator:
                await world.rest(coordinator.handle("run"))

    asyncio.run(scenario())
    ours = [span for span in sdk.spans if span.name != "POST /signup"]
    assert len(ours) == 4
    assert {parent_of(span) for span in ours} == {None}
    assert {(span.attributes or {})["amends.run_id"] for span in ours} == {"run"}


def test_without_an_sdk_the_callers_trace_goes_through() -> None:
    """The API alone makes no spans; a trace that came from outside is still recorded and handed to the handlers."""
    current: list[int] = []

    @action("look", irreversible=True)
    async def look() -> None:
        current.append(get_current_span().get_span_context().trace_id)

    observer = OpenTelemetry(tracer_provider=NoOpTracerProvider())
    came_in = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True, TraceFlags(1))

    async def scenario() -> list[Any]:
        async with Coordinator("memory://", actions=[look], observers=[observer]) as coordinator:
            with use_span(NonRecordingSpan(came_in)):
                await coordinator.invoke(look, run_id="traced")
            await coordinator.invoke(look, run_id="bare")
            handles = map(coordinator.handle, ("traced", "bare"))
            return [(await handle.history())[0] for handle in handles]

    traced, bare = asyncio.run(scenario())
    assert (traced.trace, bare.trace) == (TRACEPARENT, None)
    assert current == [came_in.trace_id, 0]


def test_a_trace_that_is_not_sampled_stays_so() -> None:
    """The decision is the caller's, and travels with the run."""
    first, second = Sdk(sampler=ALWAYS_OFF), Sdk()
    world = World()
    onboard = onboarding(world)
    log = MemoryLog()

    async def scenario() -> list[Any]:
        async with world.coordinator(log, onboard, max_running=0, observers=[first.observer]) as client:
            await client.start(onboard, run_id="run")
        async with world.coordinator(log, onboard, observers=[second.observer]) as coordinator:
            return (await world.rest(coordinator.handle("run"))).events

    events = asyncio.run(scenario())
    assert int(events[0].trace.rpartition("-")[2], 16) & TraceFlags.SAMPLED == 0
    assert first.spans == second.spans == []
    assert second.metrics()["amends.runs.ended"] == {("onboard", "completed"): 1}


def test_a_synchronous_caller_is_the_parent_as_well() -> None:
    """The portal takes the context of the thread that calls it along."""
    sdk = Sdk()

    @action("look", irreversible=True)
    def look() -> None: ...

    with (
        BlockingCoordinator(Coordinator("memory://", actions=[look], observers=[sdk.observer])) as coordinator,
        sdk.caller(),
    ):
        coordinator.invoke(look)
    assert parent_of(sdk.one("start invoke:look")) == id_of(sdk.one("POST /signup"))


def test_a_parked_run_has_a_span_each_time_it_comes_to_rest() -> None:
    """Both from its start: parked, then compensated. Waiving and failing are counted."""
    world, sdk = World(), Sdk()
    a = world.action("a", undo=[boom(), boom(), boom()])
    b = world.action("b", undo=[boom()])
    bad = world.action("bad", do=boom(), irreversible=True, **ONCE)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(b, "x")
        await run.do(bad, "x")

    async def scenario() -> list[Any]:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[sdk.observer]) as coordinator:
            handle = await coordinator.start(made)
            assert (await world.rest(handle)).status is RunStatus.PARKED
            await handle.waive("1", by="ann", reason=CANARY)
            return (await world.rest(handle)).events

    events = asyncio.run(scenario())
    began = next(event for event in events if isinstance(event, CompensationStarted) and event.step == "1")
    assert sdk.one("compensate a").start_time == round(began.occurred_at.timestamp() * 1e6) * 1_000
    parked, ended = sdk.named("run a-saga")
    assert seen([parked, ended]) == [("run a-saga", "parked"), ("run a-saga", "partially_compensated")]
    assert parked.start_time == ended.start_time
    assert (parked.attributes or {})["error.type"] == "undo_failed"
    assert seen(sdk.named("compensate a") + sdk.named("compensate b")) == [
        ("compensate a", "failed"),
        ("compensate b", "succeeded"),
    ]
    metrics = sdk.metrics()
    assert metrics["amends.runs.parked"] == {("a-saga", "undo_failed"): 1}
    assert metrics["amends.compensations"] == {("a", "failed"): 1, ("a", "waived"): 1, ("b", "compensated"): 1}
    assert CANARY not in sdk.everything()


def test_the_metrics_of_good_and_bad_runs(url: str) -> None:
    """Counted by names and closed sets only."""
    world, sdk = World(), Sdk()
    onboard = onboarding(world)

    async def scenario() -> None:
        async with world.coordinator(url, onboard, observers=[sdk.observer]) as coordinator:
            for _ in range(3):
                await world.rest(await coordinator.start(onboard, tags={"tenant": CANARY}))

    asyncio.run(scenario())
    metrics = sdk.metrics()
    assert metrics["amends.runs.started"] == {("onboard",): 3}
    assert metrics["amends.runs.ended"] == {("onboard", "completed"): 3}
    assert metrics["amends.run.duration"] == {("onboard", "completed"): 3}
    names = ("create-user", "send-mail", "update-crm")
    assert metrics["amends.attempts"] == {(name, "do", "succeeded"): 3 for name in names}
    assert metrics["amends.attempt.duration"] == {(name, "do", "succeeded"): 3 for name in names}


def test_the_page_lists_the_metrics() -> None:
    """With their units; and the histograms have bounds that fit seconds."""
    world, sdk = World(), Sdk()
    a = world.action("a", undo=boom())
    bad = world.action("bad", do=boom(), irreversible=True, **ONCE)

    async def park(run: Run) -> None:
        await run.do(a, "x")
        await run.do(bad, "x")

    async def go(run: Run) -> None:
        await run.wait_for("on")

    async def scenario() -> None:
        made: list[Saga[Any, Any]] = [Saga("park", version=1, function=park), Saga("go", version=1, function=go)]
        async with world.coordinator("memory://", *made, observers=[sdk.observer]) as coordinator:
            for each in made:
                handle = await coordinator.start(each)
                if each.name == "go":
                    await handle.signal("on", by="ann")
                await world.rest(handle)

    asyncio.run(scenario())
    page = (ROOT / "docs" / "howto" / "observe-runs.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(amends\.[\w.]+)` \| `?([^`|]+?)`? \|", page, re.MULTILINE))
    instruments = sdk.instruments()
    assert listed == {name: metric.unit for name, metric in instruments.items()}
    (point,) = instruments["amends.run.duration"].data.data_points
    assert tuple(point.explicit_bounds) == RUN_BOUNDS
    assert tuple(instruments["amends.attempt.duration"].data.data_points[0].explicit_bounds) == ATTEMPT_BOUNDS


def test_a_coordinator_that_is_closed_is_read_no_more() -> None:
    """Its figures are let go of, and it with them."""
    sdk = Sdk()

    def figures() -> Figures:
        return Figures(7, Backlog(3, 300, 1))

    sdk.observer.opened(figures)
    before = sdk.metrics()
    sdk.observer.closed(figures)
    after = sdk.metrics()
    names = ("amends.runs.hosted", "amends.backlog.appends", "amends.backlog.size")
    assert [before[name] for name in names] == [{(): 7}, {(): 3}, {(): 300}]
    assert [after[name] for name in names] == [{(): 0}] * 3


def test_nothing_of_an_attempt_stays_current() -> None:
    """What the engine does in the same task afterwards is not part of it."""
    sdk = Sdk()
    run = ObservedRun("run", "a-saga", 1, datetime.fromtimestamp(0, UTC), {}, None, None)
    attempt = Attempt(run, "1", "a", 1, undoes=False, began_at=run.started_at)
    with sdk.caller():
        outside = get_current_span()
        with sdk.observer.attempting(attempt):
            assert get_current_span() is not outside
        assert get_current_span() is outside
    (span,) = sdk.named("do a")
    assert (span.attributes or {})["amends.outcome"] == "unknown"


def test_what_a_coordinator_has_in_hand_is_read_when_metrics_are() -> None:
    """While it is open; two coordinators of one observer add up."""
    world, sdk = World(), Sdk()
    go_on = asyncio.Event()

    async def wait(call: Call) -> None:
        await go_on.wait()

    a = world.action("a", do=wait)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    async def scenario() -> None:
        made = a_saga(body)
        keywords: dict[str, Any] = {"observers": [sdk.observer]}
        async with (
            world.coordinator("memory://", made, **keywords) as one,
            world.coordinator("memory://", made, **keywords) as two,
        ):
            handles = [await one.start(made), await one.start(made), await two.start(made)]
            metrics = sdk.metrics()
            assert metrics["amends.runs.hosted"] == {(): 3}
            assert metrics["amends.backlog.appends"] == metrics["amends.backlog.size"] == {(): 0}
            go_on.set()
            for handle in handles:
                await world.rest(handle)
        assert sdk.metrics()["amends.runs.hosted"] == {(): 0}

    asyncio.run(scenario())


@pytest.mark.parametrize("messages", [False, True])
def test_no_payload_leaves_the_process(messages: bool, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither inputs nor outputs, tags, people's words or texts of errors; with `messages` the redacted texts do."""
    sdk = Sdk(messages=messages)
    world = World()
    a = world.action("a", do=[boom(f"password={CANARY} for ada-lovelace")], undo=boom("ada-lovelace"))
    bad = world.action("bad", do=boom(f"token: {CANARY} ada-lovelace"), irreversible=True, **ONCE)

    async def body(run: Run) -> None:
        await run.do(a, CANARY)
        await run.do(bad, CANARY)

    async def scenario() -> None:
        made = a_saga(body)
        observers = [sdk.observer, RunLogger()]
        async with world.coordinator(url, made, observers=observers) as coordinator:
            handle = await coordinator.start(made, run_id="run", tags={"secret": CANARY})
            await until(handle, ActionStarted)
            await world.rest(handle)
            await handle.retry(by=f"by-{CANARY}", reason=f"ada-lovelace {CANARY}")
            await world.rest(handle)
            await handle.waive("1", by=f"by-{CANARY}", reason=f"ada-lovelace {CANARY}")
            await world.rest(handle)

    with caplog.at_level(logging.DEBUG, "amends"):
        asyncio.run(scenario())
    lines = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records if "amends" in record.name)
    assert "RunParked" in lines
    assert CANARY not in sdk.everything()
    assert CANARY not in lines
    assert "ada-lovelace" not in lines
    assert ("ada-lovelace" in sdk.everything()) is messages
    assert "tests.worlds.Boom" in sdk.everything()
