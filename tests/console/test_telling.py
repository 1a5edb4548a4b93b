"""Telling runs something over HTTP: who says so is the token's name, whatever the request says."""

from typing import Any

import pytest

from amends import RunStatus
from amends.saga import events as e
from tests.console.scene import Served, on

WHY = {"reason": "the key is back"}


async def told(console: Served, run_id: str, *kinds: type[e.Event]) -> list[tuple[str, str | None]]:
    """Who said what to a run."""
    events = await console.coordinator.handle(run_id).history()
    return [(type(event).__name__, getattr(event, "by", None)) for event in events if isinstance(event, kinds)]


def test_a_parked_run_is_retried_and_waived(shared_log_url: str) -> None:
    async def look(console: Served) -> None:
        await console.run("jam", run_id="a/b")
        client = console.as_("operator")
        retried = (await client.post("/api/retry/a/b", json=WHY)).json()
        assert retried == {"run_id": "a/b", "changed": True, "status": "unwinding"}
        await console.coordinator.runs.at_rest("a/b")
        waived = (await client.post("/api/waive/a/b", json=WHY | {"step": "1"})).json()
        assert waived["changed"]
        state = await console.coordinator.runs.at_rest("a/b")
        assert state.status is RunStatus.PARTIALLY_COMPENSATED
        again = (await client.post("/api/retry/a/b", json=WHY)).json()
        assert again == {"run_id": "a/b", "changed": False, "status": "partially_compensated"}
        by = await told(console, "a/b", e.RunResumed, e.CompensationWaived)
        assert {each for _, each in by} == {"operator"}

    on(shared_log_url, look)


def test_runs_are_cancelled_resumed_abandoned_and_undone(shared_log_url: str) -> None:
    async def look(console: Served) -> None:
        for run_id in ("off", "left"):
            await console.coordinator.start("ask", {"item": "tea"}, run_id=run_id)
        assert (await console.as_("clerk").post("/api/cancel/off", json=WHY)).json()["changed"]
        assert (await console.coordinator.runs.at_rest("off")).status is RunStatus.COMPENSATED
        assert not (await console.as_("clerk").post("/api/resume/off", json=WHY)).json()["changed"]
        gone = (await console.as_("admin").post("/api/abandon/left", json=WHY)).json()
        assert (gone["changed"], gone["status"]) == (True, "abandoned")
        refused = [await console.as_("clerk").post("/api/undo/left", json=WHY)]
        refused.append(await console.as_("viewer").get("/api/undo-plan/left"))
        assert [(each.status_code, each.json()["detail"]) for each in refused] == [
            (409, "run 'left' is abandoned: a person has ended it; only a completed run is undone")
        ] * 2
        assert (await console.as_("viewer").get("/api/undo-plan/off")).json()["is_failing"]
        await console.run("reserve-only", run_id="done")
        plan = (await console.as_("viewer").get("/api/undo-plan/done")).json()
        assert plan["undos"] == [{"step": "1", "action": "reserve", "stage": 1}]
        assert (await console.as_("clerk").post("/api/undo/done", json=WHY)).json()["changed"]
        assert (await console.coordinator.runs.at_rest("done")).status is RunStatus.COMPENSATED
        assert await told(console, "done", e.RunFailing) == [("RunFailing", "clerk")]

    on(shared_log_url, look)


def test_a_run_is_signalled_once_for_each_key(shared_log_url: str) -> None:
    async def look(console: Served) -> None:
        await console.coordinator.start("ask", {"item": "tea"}, run_id="r")
        client, said = console.as_("clerk"), {"name": "approved", "payload": {"approved": True}}
        for _ in range(2):
            answer = await client.post("/api/signal/r", json=said, headers={"Idempotency-Key": "k"})
            assert answer.json() == {"run_id": "r", "signal": "approved", "key": "k"}
        assert (await console.coordinator.runs.at_rest("r")).output == "true"
        assert await told(console, "r", e.SignalReceived) == [("SignalReceived", "clerk")]
        other = await client.post("/api/signal/r", json=said | {"payload": {"approved": False}, "key": "k"})
        assert other.status_code == 409

    on(shared_log_url, look)


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("cancel/r", {}, 422, "body.reason"),
        ("cancel/r", {"reason": " "}, 422, "reason"),
        ("cancel/r", {"reason": "x" * 3_000}, 422, "body.reason"),
        ("cancel/r", WHY | {"by": "somebody else"}, 422, "body.by"),
        ("cancel/nobody", WHY, 404, None),
        ("cancel/no run", WHY, 422, None),
        ("undo/r", WHY, 409, None),
        ("waive/r", WHY, 422, "body.step"),
        ("waive/r", WHY | {"step": "9"}, 404, None),
        ("waive/r", WHY | {"step": "x"}, 422, "body.step"),
        ("signal/r", {"name": "no such"}, 422, "body.name"),
        ("signal/r", {"name": "x" * 129}, 422, "body.name"),
        ("signal/r", {"name": "nosuch"}, 404, None),
        ("signal/r", {"name": "approved", "payload": {"approved": []}}, 422, "payload.approved"),
        ("signal/r", {"name": "approved", "by": "somebody else"}, 422, "body.by"),
    ],
)
def test_what_cannot_be_told_says_why(path: str, body: Any, status: int, field: str | None, sqlite_url: str) -> None:
    async def look(console: Served) -> None:
        await console.coordinator.start("ask", {"item": "tea"}, run_id="r")
        response = await console.as_("clerk").post(f"/api/{path}", json=body)
        problem = response.json()
        assert (response.status_code, problem.get("field")) == (status, field), problem

    on(sqlite_url, look)
