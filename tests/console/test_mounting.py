"""The console inside an application of somebody's own, below a path of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from amends.console.web import ConsoleSettings, console_app
from tests.console.scene import SECRETS, TOKENS, coordinator_on


def test_it_is_mounted_with_all_that_keeps_it_safe(sqlite_url: str) -> None:
    """Its routes, its refusals, its headers; its address is below the mount, and its lifespan is entered by hand."""

    async def look() -> None:
        coordinator = coordinator_on(sqlite_url)
        console = console_app(coordinator, ConsoleSettings(tokens=TOKENS, allowed_hosts=["shop.example"], follow=True))

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with coordinator, console.router.lifespan_context(console):
                yield

        app = Starlette(routes=[Mount("/console", console)], lifespan=lifespan)
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {SECRETS['clerk']}"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://shop.example", headers=headers) as client,
        ):
            begun = await client.post("/console/api/sagas/buy/runs", json={"input": {"item": "tea"}})
            assert begun.headers["location"].startswith("/console/api/runs/")
            ended = (await client.get(begun.headers["location"] + "?wait_seconds=20")).json()
            assert (ended["status"], ended["output"]) == ("completed", "1 tea")
            await console.state.console.follower.caught_up()
            assert len((await client.get("/console/api/runs")).json()["runs"]) == 1
            assert (await client.get("/console/openapi.json")).json()["servers"] == [{"url": "/console"}]
            for given, status in (({"Authorization": ""}, 401), ({"Host": "other"}, 421), ({"Origin": "null"}, 403)):
                refused = await client.get("/console/api/runs", headers=given)
                assert refused.status_code == status
                assert "frame-ancestors 'none'" in refused.headers["content-security-policy"]

    asyncio.run(look())
