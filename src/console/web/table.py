"""The table of routes: each with the role that it needs. What a route does not declare, nobody may do.

The routes of Starlette, the OpenAPI document and the test that walks all routes are made of the same table. Pages are
rows of it too.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from .roles import Actor, Role

if TYPE_CHECKING:
    from .console import Console

__all__ = ["Ask", "Endpoint", "Handler"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that may be made, as handlers see it.

    Attributes:
        console: what it is asked of.
        actor: who asks.
        request: as it came in; its body has been read.
        body: what it brought, checked; None where the route takes nothing.
        query: its parameters, checked; None where the route has none.
    """

    console: "Console"
    actor: Actor
    request: Request
    body: Any = None
    query: Any = None

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])


Handler = Callable[[Ask], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A row of the table.

    Attributes:
        method: `GET` or `POST`.
        path: as Starlette has it; the id of a run stands last, because it may hold slashes.
        role: who may.
        handler: what answers.
        summary: for the reference.
        name: how the OpenAPI document calls it.
        body: what a request brings, as JSON; None for nothing.
        query: its parameters.
        answers: the statuses that it is answered with when all is well, each with what stands in the body.
        media_type: of that.
        headers: the request's headers that it minds, with what they say.
        each: it is shown once for each `action` or `saga` that is registered, with its types.
        is_page: for people: not in the OpenAPI document.
    """

    method: str
    path: str
    role: Role
    handler: Handler
    summary: str
    name: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answers: Mapping[int, Any] = field(default_factory=dict)
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    each: str | None = None
    is_page: bool = False
