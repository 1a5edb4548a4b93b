"""Events as they come: a client that was cut off goes on where it was, and a stream takes nothing when it is over."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.console.scene import SECRETS, Served, on


async def messages(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the messages of a stream, as an EventSource would read them."""
    message: dict[str, Any] = {}
    async for line in response.aiter_lines():
        if not line:
            if "data" in message:
                yield message
            message = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            message[name] = json.loads(value) if name == "data" else value


async def some(console: Served, run_id: str, count: int, **headers: str) -> list[dict[str, Any]]:
    """Read so many messages, then hang up."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    found = []
    async with console.as_("reader").stream("GET", f"/api/stream/{run_id}", headers=given) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for message in messages(response):
            found.append(message)
            if len(found) == count:
                break
    return found


def test_a_stream_goes_on_where_it_was_cut_off(shared_log_url: str) -> None:
    """Each event comes once, in order, over three connections, while the run moves; then nothing more is asked for."""

    async def look(console: Served) -> None:
        await console.coordinator.start("ask", {"item": "tea"}, run_id="r/1")
        first = await some(console, "r/1", 2)
        second = await some(console, "r/1", 2, Last_Event_ID=first[-1]["id"])
        third = asyncio.create_task(some(console, "r/1", 100, Last_Event_ID=second[-1]["id"]))
        await console.coordinator.signal("r/1", "approved", {"approved": True}, by="ada")
        *rest, end = await third
        assert (end["event"], end["data"]) == ("end", {"status": "completed"})
        seen = [*first, *second, *rest]
        history = await console.coordinator.handle("r/1").history()
        assert [int(each["id"]) for each in seen] == list(range(1, len(history) + 1))
        assert [each["data"]["event"] for each in seen] == [type(event).__name__ for event in history]
        over = await console.as_("reader").get("/api/stream/r/1", headers={"Last-Event-ID": seen[-1]["id"]})
        assert (over.status_code, over.content) == (204, b"")
        behind = await console.as_("reader").get("/api/stream/r/1", params={"after_version": len(history) - 1})
        assert "RunCompleted" in behind.text

    on(shared_log_url, look)


def test_streams_have_places_and_give_them_back(sqlite_url: str) -> None:
    """One more than the limit is refused; a client that hangs up frees its place."""

    async def look(console: Served) -> None:
        await console.coordinator.start("ask", {"item": "tea"}, run_id="r")
        client = console.as_("viewer")
        async with client.stream("GET", "/api/stream/r") as open_stream:
            reading = messages(open_stream)  # Held: what nobody holds is closed, and its connection with it.
            await anext(reading)
            refused = await client.get("/api/stream/r")
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:amends:problem:too-many-streams")
            await reading.aclose()
        status = 503
        async with asyncio.timeout(20):
            while status == 503:
                async with client.stream("GET", "/api/stream/r") as again:
                    status = again.status_code
        assert status == 200

    on(sqlite_url, look, stream_limit=1)


def test_a_stream_ends_in_time(sqlite_url: str) -> None:
    """And the client goes on with the next one."""

    async def look(console: Served) -> None:
        await console.coordinator.start("ask", {"item": "tea"}, run_id="r")
        response = await console.as_("viewer").get("/api/stream/r")
        assert response.status_code == 200
        assert "RunStarted" in response.text

    on(sqlite_url, look, stream_seconds=0.3)


def test_a_client_that_does_not_read_loses_its_place(sqlite_url: str) -> None:
    """What is sent to it stays in the way, and nothing waits for that longer than a stream may last."""

    async def look(console: Served) -> None:
        for run_id in ("r0", "r1"):
            await console.coordinator.start("greet-much", "x" * 900_000, run_id=run_id)
            await console.coordinator.runs.at_rest(run_id)
        head = f"HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRETS['reader']}\r\n\r\n"
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect(("127.0.0.1", console.port))
            deaf.sendall(f"GET /api/stream/r0 {head}".encode())
            async with asyncio.timeout(20):
                while console.app.state.console.stream_count == 0:
                    await console.as_("viewer").get("/health")  # Until it has its place.
                status = 503
                while status == 503:
                    async with console.as_("viewer").stream("GET", "/api/stream/r1") as other:
                        status = other.status_code
            assert status == 200

    on(sqlite_url, look, stream_limit=1, stream_seconds=0.5)


@pytest.mark.parametrize(
    ("run_id", "last", "status"),
    [
        ("r", "x", 422),
        ("r", "-1", 422),
        ("r", "9" * 40, 422),
        ("r", "0" * 5_000, 422),
        ("r", "²", 422),
        ("nobody", "1", 404),
    ],
)
def test_what_cannot_be_streamed_says_why(run_id: str, last: str, status: int, sqlite_url: str) -> None:
    async def look(console: Served) -> None:
        await console.coordinator.start("idle", run_id="r")
        headers = {"Last-Event-ID": last.encode()}
        response = await console.as_("viewer").request("GET", f"/api/stream/{run_id}", headers=headers)  # type: ignore[arg-type]
        assert response.status_code == status

    on(sqlite_url, look)
