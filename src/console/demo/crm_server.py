"""The demo's CRM: an HTTP server on this machine that can be told to fail.

It listens on 127.0.0.1 unless told otherwise, and keeps everything in memory. The faults are those that real services
have: a request that is refused before anything is done, and a reply that is lost after everything was done.
"""

from enum import Enum, auto
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from threading import Event, Thread
from typing import Any, Self

from .contacts import Contacts, Reply, Request, problem

BUSY = problem(HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "The CRM is down for maintenance")


class Lost(Enum):
    """The request is carried out, and then the reply is lost."""

    REPLY = auto()


class CrmServer:
    """A CRM in the shape of HubSpot's, for as long as the `with` block runs.

    Args:
        contacts: what it holds.
        latency_seconds: how long each reply takes, so that timelines look like those of a network.
        host: where it listens.
        port: likewise; 0 takes a free one.

    Attributes:
        contacts: what it holds.
        requests: every request that arrived, in order.
    """

    def __init__(
        self,
        contacts: Contacts | None = None,
        latency_seconds: float = 0.0,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.contacts = contacts or Contacts()
        self.requests: list[Request] = []
        self._latency_seconds = latency_seconds
        self._address = (host, port)
        self._faults: list[tuple[str, Reply | Lost]] = []
        self._down = False
        self._closing = Event()

    def fail_next(self, count: int, fault: Reply | Lost = BUSY, *, method: str = "") -> None:
        """Let the next `count` requests fail; of one method only, if it is given."""
        self._faults += repeat((method, fault), count)

    def go_down(self, *, down: bool = True) -> None:
        """Refuse every request from now on, or no longer."""
        self._down = down

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Where it is for this machine."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(self._address, _handler_of(self))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="demo crm", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Reply | None:
        """Return the reply, or None where it is lost."""
        self._closing.wait(self._latency_seconds)
        self.requests.append(request)
        fault = BUSY if self._down else self._next_fault(request.method)
        if isinstance(fault, Reply):
            return fault
        reply = self.contacts.answer(request)
        return None if fault is Lost.REPLY else reply

    def _next_fault(self, method: str) -> Reply | Lost | None:
        meant = next((fault for fault in self._faults if fault[0] in ("", method)), None)
        if meant is None:
            return None
        self._faults.remove(meant)
        return meant[1]


def _handler_of(server: CrmServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            key = self.headers.get("Idempotency-Key") or ""
            reply = server.answer(Request(self.command, self.path, key, body))
            if reply is None:
                self.close_connection = True
            else:
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.content)))
            if reply.retry_after_seconds is not None:
                self.send_header("Retry-After", str(reply.retry_after_seconds))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the standard library's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Print nothing: the demo's output is the timelines."""

    return Handler
