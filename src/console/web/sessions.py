"""Sessions of people who look at the pages: begun with a token, known by a cookie, and forgotten with this process.

The cookie holds 256 random bits, of which only a hash is kept. A page that has a session may change something only with
the secret that stands in its forms, which no other page can read (`pages/forms.py`).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.requests import HTTPConnection

from ...clock import SystemClock
from .roles import Actor
from .tokens import digest_of

__all__ = ["COOKIE", "Session", "Sessions", "must_be_safe"]

COOKIE = "amends_session"
IDLE = timedelta(hours=1)
"""How long a session lasts that nobody uses."""

LONGEST = timedelta(hours=12)
"""And how long one lasts at most."""

MAX_SESSIONS = 10_000


@dataclass(slots=True)
class Session:
    """A session.

    Attributes:
        actor: who has begun it.
        secret: what the forms of its pages bring back.
        expires_at: when it ends if it is not used until then.
        ends_at: when it ends anyhow.
    """

    actor: Actor
    secret: str
    expires_at: datetime
    ends_at: datetime


class Sessions:
    """The sessions of this process.

    Args:
        now: tells the time.

    Attributes:
        secret: what the forms bring back where nobody signs in: of pages that only this machine can ask for.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.secret = secrets.token_urlsafe(32)
        self._now = now or SystemClock().now
        self._sessions: dict[str, Session] = {}

    def begin(self, actor: Actor) -> str:
        """Begin a session, and return what its cookie holds."""
        now = self._now()
        self._sessions = {key: each for key, each in self._sessions.items() if not _is_over(each, now)}
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        cookie = secrets.token_urlsafe(32)
        ambient = replace(actor, is_ambient=True)
        self._sessions[digest_of(cookie)] = Session(ambient, secrets.token_urlsafe(32), now + IDLE, now + LONGEST)
        return cookie

    def of(self, request: HTTPConnection) -> Session | None:
        """Return the session of a request, which then goes on; None if it has none, or none any more."""
        session = self._sessions.get(digest_of(request.cookies.get(COOKIE, "")))
        now = self._now()
        if session is None or _is_over(session, now):
            return None
        session.expires_at = now + IDLE
        return session

    def end(self, request: HTTPConnection) -> None:
        """End the session of a request."""
        self._sessions.pop(digest_of(request.cookies.get(COOKIE, "")), None)


def must_be_safe(request: HTTPConnection) -> bool:
    """Tell whether a cookie may be sent over TLS only: but to this machine itself, where there is none."""
    return request.url.scheme == "https" or request.url.hostname not in ("127.0.0.1", "localhost", "::1")


def _is_over(session: Session, now: datetime) -> bool:
    return now >= min(session.expires_at, session.ends_at)
