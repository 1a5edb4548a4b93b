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
        if text.get("text-anchor") == "end" and float(text.get("y", 0)) > 80:
            assert float(text.get("x", 0)) - 7.4 * len(text.text or "") >= 252


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.COMPLETED])
def test_a_run_without_failure_is_drawn(status: RunStatus) -> None:
    """From its first moment on, when there is nothing to draw yet."""
    end = [e.RunCompleted(occurred_at=at(2), output="null")] if status is RunStatus.COMPLETED else []
    assert status.value in words(drawn("run-1", [*started(), *end]))
