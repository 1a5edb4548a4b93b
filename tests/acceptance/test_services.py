"""The services in `examples/`, each as the process that its page says to start, asked over HTTP."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from amends import Coordinator, RunStatus
from amends.actions.onboarding import Users
from amends.console.demo.contacts import problem
from amends.console.demo.crm_server import CrmServer
from amends.console.demo.smtp_sink import SmtpSink
from amends.console.web import Role, new_token
from examples import portal
from tests.tree import ROOT

SECRET, TOKEN = new_token("ada", Role.ADMIN, payloads=True)
SERVERS = {
    "fastapi": ["uvicorn", "--port", "0", "--factory", "examples.fastapi_service:create_app"],
    "flask": ["tests.acceptance.wsgi_server", "examples.flask_service:app"],
    "django": ["tests.acceptance.wsgi_server", "examples.django_service:app"],
}
ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
KEY = "4fzyo82mvyr-1kJd_s"
REFUSED = problem(HTTPStatus.BAD_REQUEST, "VALIDATION_ERROR", "secret detail of the CRM")


class Service:
    """A service that runs, and the systems behind it."""

    def __init__(self, process: subprocess.Popen[str], url: str, crm: CrmServer, mail: SmtpSink, log_url: str) -> None:
        self.process, self.crm, self.mail, self.log_url = process, crm, mail, log_url
        self.client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def sign_up(self, body: Any = ADA, key: str | None = KEY) -> httpx.Response:
        headers = {"Content-Type": "application/json", **({} if key is None else {"Idempotency-Key": key})}
        return self.client.post(
            "/signup", content=body if isinstance(body, bytes) else json.dumps(body), headers=headers
        )

    @property
    def users(self) -> list[str]:
        return [email for _, _, email in Users(self.log_url).list()]

    def end(self) -> str:
        """Tell it to stop; return what it has said. uvicorn raises the signal again when it is done."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode in {0, -signal.SIGTERM}, said
        return said


@contextmanager
def served(framework: str, place: Path) -> Iterator[Service]:
    with ExitStack() as stack:
        loop = stack.enter_context(start_blocking_portal())
        mail = stack.enter_context(loop.wrap_async_context_manager(SmtpSink()))
        crm = stack.enter_context(CrmServer())
        log_url = f"sqlite:///{place}/log.db"
        (place / "tokens.txt").write_text(f"{TOKEN.line}\n")
        environ = {"AMENDS_URL": log_url, "USERS_URL": log_url, "AMENDS_TOKENS": f"{place}/tokens.txt"}
        environ |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(mail.port), "CRM_URL": crm.url, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", *SERVERS[framework]]
        process = subprocess.Popen(command, cwd=place, env=environ, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        stack.callback(process.stderr.close)
        stack.callback(process.wait)
        stack.callback(process.kill)
        said = ""
        while (found := re.search(r"http://127\.0\.0\.1:\d+", said)) is None:
            line = process.stderr.readline()
            assert line, said
            said += line
        service = Service(process, found[0], crm, mail, log_url)
        stack.callback(service.client.close)
        yield service


@pytest.fixture(params=SERVERS)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with served(request.param, tmp_path) as running:
        yield running


def test_a_request_that_is_sent_again_is_the_same_sign_up(service: Service) -> None:
    """Also when eight arrive at once, before any of them is answered, and before the coordinator is open."""
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: service.sign_up(), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in [*answers, service.sign_up()]}) == 1
    assert (len(service.mail.mails), service.users) == (1, [ADA["email"]])
    assert "Traceback" not in service.end()


def test_what_does_not_fit_is_refused_by_its_field(service: Service) -> None:
    """And nothing of it is repeated to the client, nor fails the service."""
    assert service.sign_up().status_code == 201
    assert service.sign_up({**ADA, "name": "Eve"}).status_code == 409
    bodies: list[Any] = [
        {**ADA, "email": "not-an-address"},
        {**ADA, "name": float("nan")},
        {**ADA, "name": "half \ud800"},
        {**ADA, "name": "x" * 201},
        {"name": "Ada"},
        [],
        None,
    ]
    for body in bodies:
        answer = service.sign_up(body, "another-key-of-a-client")
        assert answer.status_code == 422, (body, answer.text)
        assert "not-an-address" not in answer.text
    for key in (None, "", "short", "x" * 65, "signup:with-a-colon"):
        answer = service.sign_up(key=key)
        assert (answer.status_code, "Idempotency-Key" in answer.text) == (422, True), key
    for raw in (b"{", b"\xff", b"", b"[" * 100_000, b"9" * 100_000):
        answer = service.sign_up(raw, "another-key-of-a-client")
        assert (answer.status_code in {400, 422}, "detail" in answer.json()) == (True, True), raw[:10]
    wrong = service.client.get("/signup")
    assert (wrong.status_code, "<" in wrong.text) == (405, False), "a program asks, and reads JSON"
    assert service.users == [ADA["email"]]
    assert "Traceback" not in service.end()


def test_who_cannot_be_signed_up_is_not_left_half_way(service: Service) -> None:
    """The CRM refuses: the user is gone again, and the client learns nothing of the CRM. The next key may try again."""
    service.crm.fail_next(1, REFUSED, method="POST")
    answers = [service.sign_up() for _ in range(2)]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert "another Idempotency-Key" in answers[0].text
    assert "CRM" not in answers[0].text
    assert service.users == []
    assert service.sign_up(key="the-key-of-the-second-time").status_code == 201


def test_an_address_that_has_an_account_is_not_tried_again(service: Service) -> None:
    """The answer does not promise that another key helps, and a stranger does not learn for sure that there is one."""
    assert service.sign_up().status_code == 201
    taken = service.sign_up({**ADA, "name": "Eve"}, "the-key-of-a-stranger")
    assert (taken.status_code, list(taken.json())) == (409, ["detail"])
    assert "may have this address already, and then another Idempotency-Key does not help" in taken.text
    assert not any(word in taken.text for word in (ADA["email"], ADA["name"], "Eve", "EmailTaken"))


def test_told_to_stop_it_answers_first(service: Service) -> None:
    """SIGTERM in the middle of a run: the client has its answer, nothing is left to take up, and the log is closed."""
    service.crm._latency_seconds = 1.0
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(service.sign_up)
        while not service.mail.mails:
            assert not answer.done()
        said = service.end()
        assert answer.result().status_code == 201
    assert "Traceback" not in said
    assert not Path(f"{service.log_url.removeprefix('sqlite:///')}-wal").exists(), "the process left the log open"

    async def look() -> RunStatus:
        async with Coordinator(service.log_url, max_running=0) as coordinator:
            return await coordinator.handle(f"signup:{KEY}").status()

    assert asyncio.run(look()) is RunStatus.COMPLETED


def test_the_console_is_below_its_path_and_lets_the_service_end(tmp_path: Path) -> None:
    """It wants a token, shows the run, and a live stream does not hold up the end; its client sees an end."""
    with served("fastapi", tmp_path) as service:
        assert service.sign_up().status_code == 201
        assert service.client.get("/console/health").json() == {"status": "ok"}
        assert service.client.get("/console/ready").status_code == 200
        assert service.client.get("/console/api/runs").status_code == 401
        headers = {"Authorization": f"Bearer {SECRET}"}
        shown = service.client.get(f"/console/api/runs/signup:{KEY}", headers=headers).json()
        assert (shown["status"], shown["saga"]) == ("completed", "onboard-user")
        service.crm._latency_seconds = 60.0
        asked = {"input": {**ADA, "email": "b@example.com"}, "run_id": "r"}
        begun = service.client.post("/console/api/sagas/onboard-user/runs", json=asked, headers=headers)
        assert begun.headers["location"] == "/console/api/runs/r"
        address = service.client.base_url
        with socket.create_connection((address.host, address.port or 80), timeout=60) as stream:
            request = f"GET /console/api/stream/r HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n\r\n"
            stream.sendall(request.encode())
            seen = stream.recv(1 << 16)
            assert b"200 OK" in seen
            assert "Traceback" not in service.end()
            while part := stream.recv(1 << 16):
                seen += part
        assert b"event: end" not in seen, "the stream ended because the run did"


def test_a_portal_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By eight threads at once; closed, it is opened anew, and closing it twice is as good as once."""
    opened: list[Coordinator] = []

    def make() -> Coordinator:
        opened.append(Coordinator("memory://"))
        return opened[-1]

    monkeypatch.setattr(portal, "make", make)
    one = portal.Portal()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: one(), range(8)))
    assert (len(set(map(id, found))), len(opened)) == (1, 1)
    one.close()
    one.close()
    assert one() is not found[0]
    one.close()
