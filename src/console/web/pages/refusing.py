"""What people see of a page that they may not have, or that went wrong: the sign-in, or what there is to mend."""

import secrets

from starlette.requests import Request
from starlette.responses import Response

from ..console import Console
from ..problems import Problem
from ..sessions import must_be_safe
from ..table import Endpoint
from .links import back_to
from .rendering import html, root_of

__all__ = ["COOKIE", "refused", "sign_in_page"]

COOKIE = "amends_sign_in"
"""What the form of the sign-in must bring back, before there is a session: nobody signs another one in (login CSRF)."""


def refused(endpoint: Endpoint, console: Console, request: Request, problem: Problem) -> Response:
    """Return a problem: as a page to those who asked for one, as a problem document to all others."""
    if not endpoint.is_page or "text/html" not in request.headers.get("accept", ""):
        return problem.response()
    if problem.status == 401:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return sign_in_page(console, request, wanted if endpoint.method == "GET" else "", status=401)
    response = html(console, request, "problem.html", status=problem.status, problem=problem)
    for name, value in problem.headers.items():
        response.headers[name] = value
    return response


def sign_in_page(console: Console, request: Request, wanted: str, *, status: int = 200, refusal: str = "") -> Response:
    """Return the form that asks for a token.

    Args:
        console: which one.
        request: what asked for something.
        wanted: what that was, to go on with.
        status: of the answer.
        refusal: what was wrong with the token that was tried before.
    """
    root = root_of(request)
    secret = secrets.token_urlsafe(32)
    shown = {"wanted": back_to(wanted, root), "refusal": refusal, "secret": secret}
    response = html(console, request, "sign_in.html", status, **shown)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=3600,
        path=f"{root}/sign-in",
        secure=must_be_safe(request),
        httponly=True,
        samesite="strict",
    )
    return response
