"""What the console takes: how fast, how often, from where; and who is let in where no token is configured."""

import asyncio
import threading

import pytest

from amends.console.web import ConsoleSettings, Role, Token, new_token, server
from amends.console.web.roles import LOCAL
from amends.console.web.tokens import bearer, digest_of
from amends.errors import DefinitionError, InvalidValue, LogUnavailable
from amends.saga import events as e
from tests.console.scene import DETAIL, SECRETS, TOKENS, Served, on

HEAD = f"POST /api/sagas/buy/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRETS['clerk']}\r\n"


async def trickled(console: Served, *parts: str) -> bytes:
    """Send the parts, and wait for what the server does by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port)
    try:
        for part in parts:
            writer.write(part.encode())
            await writer.drain()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


def test_a_body_that_trickles_is_given_up(sqlite_url: str) -> None:
    async def look(console: Served) -> None:
        head = f"{HEAD}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        answer = await trickled(console, head, '{"input"')
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:amends:problem:request-timeout" in answer
        assert b"connection: close" in answer.lower()

    on(sqlite_url, look, body_seconds=0.3)


@pytest.mark.parametrize(
    "parts",
    [[], [HEAD], [f"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n{HEAD}"]],
    ids=["nothing", "a head", "a second head"],
)
def test_headers_that_trickle_are_given_up(parts: list[str], sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first byte on, and again behind each answer of a connection that is kept."""
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)

    async def look(console: Served) -> None:
        answer = await trickled(console, *parts)
        assert answer.count(b"HTTP/1.1 200 ") == len(parts) - (parts == [HEAD])

    on(sqlite_url, look)


def test_a_request_that_came_with_the_one_before_may_wait(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both arrive at once, and the second one waits for longer than headers may take."""
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)

    async def look(console: Served) -> None:
        await console.coordinator.start("ask", {"item": "tea"}, run_id="r")
        ask = f"GET /api/runs/r?wait_seconds=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRETS['clerk']}"
        answer = await trickled(console, f"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n{ask}\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200 ") == 2

    on(sqlite_url, look)


@pytest.mark.parametrize(
    "headers",
    [["X: x"] * 8_000, [f"X: {'x' * 33_000}"], [f"X-{number}: {'x' * 330}" for number in range(100)]],
    ids=["many", "a long one", "some"],
)
def test_large_headers_are_refused(headers: list[str], sqlite_url: str) -> None:
    """Also if they come in one piece."""

    async def look(console: Served) -> None:
        lines = "\r\n".join(["GET /health HTTP/1.1", "Host: localhost", "Connection: close", *headers])
        answer = await trickled(console, f"{lines}\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")), answer[:200]
        taken = await console.as_(None).get("/health", headers={"X": "x" * 30_000})
        assert taken.status_code == 200

    on(sqlite_url, look)


def test_two_lengths_are_refused(sqlite_url: str) -> None:
    """A proxy may have believed the other one: the answer is the last of the connection."""

    async def look(console: Served) -> None:
        both = "Content-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        smuggled = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = await trickled(console, f"{HEAD}{both}2\r\n{{}}\r\n0\r\n\r\n{smuggled}")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"urn:amends:problem:two-lengths" in answer
        assert b"connection: close" in answer.lower()
        assert answer.count(b"HTTP/1.1 ") == 1

    on(sqlite_url, look)


def test_who_asks_for_a_web_socket_gives_the_log_no_advice(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def look(console: Served) -> None:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        assert (await console.as_("viewer").get("/api/sagas", headers=headers)).status_code == 200

    on(sqlite_url, look)
    assert not [record for record in caplog.records if record.levelname != "INFO" and "uvicorn" in record.name]


def test_whoever_asks_too_often_is_told_when_to_come_again(sqlite_url: str) -> None:
    """Each token for itself; whoever tries tokens, by where they are."""

    async def look(console: Served) -> None:
        answers = [await console.as_("viewer").get("/api/sagas") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert answers[-1].json()["type"] == "urn:amends:problem:rate-limited"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert (await console.as_("reader").get("/api/sagas")).status_code == 200
        guesses = [
            await console.as_(None).get("/api/sagas", headers={"Authorization": f"Bearer {number}"})
            for number in range(6)
        ]
        assert {answer.status_code for answer in guesses[:3]} == {401}
        assert guesses[-1].status_code == 429

    on(sqlite_url, look, rate_per_minute=5)


def test_without_tokens_this_machine_is_let_in_and_nobody_else(sqlite_url: str) -> None:
    """As `local`; not through a proxy, which speaks for others; and not a page from elsewhere."""

    async def look(console: Served) -> None:
        client = console.as_(None)
        await console.coordinator.start("ask", {"item": "tea"}, run_id="r")
        assert (await client.post("/api/cancel/r", json={"reason": "x"})).json()["changed"]
        failing = [each for each in await console.coordinator.handle("r").history() if isinstance(each, e.RunFailing)]
        assert [each.by for each in failing] == [LOCAL.name]
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host"):
            refused = await client.get("/api/sagas", headers={header: "127.0.0.1"})
            assert (refused.status_code, refused.json()["type"]) == (403, "urn:amends:problem:no-tokens")
        assert (await client.get("/api/sagas", headers={"Origin": "http://localhost:3000"})).status_code == 403
        assert (await client.get("/api/sagas", headers={"Host": "shop.example"})).status_code == 421

    on(sqlite_url, look, tokens=())


def test_an_allowed_origin_and_an_allowed_host_are_let_in(sqlite_url: str) -> None:
    async def look(console: Served) -> None:
        client = console.as_("viewer")
        for headers in (
            {"Origin": "https://tools.example"},
            {"Origin": console.url},
            {"Host": "shop.example:443"},
            {"Host": "[::1]:80"},
        ):
            assert (await client.get("/api/sagas", headers=headers)).status_code == 200, headers

    on(
        sqlite_url,
        look,
        allowed_origins=["https://tools.example"],
        allowed_hosts=["127.0.0.1", "shop.example", "[::1]"],
    )


def test_a_search_that_takes_too_long_is_given_up(sqlite_url: str) -> None:
    """There is one connection for searching: whoever blocks it does not make others wait for ever."""

    async def look(console: Served) -> None:
        audit, free = console.app.state.console.audit, threading.Event()
        blocker = asyncio.create_task(audit._worker.run(lambda _: free.wait(30)))
        try:
            answers = await asyncio.gather(*(console.as_("viewer").get("/api/runs") for _ in range(3)))
            assert {answer.json()["type"] for answer in answers} == {"urn:amends:problem:search-timeout"}
        finally:
            free.set()
            await blocker
        assert (await console.as_("viewer").get("/api/runs")).status_code == 200

    on(sqlite_url, look, search_seconds=0.3)


def test_payloads_are_not_shown_where_the_view_cannot_be_written_down(sqlite_url: str) -> None:
    """The database takes nothing: neither events nor the output nor a stream; and then it takes them again."""

    async def look(console: Served) -> None:
        await console.run("buy", run_id="r")
        host, _ = console.coordinator.runs.opened()
        append = host.log.append
        landed: list[object] = []

        async def lost(*given: object, **more: object) -> None:
            if not landed:
                landed.append(await append(*given, **more))  # type: ignore[arg-type, func-returns-value]
            raise LogUnavailable

        host.log.append = lost  # type: ignore[method-assign]
        for path in ("/api/events/r", "/api/runs/r", "/api/stream/r"):
            refused = await console.as_("reader").get(path)
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:amends:problem:log-unavailable")
            assert "tea" not in refused.text
            assert (await console.as_("viewer").get(path)).status_code == 200
        host.log.append = append  # type: ignore[method-assign]
        assert "tea" in (await console.as_("reader").get("/api/events/r")).text

    on(sqlite_url, look)


SECRET_TEXT = f"declined: {DETAIL}"


def test_nothing_secret_is_logged(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the level: no token, no payload, no text of an error; also when something is wrong here."""
    caplog.set_level(0)

    async def look(console: Served) -> None:
        await console.as_("clerk").post("/api/sagas/buy/runs?wait_seconds=20", json={"input": {"item": "declined"}})
        await console.as_(None).get("/api/sagas", headers={"Authorization": "Bearer amends_guess"})

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError(SECRET_TEXT)

        console.app.state.console.coordinator.runs.events = broken
        wrong = await console.as_("clerk").get("/api/runs/r")
        assert (wrong.status_code, wrong.json()["type"]) == (500, "urn:amends:problem:internal-error")

    on(sqlite_url, look)
    said = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert "RuntimeError" in said
    for secret in (*SECRETS.values(), "amends_guess", "declined", *DETAIL):
        assert secret not in said


def test_a_token_is_recognised_by_its_hash_alone() -> None:
    secret, token = new_token("ada@example.com", Role.OPERATOR, payloads=True)
    assert Token.from_line(token.line) == token
    assert bearer((*TOKENS, token), secret) == token.actor
    assert bearer((*TOKENS, token), secret + "x") is None
    assert bearer((*TOKENS, token), token.digest) is None
    assert bearer((*TOKENS, token), "\ud800") is None
    assert secret not in token.line
    assert token.digest == digest_of(secret)


@pytest.mark.parametrize(
    "line",
    ["", "ada", "ada viewer x", "a:b viewer sha256:" + "0" * 64, "ada public sha256:" + "0" * 64, "a b c d"]
    + [f"ada viewer+{right} sha256:{'0' * 64}" for right in ("", "all")],
)
def test_a_line_that_is_no_token_is_refused(line: str) -> None:
    with pytest.raises(InvalidValue):
        Token.from_line(line)


@pytest.mark.parametrize(
    "given",
    [
        {"rate_per_minute": 0},
        {"body_seconds": float("nan")},
        {"stream_limit": -1},
        {"tokens": (TOKENS[0], TOKENS[0])},
        {"allowed_hosts": "localhost"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_settings_that_cannot_be_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(DefinitionError):
        ConsoleSettings(**given)  # type: ignore[arg-type]
