"""What people do on the pages, in a real browser: they look, search, watch a run unwind, and say what is to be done."""

from urllib.parse import urlsplit

from playwright.async_api import expect

from amends import RunStatus
from tests.browser.browsing import Visit, walk
from tests.browser.travel import Trip


@walk
async def test_the_list_shows_first_what_needs_a_person(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="oslo"))
    await visit.stage.at_rest(Trip(to="bergen", declined=True, stuck=True))
    page = await visit.open()
    needs = page.get_by_role("region", name="Needs a person")
    parked = needs.get_by_role("article", name="bergen")
    await expect(parked).to_contain_text("undo failed")
    await expect(parked).to_contain_text("book-hotel (2) undo failed")
    headings = await page.get_by_role("heading").all_inner_texts()
    assert headings.index("Needs a person") < headings.index("All runs")
    row = page.get_by_role("row", name="oslo")
    await expect(row.get_by_role("cell").first).to_have_text("completed")
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("oslo")


@walk
async def test_a_filter_stands_in_the_address(visit: Visit) -> None:
    """Whoever gets the address sees the same, and a page of many is gone through with cursors."""
    for number in range(3):
        await visit.stage.at_rest(Trip(to=f"rome-{number}"), tags={"city": "rome"})
    await visit.stage.at_rest(Trip(to="rome-3", declined=True), tags={"city": "rome"})
    page = await visit.open()
    await page.get_by_text("Filter", exact=True).click()
    await page.get_by_role("combobox", name="State").select_option("completed")
    await page.get_by_label("Tag").fill("city=rome")
    await page.get_by_label("Started since").fill("1h")
    await page.get_by_role("button", name="Find").click()
    links = page.get_by_role("rowheader").get_by_role("link")
    await expect(links).to_have_text(["rome-2", "rome-1", "rome-0"])
    asked = urlsplit(page.url).query
    assert "state=completed" in asked
    again = await visit.open(f"/?{asked}&limit=2")
    await expect(again.get_by_role("rowheader").get_by_role("link")).to_have_text(["rome-2", "rome-1"])
    assert await again.get_by_label("Tag").input_value() == "city=rome"
    await again.get_by_role("link", name="Older runs").click()
    await expect(again.get_by_role("rowheader").get_by_role("link")).to_have_text(["rome-0"])


@walk
async def test_a_run_unwinds_before_ones_eyes(visit: Visit) -> None:
    """The page is never loaded again: its parts are."""
    trip = Trip(to="lima", declined=True, held=True)
    handle = await visit.stage.start(trip)
    page = await visit.open("/run?id=lima")
    await expect(page.get_by_role("status")).to_contain_text("running")
    await expect(page.locator("#step-table")).to_contain_text("charge-card")
    await page.evaluate("window.stays = true")
    visit.stage.travel.go("lima").set()
    await expect(page.get_by_role("status")).to_contain_text("partially compensated")
    await expect(page.locator("#remaining")).to_contain_text("send-tickets")
    await expect(page.locator("#picture svg")).to_contain_text("from here: undo, last step first")
    await expect(page.locator("#step-table")).to_contain_text("compensated")
    assert await page.evaluate("window.stays") is True
    assert await handle.status() is RunStatus.PARTIALLY_COMPENSATED


@walk
async def test_a_run_gets_stuck_before_ones_eyes(visit: Visit) -> None:
    """Then the commands are there."""
    await visit.stage.start(Trip(to="riga", declined=True, stuck=True, held=True))
    page = await visit.open("/run?id=riga")
    await expect(page.get_by_role("status")).to_contain_text("running")
    visit.stage.travel.go("riga").set()
    await expect(page.get_by_role("status")).to_contain_text("parked")
    await expect(page.get_by_role("region", name="Needs a person")).to_contain_text("nobody picks up the phone")
    await page.get_by_text("Retry…").click()


@walk
async def test_a_page_that_nobody_sees_takes_no_connection(visit: Visit) -> None:
    """A browser has six for each place, and the seventh page would not load. Seen again, it is up to date again."""
    await visit.stage.start(Trip(to="seoul", held=True))
    page = await visit.open("/run?id=seoul")
    turn = """state => { Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
        document.dispatchEvent(new Event("visibilitychange")); }"""
    await expect(page.get_by_role("status")).to_contain_text("running")
    async with page.expect_event("requestfailed", lambda request: "/live/" in request.url):
        await page.evaluate(turn, "hidden")
    visit.stage.travel.go("seoul").set()
    await visit.stage.coordinator.runs.at_rest("seoul")
    assert "running" in await page.get_by_role("status").inner_text()
    async with page.expect_event("request", lambda request: "/live/" in request.url):
        await page.evaluate(turn, "visible")
    await expect(page.get_by_role("status")).to_contain_text("completed")


@walk
async def test_a_parked_run_is_retried(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="cairo", declined=True, stuck=True))
    page = await visit.open()
    parked = page.get_by_role("article", name="cairo")
    await parked.get_by_text("Retry…").click()
    await parked.get_by_role("textbox", name="Reason").fill("the hotel answers again")
    visit.stage.travel.mended.add("cairo")
    await parked.get_by_role("button", name="Retry this run").click()
    await expect(page.get_by_text("Retry: recorded")).to_be_visible()
    await expect(page.locator("#standing")).to_contain_text("partially compensated")
    await expect(page.locator("#notes")).to_contain_text("by local: the hotel answers again")


@walk
async def test_a_step_is_waived_with_a_reason(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="quito", declined=True, stuck=True))
    page = await visit.open("/run?id=quito")
    await page.get_by_text("Waive…").click()
    form = page.locator("form[action$='/tell/waive']")
    await form.get_by_role("button").click()
    assert urlsplit(page.url).path == "/run", "a form without a reason is not sent"
    await form.get_by_label("Reason").fill("cancelled by telephone")
    await form.get_by_role("button", name="Waive this step").click()
    await expect(page.get_by_text("Waive: recorded")).to_be_visible()
    await expect(page.locator("#remaining")).to_contain_text("book-hotel step 2: waived")
    await expect(page.locator("#notes")).to_contain_text("by local: cancelled by telephone")


@walk
async def test_the_plan_stands_before_the_undo(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="delhi"))
    page = await visit.open("/run?id=delhi")
    await page.get_by_text("Undo…").click()
    plan = page.get_by_role("table", name="Would be undone, stage by stage")
    rows = [line.split("\t") for line in await plan.get_by_role("row").all_inner_texts()]
    assert rows[:2] == [["Stage", "Step", "Action"], ["1", "4", "charge-card"]]
    assert sorted(rows[2:]) == [["2", "1", "book-flight"], ["2", "2", "book-hotel"]]
    await expect(page.get_by_text("Would stand all the same")).to_contain_text("send-tickets (step 3, irreversible)")
    await page.get_by_role("textbox", name="Reason").fill("the traveller is ill")
    await page.get_by_role("button", name="Undo this run").click()
    await expect(page.get_by_text("Undo: recorded")).to_be_visible()
    await expect(page.locator("#standing")).to_contain_text("partially compensated")


@walk
async def test_values_are_shown_on_demand_and_on_record(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="accra", says="window seat"))
    page = await visit.open("/run?id=accra")
    assert "window seat" not in await page.content()
    await page.get_by_role("link", name="Values of step 1").click()
    values = page.get_by_role("region", name="Values of step 1")
    await expect(values.get_by_role("region", name="Output")).to_contain_text('"window seat": "window seat"')
    await visit.stage.seen()
    audit = visit.stage.console.audit
    seen = [each for each in (await audit.commands()).rows if each.run_id == "accra"]
    assert [(each.kind, each.by, each.reason) for each in seen] == [("view", "local", "values of step 1")]


@walk
async def test_all_of_it_works_without_a_script(visit: Visit) -> None:
    trip = Trip(to="hanoi", declined=True, stuck=True, held=True)
    await visit.stage.start(trip)
    page = await visit.open("/run?id=hanoi", java_script_enabled=False)
    await expect(page.get_by_role("status")).to_contain_text("running")
    visit.stage.travel.go("hanoi").set()
    await visit.stage.coordinator.runs.at_rest("hanoi")
    await page.reload()
    await expect(page.get_by_role("status")).to_contain_text("parked")
    visit.stage.travel.mended.add("hanoi")
    await page.get_by_text("Retry…").click()
    await page.locator("form[action$='/tell/retry'] input[name=reason]").fill("again")
    await page.get_by_role("button", name="Retry this run").click()
    await expect(page.get_by_text("Retry: recorded")).to_be_visible()


@walk
async def test_a_form_that_is_being_filled_in_is_left_alone(visit: Visit) -> None:
    """Its run moves on meanwhile, and the rest of the page with it."""
    await visit.stage.start(Trip(to="tunis", held=True))
    page = await visit.open("/run?id=tunis")
    await page.get_by_text("Cancel…").click()
    reason = page.locator("form[action$='/tell/cancel'] input[name=reason]")
    await reason.fill("half a sent")
    visit.stage.travel.go("tunis").set()
    await expect(page.locator("#standing")).to_contain_text("completed")
    await expect(reason).to_have_value("half a sent")
    await expect(reason).to_be_focused()
    await reason.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("tunis")
    await expect(page.get_by_text("Cancel: nothing was changed")).to_be_visible()
