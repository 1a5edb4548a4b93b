"""uvicorn, as the console is served by it: no access log, no proxy trusted, and headers have to come in time."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from .access import HEADER_BYTES

__all__ = ["serve_until"]

HEADER_SECONDS = 10.0
CONNECTION_LIMIT = 1_000
CLOSE_SECONDS = 10


async def serve_until(app: Starlette, listening: socket.socket, stopping: asyncio.Event) -> None:
    """Serve a console until it is told to stop; then its streams end, and answers under way get their time.

    Args:
        app: the console.
        listening: where.
        stopping: set when it is to stop. Signals are the caller's business.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTION_LIMIT,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        h11_max_incomplete_event_size=HEADER_BYTES,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listening]), name="amends console")
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    app.state.console.closing.set()
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them once more when it has ended."""
        yield


class _Protocol(H11Protocol):
    """HTTP in which a request's headers have to be complete in time, however slowly they trickle in."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self._headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._stop_expecting_if_begun()

    def on_response_complete(self) -> None:
        self._expect_headers()
        super().on_response_complete()
        # That has begun with the next request if it was sent together with this one.
        self._stop_expecting_if_begun()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        super().connection_lost(exc)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: uvicorn would tell the log to install what we do not speak, whenever a client asks for it."""

    def _expect_headers(self) -> None:
        self._stop_expecting()
        self._headers_due = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_expecting_if_begun(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_expecting()

    def _stop_expecting(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None
