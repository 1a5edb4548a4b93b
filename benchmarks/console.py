"""Requests over HTTP beside the same calls in this process; and 200 live streams beside none.

The console is served by one process, as `amends serve` does it, with the runs in the same one. `wrk` asks from a
process of its own, with 64 connections, for an action to be invoked (and waits for it: with a token that may not see
the output, and with one that may, which is one more write: that it was seen is on record first), and for a saga to be
started. Beside it stand as many callers in the process. Then 32 runs at a time go through the engine while another
process follows 200 runs live: at rest, and each with a step every second.

Sketch. A request costs what uvicorn and h11 take in Python, some 400 microseconds, the guard, the models and JSON, as
much again, then the run: 300 to 450 microseconds for one action. So one core should answer 700 to 900 requests a
second, a third to a half of the calls in the process. A stream at rest reads the log once a second: on PostgreSQL 200
reads a second of 150 microseconds each, 3 per cent of a core. One with a step each second reads some five times a
second and sends two events, so 1,000 reads: 15 per cent of a core, less what the load leaves of it. The issue allows
10 per cent.

Run it: make bench ARGS=console (wants wrk on the path: apt install wrk)
"""

import asyncio
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from amends import Coordinator, Run, action, saga
from amends.console.web import ConsoleSettings, Role, console_app, new_token
from amends.console.web.server import serve_until
from benchmarks.tools.load import SECONDS, WARM_UP_SECONDS, loaded
from benchmarks.tools.onboarding import ACTIONS, EMAIL, SAGAS, create_user, onboard_user
from benchmarks.tools.rounds import Figures, alone, form, in_turns, ratios, spread, table
from benchmarks.tools.stores import Fresh, stores

ROUNDS = form(3, 5)
CONNECTIONS = 64
IN_FLIGHT = 32
STREAMS = 200
LOGS = ("SQLite", "PostgreSQL")


@action("tick", irreversible=True)
async def tick() -> None:
    await asyncio.sleep(1)


@saga("moves")
async def moves(run: Run) -> None:
    while True:
        await run.do(tick)


@saga("rests")
async def rests(run: Run) -> None:
    await run.wait_for("go")


class Served(NamedTuple):
    """A console that is served in this process."""

    coordinator: Coordinator
    port: int
    secrets: dict[bool, str]
    """Tokens, by whether they may see payloads."""


@asynccontextmanager
async def served(url: str) -> AsyncIterator[Served]:
    """Serve a console whose requests nobody counts."""
    made = {payloads: new_token(f"bench{payloads}", Role.OPERATOR, payloads=payloads) for payloads in (False, True)}
    tokens, stopping = [token for _, token in made.values()], asyncio.Event()
    coordinator = Coordinator(
        url, sagas=[*SAGAS, moves, rests], actions=[*ACTIONS, tick], max_running=1_000, drain_seconds=0
    )
    async with coordinator:
        app = console_app(coordinator, ConsoleSettings(tokens=tokens, rate_per_minute=10**9, stream_limit=STREAMS))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.create_task(serve_until(app, listening, stopping))
            port = listening.getsockname()[1]
            yield Served(coordinator, port, {payloads: secret for payloads, (secret, _) in made.items()})
            stopping.set()
            await serving


CALLS: dict[str, tuple[str, bool]] = {
    "invoke over HTTP": ("actions/create-user/runs?wait_seconds=30", False),
    "invoke over HTTP, output seen": ("actions/create-user/runs?wait_seconds=30", True),
    "start over HTTP": ("sagas/onboard-user/runs", False),
}
"""What is asked for, and whether with the right to see payloads."""


async def _over_http(url: str, path: str, payloads: bool, script: Path) -> Figures:
    async with served(url) as console:
        headers = {"Authorization": f"Bearer {console.secrets[payloads]}", "Content-Type": "application/json"}
        lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        body = json.dumps(json.dumps({"input": EMAIL}))
        await asyncio.to_thread(script.write_text, "\n".join(['wrk.method = "POST"', f"wrk.body = {body}", *lines]))
        asked = f"http://127.0.0.1:{console.port}/api/{path}"
        await _wrk(script, asked, WARM_UP_SECONDS)
        return {"calls/s": await _wrk(script, asked, SECONDS)}


async def _wrk(script: Path, url: str, seconds: float) -> float:
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "60s",
        "-s",
        str(script),
        url,
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out = (await process.communicate())[0].decode()
    found = re.search(r"Requests/sec: +([\d.]+)", out)
    assert found is not None, out
    assert "Non-2xx" not in out, out
    assert "Socket errors" not in out, out
    return float(found[1])


async def _in_process(url: str, starts: bool) -> Figures:
    async with served(url) as console:
        coordinator = console.coordinator

        async def call() -> None:
            if starts:
                await coordinator.start(onboard_user, EMAIL)
            else:
                await coordinator.invoke(create_user, EMAIL)

        return {"calls/s": (await loaded(url, CONNECTIONS, call))["runs/s"]}


def over_http(url: str, path: str, payloads: bool) -> Figures:
    """Return the calls a second that wrk gets answered."""
    with TemporaryDirectory() as place:
        return asyncio.run(_over_http(url, path, payloads, Path(place, "post.lua")))


def in_process(url: str, starts: bool) -> Figures:
    """Return the calls a second that as many callers in the process get answered."""
    return asyncio.run(_in_process(url, starts))


async def _followed(url: str, name: str, streams: int) -> Figures:
    async with served(url) as console:
        for number in range(STREAMS):
            await console.coordinator.start(name, run_id=f"followed-{number}")
        listening = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.console", str(console.port), console.secrets[True], str(streams)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert listening.stdout is not None
        assert await listening.stdout.readline() == b"open\n"
        figures = await loaded(url, IN_FLIGHT, lambda: console.coordinator.run(onboard_user, EMAIL))
        seen, _ = await listening.communicate(b"")  # Without input, Python 3.11 leaves the pipe open.
        return {**figures, "events seen": float(seen)}


def followed(url: str, name: str, streams: int) -> Figures:
    """Return what the engine does while so many runs of a saga are followed, of 200."""
    return asyncio.run(_followed(url, name, streams))


async def listen(port: int, secret: str, streams: int) -> None:
    """Follow runs until the standard input ends, then print how many events came after the streams had begun."""
    seen, is_open = 0, asyncio.Barrier(streams + 1)

    async def follow(number: int) -> None:
        nonlocal seen
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = (
            f"GET /api/stream/followed-{number} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n"
        )
        writer.write(asked.encode())
        assert b" 200 " in await reader.readline()
        await reader.readuntil(b"\nid: ")
        await is_open.wait()
        while part := await reader.read(1 << 16):
            seen += part.count(b"\nid: ")

    following = [asyncio.create_task(follow(number)) for number in range(streams)]
    await is_open.wait()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    assert not any(task.done() for task in following), "a stream has ended"
    print(seen)
    for task in following:
        task.cancel()


def _turn(measured: Callable[..., Figures], url: Callable[[], str], *given: object) -> Callable[[], Figures]:
    return lambda: alone(measured, url(), *given)


def requests(fresh: Fresh) -> None:
    """Tell how calls over HTTP compare with those in the process."""
    if shutil.which("wrk") is None:
        print("requests are left out: wrk is not there (apt install wrk)")
        return
    for log in LOGS:
        url = fresh[log]
        contenders = {name: _turn(over_http, url, *asked) for name, asked in CALLS.items()}
        contenders |= {f"{name} in process": _turn(in_process, url, name == "start") for name in ("invoke", "start")}
        found = in_turns(ROUNDS, contenders)
        table(f"{log}, {CONNECTIONS} at once, {os.cpu_count()} cores", found, {"calls/s": 0})
        for name in CALLS:
            base = f"{name.split()[0]} in process"
            print(f"  {name} over in process: {spread(ratios(found, name, base, 'calls/s'), 2)}")


def streams(fresh: Fresh) -> None:
    """Tell what live streams take from the engine."""
    for log in LOGS:
        contenders = {
            f"{count} streams of 200 runs, {name}": _turn(followed, fresh[log], saga, count)
            for name, saga in (("at rest", "rests"), ("a step a second", "moves"))
            for count in (0, STREAMS)
        }
        found = in_turns(ROUNDS, contenders)
        table(f"{log}, {IN_FLIGHT} in flight", found, {"runs/s": 0, "p99 ms": 1, "CPU us a run": 0, "events seen": 0})
        for name in ("at rest", "a step a second"):
            ours, base = (f"{count} streams of 200 runs, {name}" for count in (STREAMS, 0))
            print(f"  runs/s with streams over without, {name}: {spread(ratios(found, ours, base, 'runs/s'), 2)}")


def main() -> None:
    with stores() as fresh:
        requests(fresh)
        streams(fresh)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(listen(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
    else:
        main()
