"""Sessions and forms in a real browser: what a page may do, and what one of another origin cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import expect

from tests.browser.browsing import Visit, walk
from tests.browser.travel import Trip


@walk
async def test_a_token_begins_a_session_that_no_script_can_read(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="bern", says="secret"), tags={"n": "1"})
    page = await visit.sign_in("viewer", "/run?id=bern")
    await expect(page.get_by_role("heading", level=1)).to_have_text("bern")
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("amends_session", True, "Strict")
    assert await page.evaluate("document.cookie") == ""
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": visit.stage.locked_url}])
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    visit.complaints.clear()  # The browser notes each 401.


@walk
async def test_a_wrong_token_is_told_so(visit: Visit) -> None:
    page = await visit.open("/sign-in", base=visit.stage.locked_url)
    await page.get_by_label("Token").fill("amends_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("That is none of the tokens of this console.")
    assert await page.get_by_text("You have followed a link").count() == 0, "they have mistyped it"
    visit.complaints.clear()  # The browser notes the 401.


@walk
async def test_a_viewer_sees_no_command_and_no_text_of_an_error(visit: Visit) -> None:
    await visit.stage.at_rest(Trip(to="paris", declined=True, stuck=True, says="card 4111"))
    page = await visit.sign_in("viewer", "/run?id=paris")
    await expect(page.locator("#commands")).to_contain_text("An operator can tell it what to do.")
    await expect(page.locator("#step-table")).to_contain_text("CardDeclined")
    assert "4111" not in await page.content()
    assert await page.locator("form[action*='/tell/']").count() == 0
    assert await page.get_by_role("link", name="Values").count() == 0
    await page.goto("/")
    await expect(page.get_by_role("article", name="paris")).to_contain_text("undo failed")
    assert "4111" not in await page.content()
    assert await page.get_by_label("Error holds").count() == 0


@walk
async def test_an_operator_is_known_by_their_token(visit: Visit) -> None:
    """What is on record is its name; to abandon a run is an administrator's."""
    await visit.stage.at_rest(Trip(to="sofia", declined=True, stuck=True))
    page = await visit.sign_in("operator", "/run?id=sofia")
    assert await page.get_by_text("Abandon…").count() == 0
    await page.get_by_text("Waive…").click()
    await page.get_by_role("textbox", name="Reason").fill("done by hand")
    await page.get_by_role("button", name="Waive this step").click()
    await expect(page.locator("#notes")).to_contain_text("by operator: done by hand")


@asynccontextmanager
async def elsewhere(page: str) -> AsyncIterator[str]:
    """Serve a page of another origin."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<link rel=icon href=data:,>"
            + page.encode()
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@walk
async def test_a_page_of_another_origin_changes_nothing(visit: Visit) -> None:
    """Also where nobody signs in: the browser sends the form, and says where it is from."""
    await visit.stage.at_rest(Trip(to="minsk", declined=True, stuck=True))
    fields = "".join(
        f"<input name={name} value={value}>"
        for name, value in {"run_id": "minsk", "reason": "evil", "secret": "guessed"}.items()
    )
    form = f"<form method=post action={visit.stage.url}/tell/abandon>{fields}</form>"
    async with elsewhere(f"{form}<script>document.forms[0].submit()</script>") as url:
        page = await visit.open(url)
        await page.wait_for_url("**/tell/abandon")
        await expect(page.locator("body")).to_contain_text("foreign-origin")
    assert "evil" not in str(await visit.stage.coordinator.handle("minsk").history())
    visit.complaints.clear()  # The browser notes the 403.


@walk
async def test_a_page_of_another_origin_frames_and_reads_nothing(visit: Visit) -> None:
    reading = f"fetch('{visit.stage.url}/', {{credentials: 'include'}}).then(() => 'read', () => 'refused')"
    async with elsewhere(f"<iframe src='{visit.stage.url}/'></iframe>") as url:
        page = await visit.open(url)
        assert await page.evaluate(reading) == "refused"
        (frame,) = page.main_frame.child_frames
        assert urlsplit(frame.url).scheme == "chrome-error"
    visit.complaints.clear()  # The browser notes both.


@walk
async def test_a_form_of_an_old_page_is_refused(visit: Visit) -> None:
    """The console was started anew meanwhile, so that its secret is another one."""
    await visit.stage.at_rest(Trip(to="turin", declined=True, stuck=True))
    page = await visit.open("/run?id=turin")
    await page.get_by_text("Retry…").click()
    await page.locator("form[action$='/tell/retry'] input[name=secret]").evaluate("field => field.value = 'old'")
    await page.get_by_role("textbox", name="Reason").fill("again")
    await page.get_by_role("button", name="Retry this run").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Foreign form")
    await expect(page.locator("main")).to_contain_text("load the page again")
    visit.complaints.clear()  # The browser notes the 403.
