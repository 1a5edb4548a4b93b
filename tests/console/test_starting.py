"""Starting over HTTP: actions and sagas, waiting for them, and asking again when a reply was lost."""

import asyncio
from typing import Any

import httpx
import pytest

from amends import RunStatus
from tests.console.scene import Served, on

TEA = {"input": {"item": "tea", "count": 2}}
JSON = {"Content-Type": "application/json"}
TWO_KEYS = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]


def test_an_action_is_invoked_and_a_saga_started(shared_log_url: str) -> None:
    """With the answer when there is one in time, and else with where to ask."""

    async def look(console: Served) -> None:
        client = console.as_("clerk")
        done = await client.post("/api/actions/greet/runs", json={"input": "ada"}, headers={"Prefer": "wait=20"})
        assert (done.status_code, done.json()["output"], done.json()["status"]) == (200, "hello ada", "completed")
        assert done.headers["preference-applied"] == "wait=20"
        bought = await client.post("/api/sagas/buy/runs?wait_seconds=20", json=TEA)
        assert (bought.status_code, bought.json()["output"]) == (200, "2 tea")
        begun = await client.post("/api/sagas/ask/runs", json=TEA | {"run_id": "order:1/a"})
        assert (begun.status_code, begun.json()["status"], begun.json()["at_rest"]) == (202, "running", False)
        assert begun.headers["location"] == "/api/runs/order:1/a"
        asked = (await client.get(begun.headers["location"])).json()
        assert (asked["run_id"], asked["tags"]) == ("order:1/a", {"amends.started-by": "clerk"})
        late = await client.post("/api/sagas/ask/runs?wait_seconds=0.05", json=TEA)
        assert late.status_code == 202

    on(shared_log_url, look)


def test_a_run_without_a_result_says_why(shared_log_url: str) -> None:
    async def look(console: Served) -> None:
        body = {"input": {"item": "declined"}}
        for name, reason in (("clerk", "4111-1111"), ("operator", None)):
            found = (await console.as_(name).post("/api/sagas/buy/runs?wait_seconds=20", json=body)).json()
            assert (found["status"], found["at_rest"], found["output"]) == ("compensated", True, None)
            assert found["failure"]["action"] == "charge"
            assert (reason in found["failure"]["reason"]) if reason else found["failure"]["reason"] is None
        parked = (await console.as_("clerk").post("/api/sagas/jam/runs?wait_seconds=20", json=TEA)).json()
        assert (parked["status"], parked["failure"]["remaining"][0]["why"]) == ("parked", "undo_failed")

    on(shared_log_url, look)


def test_a_run_id_that_is_taken_is_named(sqlite_url: str) -> None:
    async def look(console: Served) -> None:
        await console.run("buy", run_id="r")
        other = await console.as_("clerk").post("/api/sagas/buy/runs", json=TEA | {"run_id": "r"})
        assert (other.status_code, other.json()["field"]) == (409, "body.run_id")
        assert "use another run_id" in other.json()["detail"]

    on(sqlite_url, look)


@pytest.mark.parametrize(
    ("path", "sent", "said"),
    [
        ("sagas/nosuch/runs", {}, "no saga 'nosuch'; GET /api/sagas lists them"),
        ("actions/nosuch/runs", {}, "no action 'nosuch'; GET /api/actions lists them"),
        ("sagas/buy/runs", [], "body: send an object, in braces"),
        ("sagas/buy/runs", {"inputs": 1}, "body.inputs: is not known; use input, run_id, tags, deadline_seconds"),
        ("sagas/buy/runs?wait=1", {}, "query.wait: is not known; use wait_seconds"),
    ],
)
def test_what_is_said_is_for_a_client(path: str, sent: Any, said: str, sqlite_url: str) -> None:
    """Not for somebody who writes a coordinator, or knows the names of our classes."""

    async def look(console: Served) -> None:
        assert (await console.as_("operator").post(f"/api/{path}", json=sent)).json()["detail"] == said

    on(sqlite_url, look)


@pytest.mark.parametrize("header", ["order-17", '"order-17"'])
def test_the_same_key_starts_one_run(header: str, shared_log_url: str) -> None:
    """A reply was lost: the same request again gives the same run, from whichever process; another one is refused."""

    async def look(console: Served) -> None:
        client, keyed = console.as_("clerk"), {"Idempotency-Key": header}
        answers = await asyncio.gather(
            *(client.post("/api/sagas/buy/runs", json=TEA, headers=keyed) for _ in range(8)),
        )
        assert {answer.status_code for answer in answers} <= {200, 202}
        assert len({answer.json()["run_id"] for answer in answers}) == 1
        again = await client.post(
            "/api/sagas/buy/runs?wait_seconds=20", json=TEA, headers={"Idempotency-Key": "order-17"}
        )
        assert again.json()["run_id"] == answers[0].json()["run_id"]
        other = await client.post("/api/sagas/buy/runs", json={"input": {"item": "milk"}}, headers=keyed)
        assert (other.status_code, other.json()["type"]) == (409, "urn:amends:problem:run-conflict")
        assert other.json()["field"] == "Idempotency-Key"
        assert other.json()["detail"] == (
            "this Idempotency-Key has started a run with another input; use another key, or the same input"
        )
        tagged = await client.post("/api/sagas/buy/runs", json=TEA | {"tags": {"a": "b"}}, headers=keyed)
        run = (await client.get(f"/api/runs/{tagged.json()['run_id']}")).json()
        assert run["tags"] == {"amends.started-by": "clerk"}, "those of the first request stay"
        other = await client.post("/api/sagas/ask/runs", json=TEA, headers=keyed)
        assert other.status_code == 409
        theirs = await console.as_("admin").post("/api/sagas/buy/runs", json=TEA, headers=keyed)
        assert theirs.json()["run_id"] != answers[0].json()["run_id"]

    on(shared_log_url, look)


def test_a_start_that_is_repeated_later_has_the_result(shared_log_url: str) -> None:
    """Without waiting: the run is at rest, and the output or the failure is there, for those who may see it."""

    async def look(console: Served) -> None:
        for name, output, reason in (("clerk", "1 tea", "4111-1111"), ("operator", None, None)):
            for item, status in (("tea", "completed"), ("declined", "compensated")):
                sent: Any = {"json": {"input": {"item": item}}, "headers": {"Idempotency-Key": item}}
                await console.as_(name).post("/api/sagas/buy/runs?wait_seconds=20", **sent)
                again = await console.as_(name).post("/api/sagas/buy/runs", **sent)
                found = again.json()
                assert (again.status_code, found["status"], found["at_rest"]) == (200, status, True)
                assert found["output"] == (output if item == "tea" else None)
                if item == "declined":
                    assert (reason in found["failure"]["reason"]) if reason else found["failure"]["reason"] is None

    on(shared_log_url, look)


def test_the_reply_to_a_start_is_lost(shared_log_url: str) -> None:
    """The connection ends before the answer: whoever asks again has the run that was started."""

    async def look(console: Served) -> None:
        keyed = {"Idempotency-Key": "k"}
        async with httpx.AsyncClient(base_url=console.url, headers=console.as_("clerk").headers) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/api/sagas/ask/runs?wait_seconds=20", json=TEA, headers=keyed, timeout=0.5)
        again = await console.as_("clerk").post("/api/sagas/ask/runs", json=TEA, headers=keyed)
        await caught_run(console, again.json()["run_id"])

    on(shared_log_url, look)


async def caught_run(console: Served, run_id: str) -> None:
    events = await console.coordinator.handle(run_id).history()
    assert sum(type(event).__name__ == "ActionStarted" for event in events) <= 1
    assert await console.coordinator.handle(run_id).status() is RunStatus.RUNNING


@pytest.mark.parametrize(
    ("path", "sent", "status", "field"),
    [
        ("sagas/buy", {"json": {"input": {"item": "tea", "count": 0}}}, 422, "input.count"),
        ("sagas/buy", {"json": {"input": None}}, 422, "input"),
        ("sagas/buy", {"json": {"inputs": 1}}, 422, "body.inputs"),
        ("sagas/buy", {"json": []}, 422, "body"),
        ("sagas/buy", {"json": TEA | {"tags": {"": "x"}}}, 422, None),
        ("sagas/buy", {"json": TEA | {"tags": {"a": 1}}}, 422, "body.tags.a"),
        ("sagas/buy", {"json": TEA | {"tags": {"amends.started-by": "me"}}}, 422, "body.tags.amends.started-by"),
        ("sagas/buy", {"json": TEA | {"run_id": "no run"}}, 422, None),
        ("sagas/buy", {"json": TEA | {"run_id": "r"}, "headers": {"Idempotency-Key": "k"}}, 422, "body.run_id"),
        ("sagas/buy", {"json": TEA, "headers": {"Idempotency-Key": "a b"}}, 422, "Idempotency-Key"),
        ("sagas/buy", {"json": TEA, "headers": TWO_KEYS}, 422, "Idempotency-Key"),
        ("sagas/buy", {"json": TEA | {"deadline_seconds": 0}}, 422, "deadline_seconds"),
        ("sagas/buy", {"json": TEA | {"deadline_seconds": 1e300}}, 422, "deadline_seconds"),
        ("sagas/buy", {"content": b"{", "headers": JSON}, 400, "body"),
        ("sagas/buy", {"content": b'{"input": NaN}', "headers": JSON}, 400, "body"),
        ("sagas/buy", {"content": b'{"input": "\\ud800"}', "headers": JSON}, 400, "body"),
        ("sagas/buy", {"content": b'\xff\xfe{"', "headers": JSON}, 400, "body"),
        ("sagas/buy", {"content": b"[" * 100_000, "headers": JSON}, 400, "body"),
        ("sagas/buy", {"content": b"9" * 100_000, "headers": JSON}, 400, "body"),
        ("sagas/buy", {"content": b"input=tea"}, 415, "Content-Type"),
        ("actions/greet", {"json": {"input": "x" * 1_500_000}}, 413, "input"),
        ("sagas/invoke:greet", {"json": {"input": "x"}}, 404, None),
        ("sagas/nothing", {"json": {}}, 404, None),
        ("actions/nothing", {"json": {}}, 404, None),
    ],
)  # fmt: skip
def test_what_cannot_be_started_says_why(path: str, sent: Any, status: int, field: str | None, sqlite_url: str) -> None:
    """The field is named, and what was sent is not repeated."""

    async def look(console: Served) -> None:
        response = await console.as_("operator").post(f"/api/{path}/runs", **sent)
        problem = response.json()
        assert (response.status_code, problem.get("field")) == (status, field), problem
        assert len(response.content) < 2_000

    on(sqlite_url, look)


def test_a_start_without_a_place_is_refused_in_time(sqlite_url: str) -> None:
    """The process hosts as many runs as it may: nobody waits for ever, and the same key asks again."""

    async def look(console: Served) -> None:
        await console.coordinator.start("hold", {"item": "x"})
        response = await console.as_("operator").post("/api/sagas/idle/runs", json={}, headers={"Idempotency-Key": "k"})
        assert (response.status_code, response.json()["type"]) == (503, "urn:amends:problem:no-place")
        assert response.headers["retry-after"]

    on(sqlite_url, look, host={"max_running": 1, "drain_seconds": 0}, start_seconds=0.2)
