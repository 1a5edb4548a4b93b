"""Scripts in every place where text is shown: inert, all of them, also in what the page fetches while a run moves.

Most places take what a user writes. Names of sagas, actions, signals and workers cannot be such texts, because they are
checked; so here they are written into the log behind the library's back, as somebody may who can write to the database.
"""

from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Page, expect

from amends.console.web.pages.files import FILES
from amends.saga import events as e
from tests.browser.browsing import Visit, walk
from tests.browser.travel import Trip
from tests.unit.recorded import at

MARK = "pwned"
CORPUS = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "' autofocus onfocus='window.pwned=1",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "</title></desc></text></svg><script>window.pwned=1</script>",
    "</pre></option></select></textarea></style><script>window.pwned=1</script>",
    "<![CDATA[<script>window.pwned=1</script>]]><!--><script>window.pwned=1</script>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1>",
    "<a href=javascript:window.pwned=1>x</a> javascript:window.pwned=1",
    "<form action=https://evil.example><button>go</button></form><base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'><link rel=stylesheet href=//evil.example>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt; &#60;script>window.pwned=1",
    "{{ 7*'pwned' }}{% raw %}${7*7}#{7*7}<%= 7 %>",
    "\u202egnp.exe\u202c \u2028window.pwned=1\u2029 \x1b]0;pwned\x07 \ufeff",
    "\uff1cscript\uff1ewindow.pwned=1\uff1c/script\uff1e \U000e0041",
)
ALL = " ".join(CORPUS)

OURS = """
a article body button caption code dd desc details div dl dt figcaption figure footer form g h1 h2 h3 head
header html input label li line link main meta nav ol option p path pattern pre rect script section select span
strong summary svg table tbody td text th thead time title tr ul defs wbr
"""
"""The elements of our pages. There is none of them that a text could have brought without being seen below."""

SCAN = """() => ({
    tags: [...new Set([...document.querySelectorAll('*')].map(it => it.localName))],
    counts: ['script', 'link', 'meta', 'base', 'title'].map(it => document.head.querySelectorAll(it).length),
    inBody: document.body.querySelectorAll('script, link, meta, base, style, img, iframe, object, embed').length,
    handlers: [...document.querySelectorAll('*')].flatMap(it => it.getAttributeNames())
        .filter(it => it.startsWith('on')),
    styled: document.querySelectorAll('[style]').length,
    targets: [...document.querySelectorAll('[href], [action], [src]')]
        .flatMap(it => ['href', 'action', 'src'].map(name => it.getAttribute(name)).filter(it => it !== null)),
    pwned: window.pwned,
    hidden: /[\\u202a-\\u202e\\u2066-\\u2069\\u2028\\u2029\\x1b\\ufeff\\u{e0041}]/u
        .test(document.documentElement.textContent),
})"""


async def inert(page: Page) -> None:
    """See that nothing on a page is of a text's making."""
    found = await page.evaluate(SCAN)
    assert set(found["tags"]) <= set(OURS.split())
    assert found["counts"] == [1, 2, 3, 0, 1]
    assert (found["inBody"], found["handlers"], found["styled"]) == (0, [], 0)
    assert all(target.startswith(("/", "#")) and not target.startswith("//") for target in found["targets"])
    assert found["pwned"] is None
    assert not found["hidden"]


def written(texts: str) -> list[e.Event]:
    """A run that is parked, with texts in every place that events have."""
    error = e.ErrorInfo(type=texts, message=texts)
    stands = e.Remaining(step="1", action=texts, why=e.RemainingWhy.UNDO_FAILED)
    made: list[Any] = [
        (e.RunStarted, {"saga": texts, "saga_version": 1, "input": "null", "tags": {texts: texts}, "parent": texts}),
        (e.RunClaimed, {"worker": texts, "epoch": 1}),
        (
            e.ActionStarted,
            {"step": "1", "action": texts, "attempt": 1, "input": "1", "idempotency_key": texts, "child": texts},
        ),
        (e.ActionSucceeded, {"step": "1", "attempt": 1, "output": texts}),
        (e.LockAwaited, {"step": "4", "key": texts}),
        (e.SlotTaken, {"step": "4", "name": texts}),
        (e.SignalAwaited, {"step": "2", "signal": texts}),
        (e.SignalReceived, {"signal": texts, "payload": f'"{MARK}"', "by": texts, "key": texts}),
        (e.ActionStarted, {"step": "3", "action": texts, "attempt": 1, "input": "1", "idempotency_key": texts}),
        (e.ActionUnknown, {"step": "3", "attempt": 1, "why": e.UnknownWhy.LOST, "error": error}),
        (e.RunClaimed, {"worker": texts, "epoch": 2, "lapsed": True}),
        (e.RunFailing, {"reason": e.FailingReason.CANCELLED, "error": error, "by": texts, "action": texts}),
        (e.CompensationStarted, {"step": "1", "attempt": 1, "idempotency_key": texts}),
        (e.CompensationFailed, {"step": "1", "attempt": 1, "error": error}),
        (e.RunParked, {"reason": e.ParkReason.UNDO_FAILED, "detail": texts, "remaining": (stands,)}),
        (e.RunResumed, {"by": texts, "reason": texts, "retries": ()}),
        (e.RunParked, {"reason": e.ParkReason.UNDO_FAILED, "detail": texts, "remaining": (stands,)}),
    ]
    return [kind(occurred_at=at(number), **given) for number, (kind, given) in enumerate(made)]


async def append(visit: Visit, run_id: str, version: int, events: list[e.Event]) -> None:
    host, _ = visit.stage.coordinator.runs.opened()
    await host.log.append(run_id, version, [host.codec.encode(event) for event in events])
    await visit.stage.seen()


@walk
async def test_what_users_write_is_inert(visit: Visit) -> None:
    """Tags, payloads with their keys, errors, reasons and signals, through the library's own doors."""
    trip = Trip(to=ALL, declined=True, stuck=True, asks=True, says=ALL)
    tags = {f"tag-{number}": text for number, text in enumerate(CORPUS) if text.isprintable()}
    handle = await visit.stage.start(trip, run_id="texts", tags=tags)
    await handle.signal("say", ALL, by=ALL[:190])
    await visit.stage.coordinator.runs.at_rest("texts")
    await handle.waive("2", by=CORPUS[0], reason=ALL)
    await visit.stage.coordinator.runs.at_rest("texts")
    await visit.stage.seen()
    page = await visit.open()
    for path in ("/", "/?state=partially_compensated", "/figures", "/run?id=texts&step=1", "/run?id=texts&step=run"):
        await page.goto(path)
        await inert(page)
    shown = await page.locator("main").inner_text()
    for text in CORPUS[:4]:
        assert text in shown, "what was written is there to be read"


@walk
async def test_what_stands_in_the_log_is_inert(visit: Visit) -> None:
    """In the list, in the commands, in the picture; and in the parts that are fetched when the run moves."""
    *before, last = written(ALL)
    await append(visit, "behind/the..back", 0, before)
    page = await visit.open()
    for path in ("/", "/?tag=x=y", "/run?id=behind/the..back", "/run?id=behind/the..back&step=1"):
        await page.goto(path)
        await inert(page)
    await page.goto("/run?id=behind/the..back")
    await expect(page.get_by_role("status")).to_contain_text("unwinding")
    await append(visit, "behind/the..back", len(before), [last])
    await expect(page.get_by_role("status")).to_contain_text("parked")
    await inert(page)
    await page.get_by_text("Waive…").click()
    await inert(page)
    await visit.stage.coordinator.handle("behind/the..back").abandon(by="test", reason="it is none of ours")


@walk
async def test_what_stands_in_an_address_is_inert(visit: Visit) -> None:
    """In the fields of the filter, which show it again, and in what is said of a field that cannot be so."""
    page = await visit.open()
    fits = [{"saga": text, "action": text, "text": text, "tag": f"{text}={text}"} for text in CORPUS]
    fits_not = [{name: ALL} for name in ("since", "until", "cursor", "state", "limit", "tag", "nowhere", ALL)]
    for query in (*fits, *fits_not):
        await page.goto(f"/?{urlencode(query)}")
        await inert(page)
    for path in ("run", "sign-in", "figures"):
        await page.goto(f"/{path}?{urlencode({'id': ALL, 'wanted': ALL, 'since': ALL})}")
        await inert(page)
    for wanted in ("javascript:window.pwned=1", "//evil.example", "/\\evil.example", "https://evil.example", ALL):
        await page.goto(f"{visit.stage.locked_url}/sign-in?{urlencode({'wanted': wanted})}")
        await inert(page)
        assert await page.get_by_role("link", name="Go on").get_attribute("href") == "/"
    visit.complaints = [each for each in visit.complaints if "status of 4" not in each]


def test_the_files_of_the_pages_bring_nothing_from_elsewhere() -> None:
    from amends.console.web.pages.files import content

    for name in FILES:
        text = content(name).decode()
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert len(text) < 12_000, "small"
