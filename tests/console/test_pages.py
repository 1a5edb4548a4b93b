"""The pages as a caller without a browser sees them: sessions, forms, rights, and what each kind of run offers."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from amends import RunStatus
from amends.console.timeline import End, timeline
from amends.console.web import Actor, ConsoleSettings, Role, console_app
from amends.console.web.pages.folding import folded
from amends.console.web.pages.hiding import without_texts
from amends.console.web.pages.links import Links, back_to
from amends.console.web.pages.offers import offers
from amends.console.web.pages.rendering import breakable
from amends.console.web.pages.values import VALUE_LIMIT, values_of
from amends.console.web.sessions import COOKIE, IDLE, LONGEST, Session, Sessions, must_be_safe
from amends.saga import events as e
from amends.saga.events import ParkReason, Remaining, RemainingWhy
from tests.console.scene import SECRETS, TOKENS, Served, coordinator_on, served
from tests.unit.recorded import at, did, doing, failed, started, unwound_run

HTML = {"Accept": "text/html"}


async def signed_in(console: Served, name: str) -> httpx.AsyncClient:
    """Return a client with a session, as a browser begins one."""
    client = httpx.AsyncClient(base_url=console.url, headers={**HTML, "Origin": console.url}, trust_env=False)
    await client.get("/sign-in")
    form = {"token": SECRETS[name], "secret": client.cookies["amends_sign_in"], "wanted": "/run?id=r"}
    answer = await client.post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/run?id=r")
    cookie = answer.headers.get_list("set-cookie")[0]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    return client


def secret_of(page: httpx.Response) -> str:
    """Return the secret that the forms of a page bring back."""
    return page.text.partition('name="secret" value="')[2].partition('"')[0]


def test_a_session_is_begun_only_by_the_form_that_was_asked_for() -> None:
    """Else somebody could sign another one in, who then works under a name that is not theirs."""

    async def ask() -> None:
        async with served("memory://") as console, httpx.AsyncClient(base_url=console.url, trust_env=False) as client:
            page = await client.get("/sign-in", headers=HTML)
            form = {"token": SECRETS["admin"], "secret": secret_of(page)}
            origin = {"Origin": console.url}
            assert (await client.post("/sign-in", data=form)).json()["title"] == "Origin missing"
            foreign = {**form, "secret": "x" * 43}
            assert (await client.post("/sign-in", data=foreign, headers=origin)).json()["title"] == "Foreign form"
            assert (await client.post("/sign-in", data=form, headers=origin)).status_code == 303
            client.cookies.clear()
            assert (await client.post("/sign-in", data=form, headers=origin)).json()["title"] == "Foreign form"

    asyncio.run(ask())


def test_a_session_changes_something_only_with_the_secret_of_its_pages() -> None:
    """Not with that of another session, not through the API, and not without saying from which page."""

    async def ask() -> None:
        async with served("memory://") as console:
            await console.run("jam", run_id="r")
            client, other = await signed_in(console, "operator"), await signed_in(console, "admin")
            secret = secret_of(await client.get("/run?id=r"))
            told = {"run_id": "r", "reason": "mended"}
            for wrong in ({}, {"secret": ""}, {"secret": secret_of(await other.get("/run?id=r"))}):
                assert (await client.post("/tell/retry", data={**told, **wrong})).status_code == 403
            with_secret = {**told, "secret": secret}
            no_origin = await client.post("/tell/retry", data=with_secret, headers={"Origin": ""})
            assert no_origin.status_code == 403
            by_api = await client.post("/api/retry/r", json={"reason": "mended"}, headers={"Accept": "*/*"})
            assert by_api.json()["title"] == "Session refused"
            assert (await client.get("/api/runs/r")).status_code == 200, "to look is harmless"
            assert (await client.post("/tell/abandon", data=with_secret)).status_code == 403, "that is an admin's"
            assert (await client.post("/tell/retry", data=with_secret)).status_code == 303
            history = await console.coordinator.handle("r").history()
            assert [event.by for event in history if isinstance(event, e.RunResumed)] == ["operator"]
            await client.aclose()
            await other.aclose()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"run_id": "r"}, "form.reason"),
        ({"run_id": "r", "reason": "  "}, "form.reason"),
        ({"run_id": "r", "reason": "x" * 2_001}, "form.reason"),
        ({"run_id": "r", "reason": "x", "by": "somebody else"}, "form.by"),
        ({"reason": "x"}, "form.run_id"),
    ],
    ids=str,
)
def test_a_form_that_does_not_fit_is_named(fields: dict[str, str], problem: str) -> None:
    async def ask() -> None:
        async with served("memory://") as console:
            answer = await console.as_("operator").post("/tell/cancel", data=fields)
            assert (answer.status_code, answer.json()["field"]) == (422, problem)

    asyncio.run(ask())


def test_people_get_pages_and_programs_get_documents() -> None:
    """Of the same refusal."""

    async def ask() -> None:
        async with served("memory://") as console:
            stranger, viewer = console.as_(None), console.as_("viewer")
            assert (await stranger.get("/run?id=r")).headers["content-type"] == "application/problem+json"
            page = await stranger.get("/run?id=r&step=1", headers=HTML)
            assert page.status_code == 401
            assert 'name="wanted" value="/run?id=r&amp;step=1"' in page.text
            missing = await viewer.get("/run?id=r", headers=HTML)
            assert missing.status_code == 404
            assert "<h1>Unknown name</h1>" in missing.text
            assert (await viewer.get("/", headers=HTML)).status_code == 501, "a log in memory cannot be searched"

    asyncio.run(ask())


def test_a_console_that_is_mounted_stays_below_its_path(tmp_path: Path) -> None:
    """Every address on its pages, its cookies, and where it sends a browser."""

    async def ask() -> None:
        coordinator = coordinator_on(f"sqlite:///{tmp_path}/log.db")
        console = console_app(coordinator, ConsoleSettings(tokens=TOKENS, allowed_hosts=["shop"], follow=True))
        service = Starlette(routes=[Mount("/console", console)])
        async with coordinator, console.router.lifespan_context(console):
            await coordinator.start("idle", run_id="r")
            await console.state.console.follower.caught_up()
            transport, headers = httpx.ASGITransport(service), {**HTML, "Origin": "https://shop"}
            async with httpx.AsyncClient(transport=transport, base_url="https://shop", headers=headers) as client:
                form = await client.get("/console/run?id=r")
                given = {"token": SECRETS["clerk"], "secret": secret_of(form), "wanted": "/console/run?id=r"}
                begun = await client.post("/console/sign-in", data=given)
                assert begun.headers["location"] == "/console/run?id=r"
                assert {(cookie.name, cookie.path, cookie.secure) for cookie in client.cookies.jar} == {
                    ("amends_session", "/console/", True)
                }
                for page in (await client.get("/console/run?id=r"), await client.get("/console/"), form):
                    addresses = re.findall(r' (?:href|action|src|data-\w+)="([^"#][^"]*)"', page.text)
                    assert addresses
                    assert [each for each in addresses if not each.startswith("/console/") and "/" in each] == []
                    assert (await client.get("/console/static/amends.css")).status_code == 200

    asyncio.run(ask())


def test_values_are_for_those_who_may_see_them() -> None:
    async def ask() -> None:
        async with served("memory://") as console:
            await console.run("jam", run_id="r")
            assert (await console.as_("viewer").get("/run?id=r&step=1")).status_code == 403
            assert "secret-detail" not in (await console.as_("viewer").get("/run?id=r", headers=HTML)).text
            assert "secret-detail" in (await console.as_("reader").get("/run?id=r", headers=HTML)).text

    asyncio.run(ask())


def test_a_stream_for_a_page_brings_no_value() -> None:
    """It says only that something has happened, so it is on nobody's record."""

    async def ask() -> None:
        async with served("memory://") as console:
            await console.run("buy", "secret-tea", run_id="r")
            assert "secret-tea" in (await console.as_("reader").get("/api/stream/r")).text
            told = (await console.as_("reader").get("/live/r")).text
            assert "RunCompleted" in told
            assert "secret-tea" not in told

    asyncio.run(ask())


def huge_run(count: int) -> list[e.Event]:
    """A completed run of many steps, waits and signals, each with a long error behind it."""
    made: list[e.Event] = [*started()]
    error = e.ErrorInfo(type="Busy", message="x" * 900)
    for number in range(1, count + 1):
        step, moment = str(number * 2), at(number)
        made += [doing(step, "a" * 128, number), failed(step, number, retry_at=number, error=error)]
        made += [doing(step, "a" * 128, number, attempt=2), did(step, number, attempt=2)]
        made.append(e.SignalAwaited(occurred_at=moment, step=str(number * 2 + 1), signal="go"))
        made.append(e.SignalReceived(occurred_at=moment, signal="go", payload="1", by="b" * 200, key=str(number)))
    return [*made, e.RunCompleted(occurred_at=at(count + 1), output="1")]


def test_a_huge_run_makes_no_huge_page() -> None:
    """Whoever wants all of it reads its events; its steps can be gone through."""

    async def ask() -> None:
        async with served("memory://") as console:
            host, _ = console.coordinator.runs.opened()
            await host.log.append("r", 0, [host.codec.encode(event) for event in huge_run(2_000)])
            page = await console.as_("reader").get("/run?id=r", headers=HTML)
            assert page.status_code == 200
            assert len(page.text) < 900_000
            assert "1,800 earlier steps" in page.text
            earlier = await console.as_("reader").get("/run?id=r&before=200", headers=HTML)
            assert 'data-label="Step">2</td>' in earlier.text
            assert "earlier steps</a>" not in earlier.text

    asyncio.run(ask())


def test_attempts_that_ended_alike_are_one_line() -> None:
    """Forty times the same long error is told once; what is different stands by itself."""
    history = [*started()]
    for number in range(1, 40):
        history += [doing("1", "a", number, attempt=number), failed("1", number + number / 100, attempt=number)]
    seen = timeline("r", [*history, doing("1", "a", 40, attempt=40), did("1", 41, attempt=40)])
    busy, done = folded(seen.rows[0].attempts)
    assert (busy.number, busy.count, busy.end, busy.error[:14]) == (1, 39, End.FAILED, "CrmUnavailable")
    assert (round(busy.shortest, 3), round(busy.longest, 3)) == (0.01, 0.39)
    assert (done.number, done.count, done.end, done.error) == (40, 1, End.SUCCEEDED, "")


def test_an_id_is_broken_where_its_parts_end() -> None:
    """And what it holds stays text."""
    assert breakable("signup:a-b@example.com//x") == "signup:<wbr>a-<wbr>b@<wbr>example.<wbr>com//<wbr>x"
    assert breakable("<b>-\x1bx") == "&lt;b&gt;-<wbr>\ufffdx"


class _Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)


def request(cookie: str) -> HTTPConnection:
    return HTTPConnection({"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]})


def test_a_session_ends_when_nobody_uses_it_and_in_any_case() -> None:
    time = _Time()
    sessions = Sessions(lambda: time.now)
    cookie = sessions.begin(Actor("ada", Role.VIEWER))
    begun = sessions.of(request(cookie))
    assert begun is not None
    assert begun.actor == Actor("ada", Role.VIEWER, is_ambient=True)
    for _ in range(LONGEST // IDLE):
        time.now += IDLE - timedelta(seconds=1)
        assert isinstance(sessions.of(request(cookie)), Session)
    time.now += IDLE - timedelta(seconds=1)
    assert sessions.of(request(cookie)) is None, "in any case"
    cookie = sessions.begin(Actor("ada", Role.VIEWER))
    assert sessions.of(request(cookie)) is not None
    time.now += IDLE
    assert sessions.of(request(cookie)) is None, "unused"
    cookie = sessions.begin(Actor("ada", Role.VIEWER))
    sessions.end(request(cookie))
    assert sessions.of(request(cookie)) is None, "ended"
    assert sessions.of(request("")) is None
    assert sessions.of(request("é")) is None


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("http://127.0.0.1:8765/", False),
        ("http://[::1]:8765/", False),
        ("https://localhost/", True),
        ("http://console.example.com/", True),
        ("http://127.0.0.1.example.com/", True),
    ],
)
def test_a_cookie_leaves_this_machine_over_tls_only(url: str, is_safe: bool) -> None:
    """Also where a proxy has taken the TLS away."""
    split = urlsplit(url)
    scope = {"type": "http", "scheme": split.scheme, "path": "/", "headers": [(b"host", split.netloc.encode())]}
    assert must_be_safe(HTTPConnection(scope)) is is_safe


FAILED = (Remaining(step="1", action="a", why=RemainingWhy.UNDO_FAILED),)


@pytest.mark.parametrize(
    ("role", "status", "parked", "remaining", "expected"),
    [
        (Role.OPERATOR, RunStatus.PARKED, ParkReason.UNDO_FAILED, FAILED, ["retry", "waive", "cancel"]),
        (Role.ADMIN, RunStatus.PARKED, ParkReason.OUTCOME_UNKNOWN, (), ["retry", "cancel", "abandon"]),
        (Role.OPERATOR, RunStatus.PARKED, ParkReason.DIVERGED, (), ["resume", "cancel"]),
        (Role.OPERATOR, RunStatus.PARKED, ParkReason.FORWARD_FAILED, (), ["retry", "resume", "cancel"]),
        (Role.OPERATOR, RunStatus.RUNNING, None, (), ["cancel"]),
        (Role.OPERATOR, RunStatus.COMPLETED, None, (), ["undo"]),
        (Role.ADMIN, RunStatus.UNWINDING, None, (), ["abandon"]),
        (Role.ADMIN, RunStatus.COMPENSATED, None, (), []),
        (Role.VIEWER, RunStatus.PARKED, ParkReason.UNDO_FAILED, FAILED, []),
    ],
)
def test_what_is_offered_is_what_applies(
    role: Role,
    status: RunStatus,
    parked: ParkReason | None,
    remaining: Sequence[Remaining],
    expected: list[str],
) -> None:
    found = offers(Actor("ada", role), status, parked=parked, remaining=remaining)
    assert [offer.name for offer in found] == expected
    bound = offers(Actor("ada", role), status, parked=parked, remaining=remaining, is_committed=True, is_failing=True)
    assert {offer.name for offer in bound} == {offer.name for offer in found} - {"cancel", "undo"}


def test_texts_are_taken_out_and_words_of_people_stay() -> None:
    hidden = without_texts(unwound_run())
    assert "503" in str(unwound_run())
    assert "503" not in str(hidden)
    assert "CrmUnavailable" in str(hidden)
    error = e.ErrorInfo(type="", message="the customer asked for it")
    cancelled = e.RunFailing(occurred_at=at(1), reason=e.FailingReason.CANCELLED, error=error, by="ada")
    assert without_texts([cancelled]) == [cancelled]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ('{"a":[1,2]}', '{\n  "a": [\n    1,\n    2\n  ]\n}'),
        ("1e999", '"1e999"'),
        ("no JSON", "no JSON"),
        ('"\\ud800 \\u202e"', '"\ufffd \ufffd"'),
        ("[" * 5_000 + "]" * 5_000, "[" * 5_000 + "]" * 5_000),
        ('"' + "x" * 6_000_000 + '"', '"' + "x" * (VALUE_LIMIT - 1)),
    ],
    ids=["plain", "huge-number", "no-json", "hostile", "deep", "large"],
)
def test_a_value_is_shown_whatever_it_is(stored: str, shown: str) -> None:
    completed = e.RunCompleted(occurred_at=at(1), output=stored)
    (value,) = values_of([completed], "run")
    assert value.text == shown
    assert value.is_cut is (len(stored) > VALUE_LIMIT)


ELSEWHERE = (
    *("//evil", "///evil", "////evil", "/////evil", "/\\evil", "//\\evil", "/\\/evil", "\\\\evil", "/x\\..\\evil"),
    *("///evil:x@[", "//[", "//user@evil/", "//%2fevil", "/\t/evil", "/\n/evil", "/\r\n/evil", " //evil"),
    *("https://evil", "https:///evil", "https:evil", "http:///x", "javascript:1"),
    *("", "x", "?x", "#x", "./x", "/é", "/a\nb", "/\x00", "/\x7f"),
)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_one_goes_back_to_our_own_pages_only(address: str) -> None:
    assert back_to(address, "") == "/"
    assert back_to("/run?id=x", "/console") == "/console/"
    assert back_to("/console/run?id=x", "/console") == "/console/run?id=x"


def test_the_id_of_a_run_survives_its_address() -> None:
    """A browser would take `..` out of a path, and a `+` would be a space."""
    link = Links("/console")
    assert link("/run", id="a/../b+c:d@e", step="", before=None) == "/console/run?id=a/../b%2Bc:d@e"
    assert link("/", tag='"><script>') == "/console/?tag=%22%3E%3Cscript%3E"
