"""Reading over HTTP: what there is, runs, their events, and what is kept from those who may not see payloads."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from amends import RunStatus
from amends.console.web import Actor, Role, views
from amends.console.web.views import Views
from amends.errors import LogUnavailable
from amends.projections import AuditView, CommandKind, Sealer, verify
from amends.testing.postgres_server import execute
from tests.console.scene import DETAIL, Served, caught_up, on, served


def forged(*place: object) -> str:
    """A cursor that no page has given."""
    return urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def test_actions_and_sagas_are_listed_with_their_types(shared_log_url: str) -> None:
    async def look(console: Served) -> None:
        actions = (await console.as_("viewer").get("/api/actions")).json()["actions"]
        by_name = {each["name"]: each for each in actions}
        assert set(by_name) == {"greet", "reserve", "charge", "stuck", "hold"}
        assert by_name["greet"]["irreversible"]
        assert by_name["reserve"]["input"]["properties"]["count"]["maximum"] == 100
        sagas = {each["name"]: each for each in (await console.as_("viewer").get("/api/sagas")).json()["sagas"]}
        assert set(sagas) == {"buy", "jam", "ask", "reserve-only", "greet-much", "idle", "hold"}
        assert sagas["ask"]["signals"]["approved"]["required"] == ["approved"]
        assert sagas["idle"]["input"] == {"type": "null"}

    on(shared_log_url, look)


def test_a_run_is_read_with_its_events(shared_log_url: str) -> None:
    """With ids that hold slashes, as those of children do."""

    async def look(console: Served) -> None:
        await console.run("buy", run_id="shop:ada/2", tags={"tenant": "acme"})
        client = console.as_("reader")
        run = (await client.get("/api/runs/shop:ada/2")).json()
        assert (run["run_id"], run["status"], run["output"], run["failure"]) == (
            "shop:ada/2",
            "completed",
            "1 tea",
            None,
        )
        assert run["tags"] == {"tenant": "acme"}
        assert [step["action"] for step in run["steps"]] == ["reserve", "charge"]
        page = (await client.get("/api/events/shop:ada%2F2", params={"limit": 2})).json()
        assert [event["event"] for event in page["events"]] == ["RunStarted", "RunClaimed"]
        assert page["events"][0]["input"] == {"item": "tea", "count": 1}
        rest = (await client.get("/api/events/shop:ada/2", params={"after_version": 2})).json()
        assert rest["events"][0]["version"] == page["next_after_version"] + 1
        assert (rest["events"][-1]["event"], rest["next_after_version"]) == ("RunCompleted", None)

    on(shared_log_url, look)


def test_payloads_are_kept_from_those_who_may_not_see_them(shared_log_url: str) -> None:
    """Inputs, outputs, payloads and texts of errors, wherever they could stand; people's words and classes are not."""

    async def look(console: Served) -> None:
        await console.run("buy", item="declined", run_id="failed")
        await console.run("jam", item="top-secret", run_id="parked")
        done = await console.run("buy", item="top-secret")
        handle = await console.coordinator.start("ask", {"item": "top-secret"}, run_id="off")
        await handle.cancel(by="ada", reason="no longer wanted")
        await console.coordinator.runs.at_rest("off")
        await caught_up(console)
        paths = ["/api/runs", "/api/commands", "/api/counts"]
        for run_id in ("failed", "parked", "off", done):
            paths += [f"/api/{kind}/{run_id}" for kind in ("runs", "events", "undo-plan")]
        for path in paths:
            hidden = (await console.as_("viewer").get(path)).text
            assert not any(word in hidden for word in (*DETAIL, "top-secret", "declined")), (path, hidden)
        stream = (await console.as_("viewer").get(f"/api/stream/{done}")).text
        assert "RunCompleted" in stream
        assert "top-secret" not in stream
        assert "no longer wanted" in (await console.as_("viewer").get("/api/events/off")).text
        assert "no longer wanted" in (await console.as_("viewer").get("/api/runs/off")).text
        assert "ValueError" in (await console.as_("viewer").get("/api/events/failed")).text
        for path, word in (("/api/events/failed", "4111-1111"), ("/api/runs/parked", "secret-detail")):
            assert word in (await console.as_("reader").get(path)).text

    on(shared_log_url, look)


def test_runs_are_searched_page_by_page(shared_log_url: str) -> None:
    async def look(console: Served) -> None:
        for number in range(5):
            await console.run("buy", run_id=f"r{number}", tags={"tenant": "acme" if number % 2 else "zen"})
        await console.run("jam", run_id="stuck")
        await caught_up(console)
        client, found, cursor = console.as_("viewer"), [], None
        while True:
            params = httpx.QueryParams(limit=2, saga="buy", **({"cursor": cursor} if cursor else {}))
            page = (await client.get("/api/runs", params=params)).json()
            found += [run["run_id"] for run in page["runs"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert found == ["r4", "r3", "r2", "r1", "r0"]
        tagged = (await client.get("/api/runs", params={"tag": "tenant=acme"})).json()["runs"]
        assert [run["run_id"] for run in tagged] == ["r3", "r1"]
        (parked,) = (await client.get("/api/runs", params={"state": "parked"})).json()["runs"]
        assert (parked["run_id"], parked["parked_reason"], parked["parked_detail"]) == ("stuck", "undo_failed", None)
        counts = (await client.get("/api/counts")).json()["counts"]
        assert {(each["saga"], each["state"]): each["run_count"] for each in counts} == {
            ("buy", "completed"): 5,
            ("jam", "parked"): 1,
        }

    on(shared_log_url, look)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/api/runs?limit=1000000", 422, "query.limit"),
        ("/api/runs?limit=-1", 422, "query.limit"),
        ("/api/runs?limit=2&limit=3", 422, "query.limit"),
        ("/api/runs?state=odd", 422, "query.state"),
        ("/api/runs?tag=odd", 422, "query.tag"),
        ("/api/runs?since=yesterday", 422, "query.since"),
        ("/api/runs?since=9999-12-31T23:59:59-23:00", 422, "query.since"),
        ("/api/runs?cursor=odd", 422, "cursor"),
        (f"/api/runs?cursor={forged(None, 10**20)}", 422, "cursor"),
        (f"/api/runs?cursor={forged('2026-01-01T00:00:00', 1)}", 422, "cursor"),
        (f"/api/runs?cursor={forged('0001-01-01T00:00:00+23:00', 1)}", 422, "cursor"),
        (f"/api/commands?cursor={forged(None, -1)}", 422, "cursor"),
        (f"/api/commands?cursor={forged('2026-01-01T00:00:00+00:00', 1)}", 422, "cursor"),
        (f"/api/runs?cursor={forged(None, 1)}", 422, "cursor"),
        ("/api/runs?odd=1", 422, "query.odd"),
        ("/api/runs?saga=%00", 422, "query.saga"),
        ("/api/runs?text=x", 403, "query.text"),
        ("/api/runs?" + "x" * 9_000, 414, "query"),
        ("/api/events/r?limit=1000000", 422, "query.limit"),
        ("/api/runs/r?wait_seconds=1000000", 422, "query.wait_seconds"),
        ("/api/runs/nobody", 404, None),
        ("/api/runs/%20", 422, None),
        ("/api/runs/~views/x", 422, None),
        ("/api/events/", 422, None),
    ],
)
def test_what_cannot_be_read_says_why(path: str, status: int, field: str | None, sqlite_url: str) -> None:
    async def look(console: Served) -> None:
        response = await console.as_("viewer").get(path)
        problem = response.json()
        assert (response.status_code, problem["status"], problem.get("field")) == (status, status, field), problem
        assert problem["type"].startswith("urn:amends:problem:")
        assert problem["detail"]

    on(sqlite_url, look)


def test_times_are_taken_as_on_the_page(sqlite_url: str) -> None:
    async def look(console: Served) -> None:
        await console.run("buy", run_id="r")
        await caught_up(console)
        client = console.as_("viewer")
        for since in ("7d", "30m", "2026-01-01", "2026-01-01T08:00:00Z"):
            assert len((await client.get("/api/runs", params={"since": since})).json()["runs"]) == 1, since
            assert (await client.get("/api/counts", params={"since": since})).json()["counts"], since
        assert (await client.get("/api/runs", params={"until": "1h"})).json()["runs"] == []
        for path in ("/api/runs", "/api/counts", "/figures"):
            wrong = (await client.get(path, params={"since": "yesterday"})).json()
            assert wrong["detail"] == "query.since: use so long ago (30m, 2h, 7d), or a time in ISO 8601"
        wrong = (await client.get("/api/runs", params={"tag": "odd"})).json()
        assert wrong["detail"] == "query.tag: is not NAME=VALUE"

    on(sqlite_url, look)


def test_a_view_of_payloads_is_on_record(shared_log_url: str) -> None:
    """Before they are shown: who, of which run, where. What is shown without payloads is not."""

    async def look(console: Served) -> None:
        await console.run("buy", run_id="r")
        for name in ("viewer", "reader"):
            assert (await console.as_(name).get("/api/events/r")).status_code == 200
            assert (await console.as_(name).get("/api/runs/r")).status_code == 200
            assert (await console.as_(name).get("/api/stream/r")).status_code == 200
        await caught_up(console)
        commands = (await console.as_("viewer").get("/api/commands")).json()["commands"]
        assert [(each["kind"], each["by"], each["run_id"], each["reason"]) for each in reversed(commands)] == [
            ("view", "reader", "r", where) for where in ("events", "output", "stream")
        ]
        async with AuditView(shared_log_url) as audit:
            detail = await audit.run("r")
            assert {command.kind for command in detail.commands} == {CommandKind.VIEW}
            assert detail.run.state is RunStatus.COMPLETED
            assert [each.run_id for each in (await audit.runs()).rows] == ["r"]
        async with Sealer(shared_log_url) as sealer:
            await sealer.seal()
        events = await console.coordinator.handle("r").history()
        verified = await verify(shared_log_url)
        assert (verified.breach, verified.event_count) == (None, len(events) + 3)

    on(shared_log_url, look)


def test_who_reads_the_texts_of_errors_is_on_record(shared_log_url: str) -> None:
    """Once an hour for each run and token, as lists are looked at again and again; a search for a text each time.

    What was searched for is not in the record, which those may read who do not see payloads.
    """

    async def look(console: Served) -> None:
        await console.run("buy", item="declined", run_id="failed")
        await console.run("jam", run_id="parked")
        await console.run("buy", run_id="fine")
        await caught_up(console)
        for name in ("viewer", "reader", "clerk"):
            client = console.as_(name)
            for path in (
                "/api/runs?state=compensated",
                "/api/runs",
                "/api/runs",
                "/api/runs/parked",
                "/",
                "/run?id=failed",
            ):
                assert (await client.get(path)).status_code == 200
        for text in ("4111", "4111-1111", "4111-1112"):
            assert (await console.as_("reader").get("/api/runs", params={"text": text})).status_code == 200
        await console.as_("admin").get("/", params={"text": "4111"})
        again: Any = {"json": {"input": {"item": "declined"}}, "headers": {"Idempotency-Key": "k"}}
        started = await console.as_("admin").post("/api/sagas/buy/runs?wait_seconds=20", **again)
        await caught_up(console)
        commands = (await console.as_("viewer").get("/api/commands")).json()["commands"]
        texts, search = "texts of errors", "a search for a text of errors"
        searched = [("reader", "*", search)] * 3 + [("admin", "*", search)]
        assert [(each["by"], each["run_id"], each["reason"]) for each in reversed(commands)] == [
            *((name, run_id, texts) for name in ("reader", "clerk") for run_id in ("failed", "parked")),
            *searched,
            ("admin", "failed", texts),
            ("admin", started.json()["run_id"], texts),
        ]

    on(shared_log_url, look)


def test_a_page_of_many_failed_runs_is_one_write(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None when it is looked at again, and one when that was long ago. What is not written is not on record."""

    async def look(console: Served) -> None:
        recorded = Views(console.coordinator)
        host, _ = console.coordinator.runs.opened()
        append, written = host.log.append, []

        async def counted(stream: str, version: int, records: Sequence[Any]) -> None:
            written.append(len(records))
            if len(written) == 1:
                raise LogUnavailable
            await append(stream, version, records)

        host.log.append = counted  # type: ignore[method-assign, assignment]
        reader, page = Actor("reader", Role.VIEWER, payloads=True), [f"r{number}" for number in range(1_000)]
        with pytest.raises(LogUnavailable):
            await recorded.record_texts(reader, page)
        for _ in range(2):
            await recorded.record_texts(reader, page)
        assert written == [1_000, 1_000]
        await recorded.record_texts(reader, ["another", *page])
        monkeypatch.setattr(views, "TEXTS_LAST", timedelta(0))
        monkeypatch.setattr(views, "MAX_REMEMBERED", 10)
        await recorded.record_texts(reader, page[:20])
        assert written[2:] == [1, 20]
        assert len(recorded._texts) == 10
        host.log.append = append  # type: ignore[method-assign]

    on(sqlite_url, look)


def test_a_log_in_memory_is_served_but_not_searched() -> None:
    async def look(console: Served) -> None:
        await console.run("buy", run_id="r")
        assert (await console.as_("viewer").get("/api/runs/r")).status_code == 200
        assert (await console.as_("viewer").get("/api/runs")).status_code == 501

    on("memory://", look)


def test_a_view_that_was_never_made_says_who_makes_it(shared_log_url: str) -> None:
    async def look() -> None:
        async with served(shared_log_url) as console:
            response = await console.as_("viewer").get("/api/runs")
            assert (response.status_code, response.json()["type"]) == (503, "urn:amends:problem:projection-outdated")
            assert "rebuild" in response.json()["detail"]

    asyncio.run(look())


def test_runs_are_searched_by_a_role_that_may_only_read(postgres_url: str) -> None:
    """The audit view is read through a connection of its own, whose role can write nothing."""

    async def look() -> None:
        async with served(postgres_url, follow=True) as console:
            await console.run("buy", run_id="r")
            await caught_up(console)
        only_reads = "CREATE ROLE looker LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker"
        execute(postgres_url, *only_reads)
        try:
            async with served(postgres_url, audit_url=postgres_url.replace("postgres:@", "looker:@")) as console:
                assert console.app.state.console.audit is not None
                runs = (await console.as_("viewer").get("/api/runs")).json()["runs"]
                assert [run["run_id"] for run in runs] == ["r"]
        finally:
            execute(postgres_url, "DROP OWNED BY looker", "DROP ROLE looker")

    assert "postgres:@" in postgres_url
    asyncio.run(look())


def test_what_is_shown_is_ascii_whatever_it_holds(shared_log_url: str) -> None:
    """A run whose values hold what terminals, browsers and parsers stumble over comes out as plain JSON."""

    async def look(console: Served) -> None:
        odd = "</script>\u2028\x00\x7f\u202e\U0001f600"
        await console.run("buy", item=odd, run_id="r")
        for path in ("/api/events/r", "/api/runs/r", "/api/stream/r"):
            response = await console.as_("reader").get(path)
            assert response.content.isascii()
            assert b"\x00" not in response.content
        events = (await console.as_("reader").get("/api/events/r")).json()["events"]
        assert events[0]["input"]["item"] == odd
        assert json.loads(json.dumps(events)) == events

    on(shared_log_url, look)


def test_health_readiness_and_metrics(shared_log_url: str) -> None:
    async def look(console: Served) -> None:
        assert (await console.as_(None).get("/health")).json() == {"status": "ok"}
        assert (await console.as_(None).get("/ready")).json() == {"status": "ok"}
        await console.as_("viewer").get("/api/runs/nobody-knows-me")
        text = (await console.as_("viewer").get("/metrics")).text
        labels = 'method="GET",route="/api/runs/{run_id:path}",status="404"'
        assert f"amends_http_requests_total{{{labels}}} 1.0" in text
        assert "amends_hosted_runs" in text
        assert "nobody-knows-me" not in text

    on(shared_log_url, look)
