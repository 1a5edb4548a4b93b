"""A console over a small shop, served by uvicorn on a port of this machine, with a token of each kind."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import BaseModel, Field
from starlette.applications import Starlette

from amends import Coordinator, Run, Saga, action, saga
from amends.console.web import ConsoleSettings, Role, Token, console_app, new_token
from amends.console.web.server import serve_until

__all__ = ["DETAIL", "SECRETS", "TOKENS", "Order", "Served", "caught_up", "coordinator_on", "on", "served"]


DETAIL = ("secret-detail", "4111-1111")
"""What handlers put into the texts of their errors."""


class Order(BaseModel):
    """What is bought."""

    item: str = Field(max_length=50)
    count: int = Field(1, ge=1, le=100)


class Approval(BaseModel):
    approved: bool


@action("greet", irreversible=True)
async def greet(name: str) -> str:
    return f"hello {name}"


@action("reserve")
async def reserve(order: Order) -> str:
    return f"{order.count} {order.item}"


@reserve.undo
async def release(order: Order, reservation: str | None) -> None: ...


@action("charge", irreversible=True, retry=lambda state: False)
async def charge(order: Order) -> None:
    if order.item == "declined":
        raise ValueError(f"the card for {order.item} says no: 4111-1111")


@action("stuck")
async def stuck(order: Order) -> str:
    return order.item


@stuck.undo(retry=lambda state: False)
async def unstick(order: Order, item: str | None) -> None:
    raise ConnectionError("no way: secret-detail")


@saga("buy")
async def buy(run: Run, order: Order) -> str:
    reservation = await run.do(reserve, order)
    await run.do(charge, order)
    return reservation


@saga("jam")
async def jam(run: Run, order: Order) -> None:
    await run.do(stuck, order)
    raise RuntimeError("nothing goes: secret-detail")


@saga("ask", signals={"approved": Approval})
async def ask(run: Run, order: Order) -> bool:
    await run.do(reserve, order)
    approval = await run.wait_for("approved", Approval)
    return approval.approved


@saga("reserve-only")
async def reserve_only(run: Run, order: Order) -> None:
    await run.do(reserve, order)


@saga("greet-much")
async def greet_much(run: Run, name: str) -> str:
    return [await run.do(greet, name) for _ in range(3)][-1]


@saga("idle")
async def idle(run: Run) -> None: ...


@action("hold", irreversible=True)
async def wait_for_ever(order: Order) -> None:
    await asyncio.Event().wait()


@saga("hold")
async def hold(run: Run, order: Order) -> None:
    await run.do(wait_for_ever, order)


def _made() -> Iterator[tuple[str, str, Token]]:
    for name, role, payloads in (
        ("viewer", Role.VIEWER, False),
        ("reader", Role.VIEWER, True),
        ("operator", Role.OPERATOR, False),
        ("clerk", Role.OPERATOR, True),
        ("admin", Role.ADMIN, True),
    ):
        yield name, *new_token(name, role, payloads=payloads)


_MADE = list(_made())
SECRETS = {name: secret for name, secret, _ in _MADE}
TOKENS = tuple(token for _, _, token in _MADE)


def coordinator_on(url: str, *, holds: bool = True, **given: Any) -> Coordinator:
    """Return a coordinator of the shop; without `holds`, without the saga that never gives its place back."""
    sagas: list[Saga[Any, Any]] = [buy, jam, ask, reserve_only, greet_much, idle, *([hold] if holds else [])]
    return Coordinator(
        url, sagas=sagas, actions=[greet, reserve, charge, stuck, *([wait_for_ever] if holds else [])], **given
    )


class Served:
    """A console that is served.

    Attributes:
        url: where.
        coordinator: whose.
        app: the console.
    """

    def __init__(self, port: int, coordinator: Coordinator, app: Starlette) -> None:
        self.app = app
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.coordinator = coordinator
        self._clients: dict[str | None, httpx.AsyncClient] = {}

    def as_(self, name: str | None) -> httpx.AsyncClient:
        """Return a client with somebody's token; with none for None."""
        if name not in self._clients:
            headers = {} if name is None else {"Authorization": f"Bearer {SECRETS[name]}"}
            self._clients[name] = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False)
        return self._clients[name]

    async def run(self, saga: str, item: str = "tea", **more: Any) -> str:
        """Start a run, wait until it is at rest, and return its id."""
        handle = await self.coordinator.start(saga, {"item": item}, **more)
        await self.coordinator.runs.at_rest(handle.run_id)
        return handle.run_id

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


@asynccontextmanager
async def served(url: str, *, host: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Served]:
    """Serve a console with these settings; with a token of each kind, unless they say otherwise."""
    async with coordinator_on(url, **(host or {})) as coordinator:
        app = console_app(coordinator, ConsoleSettings(**{"tokens": TOKENS, **settings}))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stopping = asyncio.Event()
            task = asyncio.create_task(serve_until(app, listening, stopping))
            found = Served(listening.getsockname()[1], coordinator, app)
            try:
                await found.as_(None).get("/health")  # It is answered when the application has begun.
                yield found
            finally:
                await found.close()
                stopping.set()
                await task


def on(url: str, work: Callable[[Served], Awaitable[None]], **settings: Any) -> None:
    """Do something with a console that keeps its audit view up to date."""

    async def serve() -> None:
        async with served(url, follow=True, **settings) as console:
            await work(console)

    asyncio.run(serve())


async def caught_up(console: Served) -> None:
    """Return when the audit view has everything."""
    follower = console.app.state.console.follower
    assert follower is not None
    await follower.caught_up()
