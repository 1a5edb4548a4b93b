"""One Chromium, and two consoles over one agency: one for this machine, and one that asks for a token.

All of it lives in one event loop in a thread of its own, so that a test can let a run go on while the browser looks.
"""

import asyncio
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from anyio.from_thread import BlockingPortal
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, async_playwright, expect

from amends import Coordinator, RunHandle
from amends.console.web import ConsoleSettings, console_app
from amends.console.web.console import Console
from amends.console.web.server import serve_until
from tests.browser.travel import Travel, Trip
from tests.console.scene import SECRETS, TOKENS

__all__ = ["Stage", "Visit", "served_at", "stage_on", "walk"]

PATIENCE_MS = 20_000
"""How long something that comes may take, on a machine that others use too."""

expect.set_options(timeout=PATIENCE_MS)


class Stage:
    """Everything that a test can look at.

    Attributes:
        browser: Chromium.
        travel: the agency.
        coordinator: that hosts its trips.
        url: of the console without tokens.
        console: behind it.
        locked_url: of the one that asks for a token.
    """

    def __init__(self, browser: Browser, travel: Travel, coordinator: Coordinator, app: Any) -> None:
        self.browser = browser
        self.travel = travel
        self.coordinator = coordinator
        self.url = self.locked_url = ""
        self.console: Console = app.state.console

    async def start(self, trip: Trip, **more: Any) -> RunHandle[Any]:
        """Start a trip whose run is called like where it goes, unless said otherwise."""
        return await self.coordinator.start(self.travel.saga, trip, **{"run_id": trip.to, **more})

    async def at_rest(self, trip: Trip, **more: Any) -> str:
        """Start a trip, and return its run's id when it is at rest and the audit view knows it."""
        handle = await self.start(trip, **more)
        await self.coordinator.runs.at_rest(handle.run_id)
        await self.seen()
        return handle.run_id

    async def seen(self) -> None:
        """Wait until the audit view knows all that has happened."""
        assert self.console.follower is not None
        await self.console.follower.caught_up()


class Visit:
    """A page in a window of its own; it notes what no page of ours may ever do.

    Attributes:
        stage: what it looks at.
        page: Playwright's.
        complaints: dialogs, violations of the policy, and other errors of the browser.
    """

    def __init__(self, stage: Stage, portal: BlockingPortal) -> None:
        self.stage = stage
        self.portal = portal
        self.complaints: list[str] = []
        self.page: Page
        self._contexts: list[BrowserContext] = []

    async def open(self, path: str = "/", *, base: str = "", **options: Any) -> Page:
        """Open a path in a new window; the options are those of a browser's context."""
        options = {"viewport": {"width": 1200, "height": 900}, **options}
        context = await self.stage.browser.new_context(base_url=base or self.stage.url, **options)
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        self.page = await context.new_page()
        self.page.on("console", self._said)
        self.page.on("dialog", self._asked)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        await self.page.goto(path)
        return self.page

    async def sign_in(self, name: str, path: str = "/") -> Page:
        """Open a path of the console that asks for a token, and give it somebody's."""
        page = await self.open(path, base=self.stage.locked_url)
        self.complaints.clear()  # The browser notes the 401 that the form comes with.
        await page.get_by_label("Token").fill(SECRETS[name])
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"**{path}")
        return page

    def _said(self, message: ConsoleMessage) -> None:
        is_its_own = message.location["url"].endswith("/favicon.ico")  # Which it asks of any host, whenever it likes.
        if message.type in ("error", "warning") and not is_its_own:
            self.complaints.append(f"{message.type}: {message.text} at {message.location}")

    async def _asked(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    async def close(self) -> None:
        """Close all windows."""
        for context in self._contexts:
            await context.close()


def walk(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of a coroutine function whose first argument is the fixture `visit`."""

    @functools.wraps(test)
    def walked(visit: Visit, **given: Any) -> None:
        visit.portal.call(functools.partial(test, visit, **given))

    return walked


@asynccontextmanager
async def stage_on(url: str, executable: str) -> AsyncIterator[Stage]:
    """Set everything up on a log."""
    travel = Travel()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable)
        async with Coordinator(url, sagas=[travel.saga], actions=travel.actions) as coordinator:
            given: dict[str, Any] = {"rate_per_minute": 100_000}
            followed = console_app(coordinator, ConsoleSettings(follow=True, **given))
            locked = console_app(coordinator, ConsoleSettings(tokens=TOKENS, **given))
            stage = Stage(browser, travel, coordinator, followed)
            async with served_at([followed, locked]) as (stage.url, stage.locked_url):
                await stage.seen()
                yield stage
        await browser.close()


@asynccontextmanager
async def served_at(apps: Sequence[Any]) -> AsyncIterator[list[str]]:
    """Serve applications on this machine, each at a URL."""
    stopping = asyncio.Event()
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in apps]
    serving = [asyncio.create_task(serve_until(*each, stopping)) for each in zip(apps, listening, strict=True)]
    try:
        for each in listening:
            await _answers(each.getsockname())
        yield [f"http://127.0.0.1:{each.getsockname()[1]}" for each in listening]
    finally:
        stopping.set()
        await asyncio.gather(*serving)
        for each in listening:
            each.close()


async def _answers(address: tuple[str, int]) -> None:
    """Wait for the first answer: it comes when the application has begun."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
