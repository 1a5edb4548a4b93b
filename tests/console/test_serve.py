"""`amends serve` as a process: it serves, takes what is hostile with flat memory, and ends when it is told to."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from amends import RunStatus
from tests.console.scene import SECRETS, TOKENS, coordinator_on
from tests.tree import ROOT

FACTORY = """
import os
from tests.console.scene import coordinator_on

def make():
    return coordinator_on(os.environ["AMENDS_URL"])
"""

GROWTH_BYTES = 64 << 20


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a factory and a file of tokens."""
    (tmp_path / "shop.py").write_text(FACTORY)
    (tmp_path / "tokens").write_text("# who may come in\n\n" + "".join(f"{token.line}\n" for token in TOKENS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("AMENDS_URL", "AMENDS_TOKENS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def amends(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "amends.console.cli", *arguments]


@contextmanager
def serving(url: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Serve a log; killed if it does not end by itself."""
    process = subprocess.Popen(
        amends("serve", "shop:make", "--port", "0", "--url", url, *arguments), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        ready = re.search(r"ready: http://127\.0\.0\.1:(\d+) ", line)
        assert ready is not None, line + (process.stderr.read() if process.poll() is not None else "")
        yield process, int(ready[1])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def ended(process: subprocess.Popen[str]) -> str:
    """Tell it to stop; return what it said."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def asked(port: int, path: str, name: str | None = "clerk", body: Any = None, **headers: str) -> tuple[int, Any]:
    """Ask as curl would."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    if name is not None:
        request.add_header("Authorization", f"Bearer {SECRETS[name]}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_it_serves_until_it_is_told_to_stop(place: Path, shared_log_url: str) -> None:
    """While a run waits and a stream of it is open: it ends cleanly, and the run goes on elsewhere."""
    with serving(shared_log_url, "--tokens", "tokens") as (process, port):
        assert asked(port, "/health", None) == (200, {"status": "ok"})
        assert asked(port, "/api/runs", None)[0] == 401
        status, found = asked(port, "/api/actions/greet/runs?wait_seconds=20", body={"input": "ada"})
        assert (status, found["output"]) == (200, "hello ada")
        assert asked(port, "/api/sagas/ask/runs", body={"input": {"item": "tea"}, "run_id": "r"})[0] == 202
        with socket.create_connection(("127.0.0.1", port)) as stream:
            head = f"GET /api/stream/r HTTP/1.1\nHost: localhost\nAuthorization: Bearer {SECRETS['reader']}\n\n"
            stream.sendall(head.replace("\n", "\r\n").encode())
            assert b"200 OK" in stream.recv(100)
            said = ended(process)
        assert "draining" in said
        assert "stopped" in said
        assert "Traceback" not in said
        assert "amends_" not in said, "no token in what it says"

    async def go_on() -> None:
        async with coordinator_on(shared_log_url) as coordinator:
            await coordinator.signal("r", "approved", {"approved": True}, by="ada")
            assert (await coordinator.runs.at_rest("r")).status is RunStatus.COMPLETED

    asyncio.run(go_on())


def test_the_audit_view_is_kept_up_to_date(place: Path, shared_log_url: str) -> None:
    """By the process itself, so that what was started is found."""
    with serving(shared_log_url, "--tokens", "tokens") as (process, port):
        asked(port, "/api/sagas/buy/runs?wait_seconds=20", body={"input": {"item": "tea"}, "run_id": "r"})
        for _ in range(200):
            runs = asked(port, "/api/runs?state=completed")[1]["runs"]
            if runs:
                break
        assert [run["run_id"] for run in runs] == ["r"]
        ended(process)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "would let in everybody"),
        (["--host", "::"], "would let in everybody"),
        (["--host", "example.com"], "would let in everybody"),
        (["--tokens", "broken"], "broken:2: role"),
        (["--tokens", "twice"], "two tokens"),
    ],
)
def test_it_refuses_what_is_unsafe(arguments: list[str], says: str, place: Path, sqlite_url: str) -> None:
    """Another address without tokens, and a file that does not say who."""
    (place / "broken").write_text(f"{TOKENS[0].line}\nada boss sha256:{'0' * 64}\n")
    (place / "twice").write_text(f"{TOKENS[0].line}\n{TOKENS[0].line}\n")
    command = amends("serve", "shop:make", "--port", "0", "--url", sqlite_url, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert "sha256" not in done.stderr


def test_a_token_is_made(place: Path, sqlite_url: str) -> None:
    """Shown once, stored as a hash; a second one of the same name is refused."""
    command = amends("token", "ada", "--role", "viewer", "--payloads", "--add-to", "new")
    secret = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    line = (place / "new").read_text()
    assert line.startswith("ada viewer+payloads sha256:")
    assert secret not in line
    assert (place / "new").stat().st_mode & 0o077 == 0
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 1
    shown = subprocess.run(amends("token", "bob", "--role", "admin"), capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"token: amends_\S{43}\nline:  bob admin sha256:[0-9a-f]{64}\n", shown)
    with serving(sqlite_url, "--tokens", "new") as (process, port):
        assert asked(port, "/api/sagas", None, Authorization=f"Bearer {secret}")[0] == 200
        assert asked(port, "/api/sagas", "admin")[0] == 401
        ended(process)


def resident_bytes(process_id: int) -> int:
    """How much memory a process takes now."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def answer_to(port: int, head: str, body: Iterable[bytes]) -> bytes:
    """Send a request by hand; return what came back before the connection ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(head.replace("\n", "\r\n").encode())
            for part in body:
                connection.sendall(part)
        except OSError:
            pass  # It has hung up, as it should.
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
        except OSError:
            pass
        return received


def test_hostile_requests_are_refused_with_flat_memory(place: Path, sqlite_url: str) -> None:
    """A gigabyte, with its length and without it; where a body is taken and where none is; deep JSON, many times."""
    auth = f"Host: localhost\nAuthorization: Bearer {SECRETS['clerk']}\nContent-Type: application/json\n"
    million = b"x" * (1 << 20)
    chunk = b"100000\r\n" + million + b"\r\n"
    lengths = ["Content-Length: 1073741824\n\n", "Transfer-Encoding: chunked\n\n"]
    with serving(sqlite_url, "--tokens", "tokens") as (process, port):
        asked(port, "/api/sagas/buy/runs?wait_seconds=20", body={"input": {"item": "tea"}})
        before = resident_bytes(process.pid)
        for part, length in zip((million, chunk), lengths, strict=True):
            for line in ("POST /api/sagas/buy/runs", "GET /api/runs", "POST /api/nothing", "POST /health"):
                answer = answer_to(port, f"{line} HTTP/1.1\n{auth}{length}", repeat(part, 1024))
                # Who goes on sending may find the connection gone before the answer, or before the rest of it.
                head, _, told = answer.partition(b"\r\n\r\n")
                assert not head or re.match(rb"HTTP/1.1 4\d\d ", head), answer
                assert not told or b"urn:amends:problem:" in told, answer
            stranger = f"POST /api/sagas/buy/runs HTTP/1.1\nHost: localhost\n{length}"
            answer_to(port, stranger, repeat(part, 1024))
        # Who waits before sending so much is told all of it.
        refused = answer_to(port, f"POST /api/sagas/buy/runs HTTP/1.1\n{auth}{lengths[0]}", ())
        assert re.match(rb"HTTP/1.1 413 .*urn:amends:problem:", refused, re.DOTALL), refused
        for deep in (b"[" * 1_000_000, b'{"input":' * 200_000, b'{"input": "' + b"\\u0000" * 300_000):
            answer = answer_to(
                port,
                f"POST /api/sagas/buy/runs HTTP/1.1\n{auth}Connection: close\nContent-Length: {len(deep)}\n\n",
                [deep],
            )
            assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
        assert asked(port, "/api/runs?limit=1000000")[0] == 422
        long_header = f"GET /health HTTP/1.1\nHost: localhost\nX: {'x' * 1_000_000}\n\n"
        assert b" 200 " not in answer_to(port, long_header, ())
        assert resident_bytes(process.pid) - before < GROWTH_BYTES
        assert asked(port, "/api/sagas")[0] == 200
        assert "Traceback" not in ended(process)
