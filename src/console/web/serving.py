"""From a row of the table to what Starlette calls: who may, what they brought, the answer, and what became of it."""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...errors import AmendsError
from .access import check_role
from .bodies import body_of, query_of
from .console import Console
from .pages.refusing import refused
from .problems import Problem, problem_of
from .roles import Role
from .table import Ask, Endpoint

__all__ = ["not_served", "route_of"]

_logger = logging.getLogger("amends.console")


def route_of(endpoint: Endpoint, console: Console) -> Route:
    """Return the route of a row."""
    return Route(endpoint.path, _served(endpoint, console), methods=[endpoint.method], name=endpoint.name)


def _served(endpoint: Endpoint, console: Console) -> Callable[[Request], Awaitable[Response]]:
    async def counted(request: Request) -> Response:
        began = time.monotonic()
        response = await serve(request)
        console.metrics.counted(endpoint.path, endpoint.method, response.status_code, time.monotonic() - began)
        return response

    async def serve(request: Request) -> Response:
        try:
            return await _answer(endpoint, console, request)
        except Problem as problem:
            return refused(endpoint, console, request, problem)
        except AmendsError as error:
            said = problem_of(error)
            if said.status >= 500:
                _logger.warning("%s %s: %s", endpoint.method, endpoint.path, type(error).__name__)
            return refused(endpoint, console, request, said)
        except Exception as error:
            # Without its text, which may hold what somebody sent: where it was raised says what is wrong.
            where = "".join(traceback.format_tb(error.__traceback__))
            _logger.error("%s %s: %s\n%s", endpoint.method, endpoint.path, type(error).__name__, where)  # noqa: TRY400
            said = Problem(500, "internal-error", "something is wrong here, and it is in the log")
            return refused(endpoint, console, request, said)

    return counted


async def _answer(endpoint: Endpoint, console: Console, request: Request) -> Response:
    actor = request.scope["state"]["actor"]
    check_role(actor, endpoint.role)
    if request.scope["state"]["session"] is not None and endpoint.method != "GET" and not endpoint.is_page:
        raise Problem(403, "session-refused", "a session is for the pages; send a token, as Authorization: Bearer ...")
    query = query_of(request, endpoint.query) if endpoint.query else None
    body = await body_of(request, endpoint.body, console.settings) if endpoint.body else None
    return await endpoint.handler(Ask(console, actor, request, body, query))


async def not_served(request: Request, error: Exception) -> Response:
    """Answer what no row is for. Whoever has not said who they are does not learn what there is."""
    assert isinstance(error, HTTPException)
    try:
        check_role(request.scope["state"]["actor"], Role.VIEWER)
    except Problem as problem:
        return problem.response()
    said = {404: "there is nothing here; see /openapi.json", 405: "not by that method; see /openapi.json"}
    name = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    return Problem(error.status_code, name, said.get(error.status_code, error.detail), headers=error.headers).response()
