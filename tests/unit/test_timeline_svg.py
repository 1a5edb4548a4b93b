"""The picture of a run: well-formed, self-contained, and deaf to what hostile text asks for."""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, fromstring

import pytest

from amends import RunStatus
from amends.console.timeline import timeline
from amends.console.timeline_svg import timeline_svg
from amends.saga import events as e
from tests.unit.recorded import BUSY, at, did, doing, failed, started, undoing, unwound_run

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "title", "desc", "style", "defs", "pattern", "rect", "line", "path", "text"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</text><script>alert(1)</script>",
    "]]></style><script>alert(1)</script>",
    '" onload="alert(1)',
    "' onclick='alert(1)",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;",
    "<a href='javascript:alert(1)'>x</a>",
    "}*{background:url(//example.com)}",
    "\x00\x01\x0b\x1b[2J\ud800\ufffe\uffff\u202e",
    "&amp;<![CDATA[",
]


def drawn(run_id: str, history: Sequence[e.Event]) -> Element:
    """The picture, parsed: that fails if it is not well-formed."""
    return fromstring(timeline_svg(timeline(run_id, history)))


def words(picture: Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def bars(picture: Element, colour: str) -> list[dict[str, float]]:
    """The bars of one colour: where they begin, and how wide they are."""
    found = [
        box.attrib for box in picture.iter(f"{SVG}rect") if box.get("class") == f"f-{colour}" and "rx" in box.attrib
    ]
    return [{name: float(box[name]) for name in ("x", "y", "width")} for box in found if box["height"] == "18.0"]


def hostile_run(text: str) -> list[e.Event]:
    """A run with a hostile text wherever text from outside can be."""
    error = e.ErrorInfo(type=text, message=text)
    return [
        *started(text),
        e.RunClaimed(occurred_at=at(1), worker=text, epoch=2),
        doing("1", text, 1, irreversible=True),
        did("1", 2),
        doing("2", text, 2),
        failed("2", 3, error=error),
        e.RunFailing(occurred_at=at(3), reason=e.FailingReason.CANCELLED, error=error, by=text),
        e.RunParked(
            occurred_at=at(4),
            reason=e.ParkReason.UNDO_FAILED,
            detail=text,
            remaining=(e.Remaining(step="1", action=text, why=e.RemainingWhy.IRREVERSIBLE),),
        ),
        e.RunResumed(occurred_at=at(5), by=text, reason=text),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    """In ids, names, errors, reasons and people: it adds no element, no attribute and no style."""
    picture, harmless = drawn(text, hostile_run(text)), drawn("harmless", hostile_run("harmless"))
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= SHAPES
    assert [element.attrib.keys() for element in picture.iter()] == [el.attrib.keys() for el in harmless.iter()]
    assert [style.text for style in picture.iter(f"{SVG}style")] == [el.text for el in harmless.iter(f"{SVG}style")]


def test_the_picture_is_self_contained() -> None:
    """It loads nothing, links to nothing and runs nothing; the only address in it is the name of SVG itself."""
    text = timeline_svg(timeline("run-1", unwound_run()))
    assert re.findall(r"https?:[^\"' ]*", text) == ["http://www.w3.org/2000/svg"]
    assert re.findall(r"url\(([^)]*)\)", text) == ["#hatch"]
    assert re.search(r"<script|href|@import|<image|\son\w+=", text) is None


def test_the_picture_follows_the_readers_theme() -> None:
    """Every colour has a dark twin, and no shape has a colour of its own."""
    picture = drawn("run-1", unwound_run())
    (style,) = (element.text or "" for element in picture.iter(f"{SVG}style"))
    light, dark = style.split("@media(prefers-color-scheme:dark)")
    classes = [set(re.findall(r"\.[fs]-(\w+)\{(?:fill|stroke):#", part)) for part in (light, dark)]
    assert classes[0] == classes[1] != set()
    assert not [element for element in picture.iter() if {"fill", "stroke", "style"} & element.attrib.keys()]


def test_bars_are_to_scale() -> None:
    """Twice as long is twice as wide, and a later start is further right."""
    history = [
        *started(),
        doing("1", "a", 0),
        did("1", 1),
        doing("2", "b", 1),
        did("2", 3),
        doing("3", "c", 3),
        did("3", 4),
    ]
    first, second, third = bars(drawn("run-1", history), "good")
    assert second["width"] == pytest.approx(2 * first["width"], abs=0.2)
    assert third["x"] == pytest.approx(second["x"] + second["width"], abs=0.2)


def test_what_was_undone_is_below_what_was_done() -> None:
    """One bar of an undo, and it begins after the last attempt has ended."""
    picture = drawn("run-1", unwound_run())
    (undone,) = bars(picture, "undone")
    failures = bars(picture, "bad")
    assert len(failures) == 3
    assert undone["y"] > max(bar["y"] for bar in failures)
    assert undone["x"] > max(bar["x"] + bar["width"] for bar in failures)


def test_what_remains_is_in_plain_sight() -> None:
    """At its step, at the end, and in the description for those who cannot see."""
    picture = drawn("run-1", unwound_run())
    assert {"irreversible: this stands", "step 2 send-welcome-email (irreversible)"} <= set(words(picture))
    assert "send-welcome-email remains (irreversible)" in (picture.findtext(f"{SVG}desc") or "")
    assert "partially compensated" in words(picture)


def test_a_run_that_was_undone_wholly_says_that_nothing_remains() -> None:
    """The word for its end is another one, too."""
    failing = e.RunFailing(occurred_at=at(2), reason=e.FailingReason.SAGA_RAISED, error=BUSY)
    history = [
        *started(),
        doing("1", "a", 0),
        did("1", 1),
        failing,
        *undoing("1", 2, 3),
        e.RunCompensated(occurred_at=at(3)),
    ]
    said = words(drawn("run-1", history))
    assert "compensated" in said
    assert any(text.startswith("nothing: ") for text in said)


def test_a_run_that_fails_early_writes_no_text_over_its_names() -> None:
    """The words stand to the right of the line where there is no room to its left."""
    failing = e.RunFailing(occurred_at=at(0.1), reason=e.FailingReason.SAGA_RAISED, error=BUSY)
    history = [*started(), doing("1", "a", 0), did("1", 0.1), failing, *undoing("1", 0.2, 9)]
    for text in drawn("run-1", history).iter(f"{SVG}text"):
        if text.get("text-anchor") == "end" and float(text.get("y", 0)) > 80 and text.text != "0":
            assert float(text.get("x", 0)) - 7.4 * len(text.text or "") >= 252


MIDDLE = e.Remaining(step="2", action="mail", why=e.RemainingWhy.IRREVERSIBLE)


def retried_run(*retried_at: float) -> list[e.Event]:
    """A run whose undo fails, and fails again whenever somebody tells it to retry."""
    history = [*started(), doing("1", "pay", 0), did("1", 0.01), doing("2", "mail", 0.01, irreversible=True)]
    history += [did("2", 0.02), e.RunFailing(occurred_at=at(0.5), reason=e.FailingReason.SAGA_RAISED, error=BUSY)]
    for attempt, moment in enumerate((0.6, *retried_at), start=1):
        if attempt > 1:
            history.append(e.RunResumed(occurred_at=at(moment), by="ann", reason="again", retries=("1",)))
            history.append(e.RunClaimed(occurred_at=at(moment), worker="w", epoch=attempt))
        begun = e.CompensationStarted(occurred_at=at(moment), step="1", attempt=attempt, idempotency_key="k")
        ended = e.CompensationFailed(occurred_at=at(moment + 0.01), step="1", attempt=attempt, error=BUSY)
        history += [begun, ended]
        reason = e.ParkReason.UNDO_FAILED
        history.append(e.RunParked(occurred_at=at(moment + 0.02), reason=reason, detail="1", remaining=(MIDDLE,)))
    return history


def test_a_text_in_a_bar_has_room_in_it() -> None:
    """Else it would be white on the card: it stands beside the bar then, in the colour of texts."""
    long = [
        doing("9", "x", 40),
        did("9", 90),
        e.RunFailing(occurred_at=at(90), reason=e.FailingReason.CANCELLED, error=BUSY, by="a"),
    ]
    for history in (
        unwound_run(),
        retried_run(1099, 1371),
        retried_run(900),
        [*started(), *long, *undoing("9", 91, 9e4)],
    ):
        picture = drawn("run-1", history)
        boxes = [{n: float(box.get(n, 0)) for n in ("x", "y", "width", "height")} for box in picture.iter(f"{SVG}rect")]
        for text in picture.iter(f"{SVG}text"):
            if "t-inbar" not in (text.get("class") or ""):
                continue
            x, y, wide = float(text.get("x", 0)), float(text.get("y", 0)), 6.4 * len(text.text or "")
            left = x - {"end": wide, "middle": wide / 2}.get(text.get("text-anchor", "start"), 0)
            around = [b for b in boxes if b["y"] < y < b["y"] + b["height"] <= b["y"] + 30]
            assert any(b["x"] <= left and left + wide <= b["x"] + b["width"] for b in around), text.text
    (said,) = (text for text in drawn("r", retried_run(1099, 1371)).iter(f"{SVG}text") if text.text == "undo failed")
    assert said.get("class") == "t-bad t-bold t-halo"


def test_what_stands_is_drawn_from_when_the_run_failed() -> None:
    """Its label pushes it nowhere."""
    for history in (unwound_run(), retried_run(1099)):
        picture = drawn("run-1", history)
        (veil,) = (box for box in picture.iter(f"{SVG}rect") if box.get("class") == "f-veil")
        (stands,) = (box for box in picture.iter(f"{SVG}rect") if box.get("class") == "f-hatch s-odd")
        assert stands.get("x") == veil.get("x")


def test_the_first_reason_is_told_however_often_the_run_is_retried() -> None:
    """And how much is left out."""
    said = words(drawn("run-1", retried_run(10, 20, 30)))
    assert any(text.startswith("saga raised: CrmUnavailable") for text in said)
    assert {"Failing at 500 ms", "Retried at 30.00 s", "Parked at 30.02 s", "5 others are not shown here"} <= set(said)
    told = [e.SignalReceived(occurred_at=at(n), signal="go", payload="1", by="ann", key=str(n)) for n in range(10)]
    assert "5 earlier ones are not shown here" in words(drawn("run-1", [*started(), *told]))


def test_long_names_that_begin_alike_are_told_apart() -> None:
    names = [f"provision-the-network-interface-of-{region}" for region in ("europe", "asia")]
    said = words(
        drawn("run-1", [*started(), doing("1", names[0], 0), did("1", 1), doing("2", names[1], 1), did("2", 2)])
    )
    cut = [text for text in said if text.startswith("provision")]
    assert len(set(cut)) == 2
    assert [text[-4:] for text in cut] == ["rope", "asia"]


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.COMPLETED])
def test_a_run_without_failure_is_drawn(status: RunStatus) -> None:
    """From its first moment on, when there is nothing to draw yet."""
    end = [e.RunCompleted(occurred_at=at(2), output="null")] if status is RunStatus.COMPLETED else []
    assert status.value in words(drawn("run-1", [*started(), *end]))
