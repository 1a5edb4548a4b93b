"""The console as an ASGI application: served by `amends serve`, or mounted in a service of one's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from ...saga.coordinator import Coordinator
from .console import Console
from .guard import Guard
from .pages.routes import page_routes
from .routes import api_routes
from .serving import not_served, route_of
from .settings import ConsoleSettings
from .table import Endpoint

__all__ = ["console_app", "endpoints"]


def endpoints() -> Sequence[Endpoint]:
    """Return all rows of the table: those of the API, and those of the pages."""
    return (*api_routes(), *page_routes())


def console_app(coordinator: Coordinator, settings: ConsoleSettings | None = None) -> Starlette:
    """Return the console of a coordinator, as an application that any ASGI server can serve.

    The coordinator is the caller's, who opens it before the first request and closes it after the last one. An
    application that is mounted in another one is not told of its start and its end: the other one's lifespan enters
    `app.router.lifespan_context(app)`.

    Args:
        coordinator: whose runs, actions and sagas are shown.
        settings: whom it lets in and how much it takes; for requests from this machine if None.

    Raises:
        InvalidName: `settings.audit_url` is of no known form.
    """
    console = Console(coordinator, settings or ConsoleSettings(), endpoints())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with console.running():
            yield

    app = Starlette(
        routes=[route_of(endpoint, console) for endpoint in console.table],
        middleware=[
            Middleware(Guard, settings=console.settings, sessions=console.sessions),
            # Within the guard, so that its own answer has our headers too.
            Middleware(RequestBodyLimitMiddleware, max_body_size=console.settings.body_limit_bytes),
        ],
        exception_handlers={HTTPException: not_served},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.console = console
    return app
