"""The door: every request passes here, also one to a route that does not exist, and every answer gets its headers."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access import actor_of, check_head, check_host, check_origin, check_size
from .problems import Problem
from .rates import Rates
from .roles import Actor
from .sessions import Session, Sessions
from .settings import ConsoleSettings

__all__ = ["Guard"]

HEADERS = {
    # No inline script or style, nothing from elsewhere, and in nobody's frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Nothing to others. With `no-referrer` a browser would send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _Body:
    """The body of a request, as it is received.

    Attributes:
        is_left: there is something of it that nobody has read.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        headers = Headers(scope=scope)
        self.is_left = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.is_left = False
        return message


class Guard:
    """ASGI middleware that lets in who may come in, and notes in the scope who it is.

    Args:
        app: what is behind the door.
        settings: whom to let in.
        sessions: of those who look at the pages.
    """

    def __init__(self, app: ASGIApp, settings: ConsoleSettings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions
        self._rates = Rates(settings.rate_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it. There is no other protocol here than HTTP."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        body = _Body(scope, receive)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if body.is_left:
                    headers["Connection"] = "close"  # What is left of it is not waited for.
            await send(message)

        try:
            actor, session = await self._admit(HTTPConnection(scope))
        except Problem as problem:
            await problem.response()(scope, body.receive, with_headers)
            return
        # A state of its own: what a server shares between requests must never say who asks.
        inner = {**scope, "state": {**scope.get("state", {}), "actor": actor, "session": session}}
        await self._app(inner, body.receive, with_headers)

    async def _admit(self, request: HTTPConnection) -> tuple[Actor | None, Session | None]:
        check_head(request)
        check_size(request, self._settings.body_limit_bytes)
        check_host(request, self._settings.allowed_hosts)
        check_origin(request, self._settings.allowed_origins)
        address = request.client.host if request.client else "nowhere"
        try:
            actor = actor_of(request, self._settings)
        except Problem:
            await self._rates.check(f"address {address}")  # Whoever tries tokens is counted by where they are.
            raise
        session = self._sessions.of(request) if actor is None else None
        actor = session.actor if session else actor
        await self._rates.check(f"token {actor.name}" if actor else f"address {address}")
        return actor, session
