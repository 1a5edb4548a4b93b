"""The timeline as text: everything in it is shown, and nothing in it can control a terminal."""

import io

import pytest

from amends.console.paint import Paint, paint_for
from amends.console.plain import plain, seconds
from amends.console.show_json import run_json
from amends.console.timeline import timeline
from amends.console.timeline_text import timeline_text
from amends.saga import events as e
from tests.unit.recorded import BUSY, at, did, doing, failed, started, unwound_run

PLAIN = Paint(enabled=False)
HOSTILE = "\x1b[2J\x1b]0;owned\x07 <b>\u202eevil\u2066\x00\r\ngone\u2028 \udc80"


def test_the_text_of_an_unwound_run() -> None:
    """Steps, attempts, times, errors, what was undone, how it ended and what remains."""
    busy = "CrmUnavailable: 503 Service Unavailable: The CRM is down for maintenance"
    assert timeline_text(timeline("signup:ada@example.com", unwound_run()), PLAIN).splitlines() == [
        "signup:ada@example.com  onboard-user v1",
        "  1  create-user-in-db       ██                                   50 ms  succeeded",
        "  2  send-welcome-email       ███████                            175 ms  succeeded",
        "  3  update-crm-contact        ▒▒▒▒······▒▒▒▒··········▒▒▒▒      919 ms  failed at attempt 3",
        f"     attempt 1 at 66 ms      124 ms  failed  {busy}",
        f"     attempt 2 at 400 ms     120 ms  failed  {busy}",
        f"     attempt 3 at 860 ms     125 ms  failed  {busy}",
        f"  failing at 985 ms  action failed in step 3 (update-crm-contact): {busy}",
        "  1  undo create-user-in-db                                ██     60 ms  compensated",
        "  partially compensated after 1.05 s",
        "  remains  2 send-welcome-email (irreversible)",
    ]


def test_a_parent_shows_its_child_and_a_child_its_parent() -> None:
    """So that whoever looks at one finds the other; and by when a run is to have ended."""
    step = doing("1", "saga:child", 0.0).model_copy(update={"child": "top/1"})
    first, claim = started()
    parent = timeline_text(timeline("top", [first, claim, step, did("1", 1.0)]), PLAIN)
    assert "succeeded  run top/1" in parent
    first = first.model_copy(update={"parent": "top", "deadline": at(30)})
    child = timeline_text(timeline("top/1", [first, claim]), PLAIN)
    assert child.splitlines()[1:3] == ["  a step of run  top", "  to have ended by  2026-03-01 12:00:30 UTC"]
    assert run_json("top/1", [first, claim], with_events=False)["parent"] == "top"
    assert run_json("top", [*started(), step], with_events=False)["steps"][0]["child"] == "top/1"


def test_a_deadline_that_is_void_is_not_shown() -> None:
    """Past its point of no return a run may take as long as it likes."""
    first, claim = started()
    first = first.model_copy(update={"deadline": at(30)})
    committed = e.RunCommitted(occurred_at=at(1), step="1")
    assert "to have ended by" not in timeline_text(timeline("run", [first, claim, committed]), PLAIN)


def test_a_step_that_stayed_unknown_is_named_although_the_run_completed() -> None:
    """Its saga has swallowed it, and somebody may want to look."""
    unknown = e.ActionUnknown(occurred_at=at(1), step="1", attempt=1, why=e.UnknownWhy.TIMED_OUT, error=BUSY)
    completed = e.RunCompleted(occurred_at=at(2), output="null", unresolved=("1",))
    text = timeline_text(timeline("run", [*started(), doing("1", "mail", 0.0), unknown, completed]), PLAIN)
    assert "  unresolved at 2.00 s  step 1 (mail): nobody knows whether it was done" in text


def test_hostile_text_cannot_control_the_terminal() -> None:
    """In the run's id, the saga, the action and the error."""
    error = e.ErrorInfo(type=HOSTILE, message=HOSTILE)
    history = [*started(HOSTILE), doing("1", HOSTILE, 1), failed("1", 2, error=error)]
    text = timeline_text(timeline(HOSTILE, history), PLAIN)
    assert not {char for char in text if char != "\n" and (not char.isprintable() or "\u2028" <= char <= "\u2069")}
    assert len(text.splitlines()) == 4
    text.encode()


def test_a_run_without_length_is_shown() -> None:
    """All of its events have the same time."""
    assert "succeeded" in timeline_text(timeline("r", [*started(), doing("1", "a", 0), did("1", 0)]), PLAIN)


def test_colour_is_for_terminals_that_want_it() -> None:
    """NO_COLOR (no-color.org) and TERM=dumb are honoured, and a file gets none."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    cases: list[tuple[io.StringIO, dict[str, str]]] = [
        (Terminal(), {}),
        (Terminal(), {"NO_COLOR": "1"}),
        (Terminal(), {"NO_COLOR": ""}),
        (Terminal(), {"TERM": "dumb"}),
        (io.StringIO(), {}),
    ]
    assert [paint_for(stream, environ).enabled for stream, environ in cases] == [True, False, True, False, False]


def test_colour_changes_no_column() -> None:
    """The text between the colours is the text without them."""
    seen = timeline("r", unwound_run())
    text = timeline_text(seen, Paint(enabled=True))
    for code in ("0", "1", "2", "31", "32", "33", "36"):
        text = text.replace(f"\x1b[{code}m", "")
    assert text == timeline_text(seen, PLAIN)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain — ü 日本 😀", "plain — ü 日本 😀"),
        ("two\nlines\tand  more", "two lines and more"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("x" * 300, "x" * 199 + "…"),
        ("", ""),
    ],
)
def test_text_is_made_plain(text: str, shown: str) -> None:
    """One line, nothing invisible, cut."""
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [(0, "0 ms"), (0.0004, "0 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (119.99, "119.99 s"), (125, "2:05 min")],
)
def test_spans_are_readable(span: float, shown: str) -> None:
    """Whatever their size."""
    assert seconds(span) == shown
