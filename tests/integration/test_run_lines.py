"""Runs in a service's own logging: a line for each durable event, and run and step in what the handlers log."""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from amends import Call, Coordinator, Run, action
from amends.saga.log.memory import MemoryLog
from amends.telemetry import Attempt, ObservedRun, RunFields, RunLogger
from amends.telemetry.lines import FIELDS
from tests.worlds import ONCE, World, a_saga, boom

service = logging.getLogger("tests.service")


class Kept(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.heard = asyncio.Event()
        self.addFilter(RunFields())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.heard.set()

    def of(self, name: str) -> list[Any]:
        return [record for record in self.records if record.name == name]


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What is logged, with the filter as a service would add it."""
    root, handler = logging.getLogger(), Kept()
    root.addHandler(handler)
    levels = {name: logging.getLogger(name).level for name in ("amends", "tests.service")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@action("on-the-loop", irreversible=True)
async def on_the_loop() -> None:
    service.info("here")


@action("in-a-thread", irreversible=True)
def in_a_thread() -> None:
    service.info("here")


def test_what_handlers_log_carries_run_and_step(kept: Kept) -> None:
    """On the loop, in threads, side by side; outside of an attempt the fields are None."""

    async def body(run: Run) -> None:
        await run.all(run.do(on_the_loop), run.do(in_a_thread), run.do(on_the_loop))
        service.info("the saga")

    async def scenario() -> None:
        made = a_saga(body)
        actions = [on_the_loop, in_a_thread]
        async with Coordinator("memory://", sagas=[made], actions=actions, observers=[RunLogger()]) as coordinator:
            await asyncio.gather(*(coordinator.run(made, run_id=f"run-{number}") for number in range(3)))

    asyncio.run(scenario())
    lines = [[getattr(record, name) for name in FIELDS] for record in kept.of("tests.service")]
    told = [line for line in lines if line[0] is not None]
    places = [("1", "on-the-loop"), ("2", "in-a-thread"), ("3", "on-the-loop")]
    assert sorted(told) == [[f"run-{number}", "a-saga", step, name, 1] for number in range(3) for step, name in places]
    assert lines.count([None] * 5) == 3


def test_each_durable_event_is_a_line(kept: Kept) -> None:
    """With its level, a text for people, and fields for machines."""
    world = World()
    a = world.action("a", undo=boom("x"))
    bad = world.action("bad", do=boom("x"), irreversible=True, **ONCE)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        await run.do(bad, "x")

    async def scenario() -> list[Any]:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[RunLogger()]) as coordinator:
            return (await world.rest(await coordinator.start(made, run_id="run"))).events

    events = asyncio.run(scenario())
    records = kept.of("amends.runs")
    assert [record.event for record in records] == [type(event).__name__ for event in events]
    assert {(record.run_id, record.saga) for record in records} == {("run", "a-saga")}
    (parked,) = [record for record in records if record.event == "RunParked"]
    assert (parked.levelname, parked.getMessage(), parked.reason) == ("ERROR", "RunParked run run", "undo_failed")
    (failed,) = [record for record in records if record.event == "ActionFailed"]
    assert failed.getMessage() == "ActionFailed run run step 2 (bad): tests.worlds.Boom"
    assert (failed.levelname, failed.step, failed.action, failed.attempt, failed.is_final) == (
        "WARNING",
        "2",
        "bad",
        1,
        True,
    )
    assert {record.levelname for record in records if record.event == "ActionStarted"} == {"DEBUG"}
    json.dumps([{name: getattr(record, name, None) for name in (*FIELDS, "reason", "is_final")} for record in records])


def test_nothing_is_made_for_a_line_that_nobody_wants() -> None:
    """The level of the logger decides, as everywhere."""
    world = World()
    a = world.action("a")
    quiet = logging.Logger("quiet", logging.CRITICAL)  # noqa: LOG001 - one that the others do not see
    quiet.handle = lambda record: pytest.fail(record.getMessage())  # type: ignore[method-assign]

    async def body(run: Run) -> None:
        await run.do(a, "x")

    async def scenario() -> None:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[RunLogger(quiet)]) as coordinator:
            await world.rest(await coordinator.start(made))

    asyncio.run(scenario())


def test_what_the_engine_logs_of_a_run_names_it(kept: Kept) -> None:
    """Here that nobody knows its saga; it has no step, and gets none from elsewhere."""
    world = World()
    log = MemoryLog()

    async def body(run: Run) -> None: ...

    async def scenario() -> None:
        async with world.coordinator(log, made := a_saga(body), max_running=0) as client:
            await client.start(made, run_id="run")
        async with asyncio.timeout(20), world.coordinator(log):
            while not kept.of("amends.hosting"):
                kept.heard.clear()
                await kept.heard.wait()

    asyncio.run(scenario())
    (said,) = kept.of("amends.hosting")
    assert (said.run_id, said.saga, said.step) == ("run", "a-saga", None)


def test_nothing_of_an_attempt_stays_in_later_lines() -> None:
    """What is logged in the same task afterwards is not part of it."""
    run = ObservedRun("run", "a-saga", 1, datetime.fromtimestamp(0, UTC), {}, None, None)
    within, afterwards = logging.makeLogRecord({}), logging.makeLogRecord({})
    with RunLogger().attempting(Attempt(run, "1", "a", 2, undoes=False, began_at=run.started_at)):
        RunFields().filter(within)
    RunFields().filter(afterwards)
    assert [getattr(within, name) for name in FIELDS] == ["run", "a-saga", "1", "a", 2]
    assert [getattr(afterwards, name) for name in FIELDS] == [None] * 5


def test_a_record_that_has_fields_keeps_them() -> None:
    """The engine's own, and what the service gives with `extra`."""
    record = logging.makeLogRecord({"run_id": "mine"})
    assert RunFields().filter(record)
    assert [getattr(record, name) for name in FIELDS] == ["mine", None, None, None, None]


def test_a_handler_may_name_other_things_itself(kept: Kept) -> None:
    """Its own `extra` wins over the filter, field by field."""
    world = World()

    async def say(call: Call) -> None:
        service.info("own", extra={"step": "of a dance"})
        service.info("own run", extra={"run_id": "another"})

    a = world.action("a", do=say)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    async def scenario() -> None:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[RunLogger()]) as coordinator:
            await world.rest(await coordinator.start(made, run_id="run"))

    asyncio.run(scenario())
    own, another = kept.of("tests.service")
    assert (own.run_id, own.step, own.action) == ("run", "of a dance", "a")
    assert (another.run_id, another.step) == ("another", None)
