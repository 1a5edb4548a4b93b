"""One run as a picture, drawn to scale: what was done above the line, and mirrored below it, what was undone.

The mirror is the engine's promise made visible: the step that began last is nearest to the line on both sides and is
undone first. A bar is an attempt, a dotted line a wait, a thin line an effect that stands; what still stands at the
end runs out of the chart to the right.
"""

from itertools import pairwise
from typing import NamedTuple

from ..saga.events import RunStatus
from .paint import STATUS_COLOURS
from .plain import plain, seconds
from .svg import Anchor, Picture
from .timeline import Attempt, End, Row, Timeline
from .timeline_layout import (
    AXIS,
    CAPTION,
    CHART,
    EDGE,
    LEFT,
    RIGHT,
    ROW,
    TOP,
    WIDTH,
    Band,
    Layout,
    WaitBand,
    layout,
    ticks,
)
from .timeline_svg_waits import draw_marks, draw_wait

_BAR = 18.0
_MIN_BAR = 3.0
_NOTES_SHOWN = 6
_COLOURS = {
    End.SUCCEEDED: "good",
    End.COMPENSATED: "undone",
    End.FAILED: "bad",
    End.UNKNOWN: "odd",
    End.RUNNING: "soft",
}


class Beside(NamedTuple):
    """Where a text stands, where it ends to the right, and whether it is over a bar."""

    x: float
    anchor: Anchor
    end: float
    over: bool = False


def timeline_svg(timeline: Timeline, *, inline: bool = False) -> str:
    """Return the run as an SVG document, or as one that stands in a page with the style of `svg.stylesheet()`."""
    plan = layout(timeline)
    foot = _foot_lines(timeline)
    height = plan.foot + 24 + 21 * len(foot)
    picture = Picture(f"Run {timeline.run_id}", _description(timeline), WIDTH, height, inline=inline)
    picture.box(0.5, 0.5, WIDTH - 1, height - 1, "card", edge="edge", round_=10)
    _head(picture, timeline)
    _axis(picture, plan)
    for above in plan.above:
        if isinstance(above, WaitBand):
            draw_wait(picture, plan, above)
        else:
            _done(picture, plan, above)
    for below in plan.below:
        _undone(picture, plan, below)
    draw_marks(picture, plan)
    _failing(picture, plan)
    _foot(picture, plan, foot)
    return picture.svg()


def _description(timeline: Timeline) -> str:
    remains = "; ".join(f"{left.action} remains ({left.why})" for left in timeline.remaining) or "nothing remains"
    steps = f"{len(timeline.rows)} steps"
    return f"{timeline.saga}: {steps}, {timeline.status.replace('_', ' ')} after {seconds(timeline.took)}; {remains}"


def _head(picture: Picture, timeline: Timeline) -> None:
    picture.text(LEFT, 38, timeline.run_id, "ink bold big", limit=64)
    steps = f"{len(timeline.rows)} step{'s' if len(timeline.rows) != 1 else ''}"
    picture.text(
        LEFT, 60, f"{plain(timeline.saga, 80)} v{timeline.version}  ·  {steps}  ·  {seconds(timeline.took)}", "soft"
    )
    _legend(picture)
    status = timeline.status.replace("_", " ")
    width = 7.2 * len(status) + 26
    picture.box(WIDTH - LEFT - width, 22, width, 26, STATUS_COLOURS.get(timeline.status, "soft"), round_=13)
    picture.text(WIDTH - LEFT - width / 2, 39.5, status, "inbar bold", anchor="middle")


def _legend(picture: Picture) -> None:
    """Say what the lines mean; the bars explain themselves."""
    y = 66.0
    for right, width, text in ((WIDTH - LEFT, 82, "effect stands"), (WIDTH - LEFT - 130, 26, "wait")):
        picture.text(right, y + 4, text, "soft small", anchor="end")
        dash = "1 4" if text == "wait" else ""
        picture.line(right - width - 28, y, right - width - 4, y, "soft", width=2, dash=dash)


def _axis(picture: Picture, plan: Layout) -> None:
    if plan.left_out:
        picture.text(LEFT, TOP + 8, f"{plan.left_out:,} earlier steps are not drawn", "soft small")
    end = plan.foot - 4
    if plan.timeline.failing_at is not None:
        failing = plan.x(plan.timeline.failing_at)
        picture.box(failing, TOP - 8, RIGHT + 26 - failing, end - TOP + 8, "veil", round_=4)
    for at in ticks(plan.timeline.took):
        picture.line(plan.x(at), TOP - 8, plan.x(at), end, "grid")
        if plan.timeline.failing_at is None or abs(plan.x(at) - plan.x(plan.timeline.failing_at)) > 30:
            picture.text(plan.x(at), plan.line + 16, "0" if at == 0 else seconds(at), "soft small", anchor="middle")
    picture.line(LEFT, plan.line, RIGHT + 26, plan.line, "soft", width=1.25)
    picture.text(LEFT, plan.line - 8, "done", "soft small bold")
    if plan.below:
        picture.text(LEFT, plan.line + 16, "undone", "soft small bold")


def _done(picture: Picture, plan: Layout, band: Band) -> None:
    row = band.row
    _label(picture, band, "ink")
    last = row.attempts[-1]
    if last.end is End.SUCCEEDED:
        _effect(picture, plan, band, last.stop)
    _attempts(picture, plan, band, row.attempts)


def _effect(picture: Picture, plan: Layout, band: Band, since: float) -> None:
    """Draw the line of an effect that stands, until it is undone or for good."""
    gone = next((attempt.stop for attempt in band.row.undo if attempt.end is End.COMPENSATED), None)
    y = band.middle
    if gone is not None:
        picture.line(plan.x(since), y, plan.x(gone) - 4, y, "good", width=2)
        picture.path(_ring(plan.x(gone), y), "undone", width=2)
        return
    colour = "odd" if plan.timeline.failing_at is not None else "good"
    picture.line(plan.x(since), y, EDGE, y, colour, width=2)
    picture.path(f"M{RIGHT + 12:.1f} {y - 5:.1f}l9 5l-9 5z", colour, filled=True)


def _undone(picture: Picture, plan: Layout, band: Band) -> None:
    row, failing = band.row, plan.x(plan.timeline.failing_at or 0.0)
    stands = not row.undo and (row.standing is not None or _stands(row))
    _label(picture, band, "ink" if row.undo or stands else "soft")
    if row.undo:
        _attempts(picture, plan, band, row.undo)
        text, style, right = _said_of_undo(row), f"{_COLOURS[row.undo[-1].end]} bold", plan.x(row.undo[-1].stop)
    elif stands:
        why = (row.standing or "irreversible").replace("_", " ")
        text, style, right = f"{why}: this stands", "odd bold", failing
    else:
        text, style, right = _nothing_undone(row), "soft", failing
    beside = _beside(failing, right, text)
    picture.text(beside.x, band.middle + 4, text, "inbar bold" if beside.over else style, anchor=beside.anchor)
    if stands:
        left = max(failing, beside.end + 10)
        picture.box(left, band.middle - _BAR / 2, max(_MIN_BAR, EDGE - left), _BAR, "hatch", edge="odd")


def _stands(row: Row) -> bool:
    return row.irreversible and row.attempts[-1].end in (End.SUCCEEDED, End.UNKNOWN)


def _beside(left: float, right: float, text: str) -> Beside:
    """Find room for a text: before `left`, or after `right`, or else between them, on the bar."""
    width = 7.4 * len(text)
    if left - 10 - width > CHART:
        return Beside(left - 10, "end", left - 10)
    if right + 10 + width < EDGE:
        return Beside(right + 10, "start", right + 10 + width)
    return Beside(right - 10, "end", right - 10, over=True)


def _said_of_undo(row: Row) -> str:
    last = row.undo[-1]
    if last.end is End.COMPENSATED:
        return f"undone in {seconds(last.stop - row.undo[0].start)}"
    return "waived" if row.waived else f"undo {last.end}"


def _nothing_undone(row: Row) -> str:
    return "failed: nothing to undo" if row.attempts[-1].end is End.FAILED else "not undone"


def _label(picture: Picture, band: Band, colour: str) -> None:
    picture.text(LEFT, band.middle + 4, band.row.step, "soft mono", limit=9)
    indent = LEFT + max(22.0, 7.4 * min(len(band.row.step), 9) + 10)
    picture.text(indent, band.middle + 4, band.row.action, f"{colour} mono", limit=int((CHART - indent - 6) / 7.3))


def _attempts(picture: Picture, plan: Layout, band: Band, attempts: tuple[Attempt, ...]) -> None:
    for before, after in pairwise(attempts):
        picture.line(plan.x(before.stop), band.middle, plan.x(after.start), band.middle, "soft", width=1.5, dash="1 4")
    for attempt in attempts:
        x, colour = plan.x(attempt.start), _COLOURS[attempt.end]
        width = max(_MIN_BAR, plan.x(attempt.stop) - x)
        picture.box(x, band.middle - _BAR / 2, width, _BAR, colour)
        if width >= 14 and len(attempts) > 1:
            picture.text(x + width / 2, band.middle + 4, str(attempt.number), "inbar small bold", anchor="middle")
    if band.caption:
        _caption(picture, plan.x(attempts[0].start), band)


def _caption(picture: Picture, x: float, band: Band) -> None:
    """Write a row's caption from `x` on, or from further left where it would not fit."""
    text = plain(band.caption, int((EDGE - CHART) / 6.4))
    x = max(CHART, min(x, EDGE - 6.4 * len(text)))
    picture.text(x, band.middle + ROW / 2 + CAPTION - 7, text, "bad small")


def _failing(picture: Picture, plan: Layout) -> None:
    at = plan.timeline.failing_at
    if at is None:
        return
    x, y = plan.x(at), plan.line
    picture.line(x, TOP - 8, x, plan.foot - 4, "bad", width=1.5, dash="4 4")
    picture.path(_ring(x, y, 7), "bad", filled=True)
    picture.path(f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6", "inbar", width=1.75)
    text = "from here: undo, last step first"
    beside = _beside(x - 4, x + 4, text)
    picture.text(beside.x, y - AXIS / 4 + 6, text, "bad bold", anchor=beside.anchor)


def _ring(x: float, y: float, radius: float = 4) -> str:
    half = f"a{radius} {radius} 0 1 1"
    return f"M{x - radius:.1f} {y:.1f}{half} {2 * radius} 0{half} {-2 * radius} 0z"


def _foot_lines(timeline: Timeline) -> list[tuple[str, str, str]]:
    """Return what stands under the chart: heading, text and colour of each line."""
    told = [note for note in timeline.notes if note.kind != "goes on"]
    notes = [(f"{note.kind.capitalize()} at {seconds(note.at)}", note.text, note.kind) for note in told]
    lines = [(heading, text, _note_colour(kind)) for heading, text, kind in notes[-_NOTES_SHOWN:]]
    lines += [
        ("What remains", f"step {left.step}  {left.action}  ({left.why.replace('_', ' ')})", "odd")
        for left in timeline.remaining
    ]
    if timeline.status is RunStatus.COMPENSATED:
        lines.append(("What remains", "nothing: every step that had an effect is undone", "undone"))
    return lines


def _note_colour(kind: str) -> str:
    return "bad" if kind in {"failing", "parked"} else "odd" if kind in {"undone", "abandoned"} else "soft"


def _foot(picture: Picture, plan: Layout, lines: list[tuple[str, str, str]]) -> None:
    y = plan.foot + 24
    for heading, text, colour in lines:
        picture.text(LEFT, y, heading, f"{colour} bold", limit=28)
        picture.text(CHART, y, text, f"{colour} bold" if heading == "What remains" else "ink", limit=102)
        y += 21
