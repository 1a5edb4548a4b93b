"""Telemetry of waits, signals, and ends that a person brought about: counted once, and timed by what was done."""

import asyncio
import logging
from typing import Any

import pytest

from amends import Run, RunStatus
from amends.telemetry import RunLogger
from tests.integration.test_telemetry import CANARY, seen
from tests.telemetry import Sdk
from tests.worlds import World, a_saga


def test_a_run_that_is_undone_later_ends_twice() -> None:
    """The second span and the second duration begin when somebody asked for it, not when the run was started."""
    world, sdk = World(), Sdk()
    a = world.action("a")

    async def body(run: Run) -> None:
        await run.do(a, "x")

    async def scenario() -> None:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[sdk.observer]) as coordinator:
            handle = await coordinator.start(made)
            await handle.result()
            await handle.undo(by="ann", reason=CANARY)
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED

    asyncio.run(scenario())
    completed, undone = sdk.named("run a-saga")
    assert seen([completed, undone]) == [("run a-saga", "completed"), ("run a-saga", "compensated")]
    assert (undone.start_time or 0) >= (completed.end_time or 0) > (completed.start_time or 0)
    assert (undone.attributes or {})["error.type"] == "undone"
    metrics = sdk.metrics()
    ends = {("a-saga", "completed"): 1, ("a-saga", "compensated", "undone"): 1}
    assert metrics["amends.runs.ended"] == metrics["amends.run.duration"] == ends
    (point,) = [
        point
        for point in sdk.instruments()["amends.run.duration"].data.data_points
        if point.attributes["amends.status"] == "compensated"
    ]
    assert point.sum == pytest.approx(((undone.end_time or 0) - (undone.start_time or 0)) / 1e9, abs=1e-3)
    assert CANARY not in sdk.everything()


def test_an_abandoned_run_has_ended() -> None:
    """It is no parked one any more, and has a span of its own."""
    world, sdk = World(), Sdk()

    async def body(run: Run) -> None:
        await run.wait_for("never")

    async def scenario() -> None:
        made = a_saga(body)
        async with world.coordinator("memory://", made, observers=[sdk.observer]) as coordinator:
            handle = await coordinator.start(made)
            await handle.abandon(by="ann", reason=CANARY)
            assert (await world.rest(handle)).status is RunStatus.ABANDONED

    asyncio.run(scenario())
    assert seen([sdk.one("run a-saga")]) == [("run a-saga", "abandoned")]
    metrics = sdk.metrics()
    assert metrics["amends.runs.ended"] == {("a-saga", "abandoned", "abandoned"): 1}
    assert "amends.runs.parked" not in metrics
    assert CANARY not in sdk.everything()


def test_waits_and_signals_are_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By names and closed sets; a payload, and who spoke, are in no line and no metric."""
    world, sdk = World(), Sdk()
    caplog.set_level(logging.DEBUG, "amends.runs")

    async def body(run: Run) -> Any:
        await run.sleep(0.001)
        await run.commit()
        return (await run.wait_for("approved"))["ok"]

    async def scenario() -> None:
        made = a_saga(body)
        observers = [sdk.observer, RunLogger()]
        async with world.coordinator("memory://", made, observers=observers) as coordinator:
            handle = await coordinator.start(made)
            for _ in range(2):
                await handle.signal("approved", {"ok": CANARY}, by=CANARY, key="once")
            assert await handle.result() == CANARY

    asyncio.run(scenario())
    metrics = sdk.metrics()
    assert metrics["amends.waits"] == {("a-saga", "time"): 1, ("a-saga", "signal"): 1}
    assert metrics["amends.signals"] == {("a-saga",): 1}
    levels: dict[str, str] = {record.event: record.levelname for record in caplog.records if hasattr(record, "event")}
    assert (levels["SignalReceived"], levels["RunCommitted"], levels["TimerSet"]) == ("INFO", "INFO", "DEBUG")
    names = {getattr(record, "signal", None) for record in caplog.records} - {None}
    assert names == {"approved"}
    assert CANARY not in caplog.text + sdk.everything()
    assert all(CANARY not in str(record.__dict__) for record in caplog.records if record.name == "amends.runs")
