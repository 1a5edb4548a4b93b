"""A FastAPI service that embeds the coordinator: `POST /signup`, and the console below `/console`.

    amends token ada --role admin --payloads --add-to tokens.txt
    AMENDS_TOKENS=tokens.txt uvicorn --factory examples.fastapi_service:create_app

The other settings are those of `signup.py`.
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from amends import AmendsError, Coordinator
from amends.actions.onboarding import NewUser, User
from amends.console.web import ConsoleSettings, console_app, read_tokens
from examples.signup import WAIT_SECONDS, answer_of, make, open_crm, run_id_of


def create_app() -> FastAPI:
    """Return the service. Its lifespan opens the coordinator before the first request and drains it after the last."""
    crm = open_crm()
    coordinator = make(crm)
    console = console_app(coordinator, ConsoleSettings(tokens=read_tokens(os.environ["AMENDS_TOKENS"]), follow=True))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # What is mounted is not told of the start, so its lifespan is entered here.
        async with crm, coordinator, console.router.lifespan_context(console):
            with set_by_signals(console.state.console.closing):
                yield

    app = FastAPI(title="sign-up", lifespan=lifespan)
    app.state.coordinator = coordinator
    app.post("/signup", status_code=201)(sign_up)
    app.add_exception_handler(AmendsError, refuse)
    app.add_exception_handler(ConnectionError, refuse)
    app.add_exception_handler(TimeoutError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_body)
    app.mount("/console", console)
    return app


def coordinator_of(request: Request) -> Coordinator:
    coordinator: Coordinator = request.app.state.coordinator
    return coordinator


async def sign_up(
    new_user: NewUser,
    coordinator: Annotated[Coordinator, Depends(coordinator_of)],
    idempotency_key: Annotated[str, Header()] = "",
) -> User:
    """Take a user in; asked again with the same key, the answer is that of the first time."""
    handle = await coordinator.start("onboard-user", new_user, run_id=run_id_of(idempotency_key))
    async with asyncio.timeout(WAIT_SECONDS):
        return User.model_validate(await handle.result())


async def refuse(_: Request, error: Exception) -> JSONResponse:
    status, body = answer_of(error)
    return JSONResponse(body, status)


async def refuse_body(_: Request, error: Exception) -> JSONResponse:
    """Name the fields. FastAPI's own answer repeats what was sent, which is not for every eye, and fails for NaN."""
    assert isinstance(error, RequestValidationError)
    problems = (f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors())
    return JSONResponse({"detail": "; ".join(problems)}, 422)


@contextmanager
def set_by_signals(closing: asyncio.Event) -> Iterator[None]:
    """Set an event with the first signal that ends the process, and hand the signal on.

    A server waits for open answers before it ends the lifespan, and a live stream of the console would never end.
    """
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT] if threading.current_thread() is threading.main_thread() else []
    servers = {number: signal.getsignal(number) for number in numbers}

    def hand_on(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(closing.set)
        handler = servers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in numbers:
        signal.signal(number, hand_on)
    try:
        yield
    finally:
        for number, handler in servers.items():
            signal.signal(number, handler)
