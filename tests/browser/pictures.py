"""Takes the screenshots in docs/images anew, from the runs of the demo: `make pictures`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from amends import Coordinator
from amends.console.demo.acts import ACTS
from amends.console.demo.page import get_stuck
from amends.console.demo.stage import set_stage
from amends.console.web import ConsoleSettings, console_app
from tests.browser.browsing import served_at
from tests.browser.chromium import chromium
from tests.tree import ROOT

IMAGES = ROOT / "docs" / "images"
PICTURES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("audit-page-list.png", "/", {"viewport": {"width": 1000, "height": 760}}),
    ("audit-page-run.png", "/run?id=signup:alan@example.com", {"viewport": {"width": 1000, "height": 860}}),
    (
        "audit-page-phone-dark.png",
        "/run?id=signup:grace@example.com",
        {"viewport": {"width": 390, "height": 760}, "color_scheme": "dark"},
    ),
)


async def main() -> int:
    """Take all of them; 1 if there is no browser."""
    executable = chromium()
    if executable is None:
        print("no browser: install chromium, or set AMENDS_CHROMIUM", file=sys.stderr)  # noqa: T201
        return 1
    async with set_stage(None) as stage:
        for act in ACTS:
            await act.play(stage)
        await get_stuck(stage, ACTS[1].run_id(stage))
        await _take(stage.coordinator, executable)
    return 0


async def _take(coordinator: Coordinator, executable: str) -> None:
    app = console_app(coordinator, ConsoleSettings(follow=True))
    async with async_playwright() as playwright, served_at([app]) as (url,):
        await app.state.console.follower.caught_up()
        browser = await playwright.chromium.launch(executable_path=executable)
        for name, path, options in PICTURES:
            await _picture(browser, url + path, IMAGES / name, options)
        await browser.close()


async def _picture(browser: Browser, url: str, file: Path, options: dict[str, Any]) -> None:
    page = await browser.new_page(**options)
    await page.goto(url)
    await page.screenshot(path=file)
    await page.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
