"""The pages for everybody: from the keyboard, on a phone, in the dark, and by a screen reader (axe-core)."""

from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Page, expect

from amends.saga import events as e
from tests.browser.browsing import Visit, walk
from tests.browser.travel import Trip
from tests.unit.recorded import did, doing, failed, started

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
PHONE = {"width": 360, "height": 740}


async def tab_to(page: Page, text: str) -> None:
    """Press Tab until what shows or is called this has the focus, and see that one sees it."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        found = await page.evaluate(
            """() => { const it = document.activeElement, style = getComputedStyle(it);
            return [it.name || it.innerText || "", style.outlineStyle, parseFloat(style.outlineWidth)]; }"""
        )
        if found[0].strip() == text:
            assert found[1] != "none", f"nobody sees that {text} has the focus"
            assert found[2] >= 2
            return
    raise AssertionError(f"the keyboard does not reach {text}")


@walk
async def test_a_run_is_found_and_retried_from_the_keyboard(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="kyoto", declined=True, stuck=True))
    visit.stage.travel.mended.add("kyoto")
    page = await visit.open("/?state=parked")
    await tab_to(page, "Skip to the content")
    await page.keyboard.press("Enter")
    await tab_to(page, "kyoto")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("kyoto")
    await tab_to(page, "Waive…")
    await page.keyboard.press("Enter")
    await tab_to(page, "reason")
    await page.keyboard.press("Escape")
    await expect(page.locator("details[open]")).to_have_count(0)
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await tab_to(page, "reason")
    await page.keyboard.type("the hotel answers")
    await tab_to(page, "Retry this run")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Retry: recorded")).to_be_focused()
    await expect(page.locator("#standing")).to_contain_text("partially compensated")


async def pages(visit: Visit) -> list[str]:
    """Pages of every kind, with something on them."""
    await visit.stage.at_rest(Trip(to="malta", declined=True, stuck=True), tags={"a-rather-long-name": "value" * 20})
    await visit.stage.at_rest(Trip(to="malaga" + "-" * 150, says="x" * 500))
    await visit.stage.start(Trip(to="mumbai", asks=True))
    return [
        "/",
        "/?state=parked&limit=1",
        "/figures",
        "/run?id=malta&step=2&told=retry",
        f"/run?id=malaga{'-' * 150}&step=run",
        "/run?id=mumbai",
    ]


@walk
async def test_a_phone_shows_every_page_in_its_width(visit: Visit) -> None:
    for number, path in enumerate(await pages(visit)):
        page = await visit.open(path, viewport=PHONE) if number == 0 else visit.page
        await page.goto(path)
        await page.evaluate("document.querySelectorAll('details').forEach(it => { it.name = ''; it.open = true })")
        width = await page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= PHONE["width"], path


LONG = "saga-" + "abcdefghij" * 12


@pytest.mark.parametrize("width", [375, 720, 800, 1024, 1280])
@walk
async def test_a_long_name_moves_nothing_off_the_screen(visit: Visit, width: int) -> None:
    """Of a saga, of an action, and of a run; no column is so narrow that its words are cut up."""
    run_id = f"wide-{width}-{'x' * 100}"
    host, _ = visit.stage.coordinator.runs.opened()
    history = [*started(LONG), doing("1", LONG, 0, irreversible=True), did("1", 1), doing("2", "irrevocable", 1)]
    history += [failed("2", 2, error=e.ErrorInfo(type=LONG, message=LONG))]
    await host.log.append(run_id, 0, [host.codec.encode(event) for event in history])
    await visit.stage.seen()
    page = await visit.open(f"/?saga={LONG}", viewport={"width": width, "height": 800})
    for path in (f"/?saga={LONG}", "/figures?since=2026-01-01", f"/run?id={run_id}"):
        await page.goto(path)
        assert await page.evaluate("document.scrollingElement.scrollWidth") <= width, path
        narrow = await page.evaluate(CUT_OFF)
        assert narrow == [], path
    lines = "it => it.getClientRects().length"
    for text in ("Values of step 2", "irreversible"):
        found = page.locator("#step-table").get_by_text(text.split()[0], exact=text == "irreversible").first
        assert await found.evaluate(lines) == 1, text


CUT_OFF = """() => [...document.querySelectorAll("table.cards td, table.cards th")]
    .filter(it => getComputedStyle(it.closest("thead, tbody")).position !== "absolute")
    .filter(it => it.scrollWidth > it.clientWidth + 1).map(it => it.outerHTML.slice(0, 200))"""


@walk
async def test_numbers_stand_under_each_other(visit: Visit) -> None:
    """With their headings, and those of failures too."""
    await visit.stage.at_rest(Trip(to="tallinn", declined=True))
    page = await visit.open("/figures")
    failures = page.locator("td[data-label=Failed].bad")
    aligned = "them => them.map(it => getComputedStyle(it).textAlign)"
    assert set(await failures.evaluate_all(aligned)) == {"right"}
    await page.goto("/run?id=tallinn")
    found = page.locator("th.number, td.number")
    assert set(await found.evaluate_all(aligned)) == {"right"}
    await expect(page.get_by_role("columnheader", name="Began")).to_have_class("number")


async def violations(page: Page, *rules: str) -> list[tuple[str, Any]]:
    """Return what axe finds, with everything open; by some rules only, if they are given."""
    await page.evaluate("document.querySelectorAll('details').forEach(it => { it.name = ''; it.open = true })")
    await page.evaluate(AXE)
    found = await page.evaluate("only => axe.run(document, only.length ? { runOnly: only } : {})", list(rules))
    return [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@walk
async def test_axe_finds_nothing(visit: Visit, theme: str) -> None:
    page = await visit.open(color_scheme=theme)
    rules = ("color-contrast",) if theme == "dark" else ()  # The rest does not depend on it.
    shown = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert shown == {"light": "rgb(246, 248, 250)", "dark": "rgb(1, 4, 9)"}[theme]
    for path in (await pages(visit))[1:] if theme == "light" else ["/?state=parked&limit=1", "/run?id=malta&step=2"]:
        await page.goto(path)
        assert await violations(page, *rules) == [], path
    await page.goto(f"{visit.stage.locked_url}/sign-in")
    assert await violations(page, *rules) == []
    await page.goto("/run?id=nowhere")
    assert await violations(page, *rules) == []
    visit.complaints.clear()  # The browser notes the 404.


@walk
async def test_what_changes_is_read_out(visit: Visit) -> None:
    """How the run stands is a live region; the rest of the page has landmarks, headings and captions."""
    await visit.stage.start(Trip(to="naples", held=True))
    page = await visit.open("/run?id=naples")
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        await expect(page.get_by_role(landmark)).to_have_count(1)
    assert await page.locator("table:not(:has(caption))").count() == 0
    levels = [int(await each.evaluate("it => it.tagName[1]")) for each in await page.get_by_role("heading").all()]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    await expect(page.get_by_role("status")).to_contain_text("running")
    visit.stage.travel.go("naples").set()
    await expect(page.get_by_role("status")).to_contain_text("completed")
