"""Whether a request may be served: where it comes from, who makes it, and what that one may do. Pure decisions.

`guard.py` asks these questions, in this order, of every request, before it is known whether there is such a route.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from .problems import Problem, too_large
from .roles import LOCAL, Actor, Role
from .settings import ConsoleSettings
from .tokens import bearer

__all__ = ["HEADER_BYTES", "actor_of", "check_head", "check_host", "check_origin", "check_role", "check_size"]

HEADER_BYTES = 32 << 10
"""How large all headers of a request may be together."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="amends"'}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def check_host(request: HTTPConnection, allowed: Collection[str]) -> None:
    """Do nothing if the `Host` is one of ours: against names that others let point here (DNS rebinding).

    Raises:
        Problem: it is not, or there are several.
    """
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or hostname(hosts[0]) not in {host.lower() for host in allowed}:
        raise Problem(421, "foreign-host", "this console is not served under that name; allow it with --allow-host")


def hostname(host: str) -> str:
    """Return a `Host` without its port."""
    name, colon, port = host.strip().lower().rpartition(":")
    return name if colon and port.isdecimal() and not name.endswith(":") else host.strip().lower()


def check_head(request: HTTPConnection) -> None:
    """Do nothing if the headers of a request can be taken, and say in one way only where its body ends.

    A server's own limit holds for headers that it has to wait for, not for those that come at once.

    Raises:
        Problem: they are too large; or there are two lengths, of which a proxy may have believed the other one
            (RFC 9112, 6.3).
    """
    if sum(len(name) + len(value) + len(": \r\n") for name, value in request.headers.raw) > HEADER_BYTES:
        raise Problem(431, "headers-too-large", f"use at most {HEADER_BYTES:,} bytes of headers")
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        said = "send a Content-Length or a Transfer-Encoding, not both"
        raise Problem(400, "two-lengths", said, field="Content-Length", headers={"Connection": "close"})


def check_size(request: HTTPConnection, limit_bytes: int) -> None:
    """Do nothing if what a request says of its body can be taken. One that does not say so is counted as it comes.

    Raises:
        Problem: it is too large; or there is one where none is taken.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 15 or int(declared) > limit_bytes:
        raise too_large(limit_bytes)
    has_body = int(declared) > 0 or "transfer-encoding" in request.headers
    if has_body and request.scope["method"] in ("GET", "HEAD"):
        raise Problem(400, "body-not-taken", "nothing is sent with GET; leave the body out", field="body")


def check_origin(request: HTTPConnection, allowed: Collection[str]) -> None:
    """Do nothing if no page of another origin has made a browser ask this.

    Raises:
        Problem: one has.
    """
    refused = Problem(403, "foreign-origin", "pages of other origins may not ask; allow one with --allow-origin")
    for origin in request.headers.getlist("origin"):
        if origin.lower() not in {each.lower() for each in allowed} and not _is_own(origin, request):
            raise refused
    fetched_by = request.headers.get("sec-fetch-site", "none")
    is_visit = request.scope.get("method") == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
    if fetched_by in ("cross-site", "same-site") and not is_visit and "origin" not in request.headers:
        raise refused


def _is_own(origin: str, request: HTTPConnection) -> bool:
    try:
        split = urlsplit(origin)
    except ValueError:
        return False
    return split.scheme in ("http", "https") and split.netloc.lower() == request.headers.get("host", "").lower()


def actor_of(request: HTTPConnection, settings: ConsoleSettings) -> Actor | None:
    """Return who asks; None for somebody who does not say so.

    Raises:
        Problem: they say so with a token that is none of ours, or ask from elsewhere where no token is configured.
    """
    if not settings.tokens:
        if not is_from_this_machine(request):
            raise Problem(403, "no-tokens", "without tokens, only requests from this machine are served")
        return LOCAL
    given = request.headers.getlist("authorization")
    if not given:
        return None
    scheme, _, secret = given[0].partition(" ")
    actor = bearer(settings.tokens, secret.strip()) if len(given) == 1 and scheme.lower() == "bearer" else None
    if actor is None:
        headers = {"WWW-Authenticate": f'{_CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'}
        raise Problem(401, "unknown-token", "that is none of the tokens", field="Authorization", headers=headers)
    return actor


def is_from_this_machine(request: HTTPConnection) -> bool:
    """Tell whether the other end is on this machine, and speaks for nobody else."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def check_role(actor: Actor | None, role: Role) -> None:
    """Do nothing if somebody may do what needs a role.

    Raises:
        Problem: they may not; or nobody knows who they are.
    """
    if role is Role.PUBLIC:
        return
    if actor is None:
        said = "send a token, as Authorization: Bearer ..."
        raise Problem(401, "token-missing", said, field="Authorization", headers=_CHALLENGE)
    if actor.role < role:
        said = f"this needs the role {role.label}, and {actor.name} is {actor.role.label}"
        raise Problem(403, "role-missing", said, facts={"needs": role.label})
