"""One run as a picture, drawn to scale: what was done above the line, and mirrored below it, what was undone.

The mirror is the engine's promise made visible: the step that began last is nearest to the line on both sides and is
undone first. A bar is an attempt, a dotted line a wait, a thin line an effect that stands; what still stands at the
end runs out of the chart to the right.
"""

from collections.abc import Sequence
from enum import Enum, auto
from itertools import pairwise
from typing import NamedTuple

from .paint import STATUS_COLOURS
from .plain import plain, plain_middle, seconds
from .svg import Anchor, Picture
from .timeline import Attempt, End, Row, Timeline
from .timeline_axis import ticks
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
    name_place,
)
from .timeline_svg_foot import draw_foot, foot_lines
from .timeline_svg_waits import draw_marks, draw_wait

_BAR = 18.0
_MIN_BAR = 3.0
_NEAR = 60.0
"""So near to the left edge the red line is the edge of all captions."""
_COLOURS = {
    End.SUCCEEDED: "good",
    End.COMPENSATED: "undone",
    End.FAILED: "bad",
    End.UNKNOWN: "odd",
    End.RUNNING: "soft",
}


class Over(Enum):
    """What a text is written over."""

    CARD = auto()
    BAR = auto()
    GAP = auto()
    """The dots between two attempts."""


class Beside(NamedTuple):
    """Where a text stands."""

    x: float
    anchor: Anchor
    over: Over = Over.CARD


class Span(NamedTuple):
    """From where to where something is drawn."""

    start: float
    end: float

    def width(self) -> float:
        """How wide it is."""
        return self.end - self.start


def timeline_svg(timeline: Timeline, *, inline: bool = False) -> str:
    """Return the run as an SVG document, or as one that stands in a page with the style of `svg.stylesheet()`."""
    plan = layout(timeline)
    foot = foot_lines(timeline)
    height = plan.foot + 24 + 21 * len(foot)
    picture = Picture(f"Run {timeline.run_id}", _description(timeline), WIDTH, height, inline=inline)
    picture.box(0.5, 0.5, WIDTH - 1, height - 1, "card", edge="edge", round_=10)
    _head(picture, timeline)
    _axis(picture, plan)
    _failing(picture, plan)
    for above in plan.above:
        if isinstance(above, WaitBand):
            draw_wait(picture, plan, above)
        else:
            _done(picture, plan, above)
    for below in plan.below:
        _undone(picture, plan, below)
    draw_marks(picture, plan)
    draw_foot(picture, plan.foot + 24, foot)
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
    failing = plan.failing
    if failing is not None:
        picture.box(failing, TOP - 8, RIGHT + 26 - failing, end - TOP + 8, "veil", round_=4)
    for tick in ticks(plan.timeline.took, plan.begin):
        x = plan.x(tick.at)
        picture.line(x, TOP - 8, x, end, "grid")
        if failing is None or abs(x - failing) > 30:
            picture.text(x, plan.line + 16, tick.label, "soft small", anchor="middle")
        elif tick.at == 0:  # It stands before the cross.
            picture.text(min(x, failing) - 10, plan.line + 16, tick.label, "soft small", anchor="end")
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
    row, failing = band.row, plan.failing or CHART
    stands = not row.undo and (row.standing is not None or _stands(row))
    _label(picture, band, "ink" if row.undo or stands else "soft")
    bars: list[Span] = []
    if row.undo:
        bars = _attempts(picture, plan, band, row.undo)
        text, style = _said_of_undo(row), f"{_COLOURS[row.undo[-1].end]} bold"
    elif stands:
        picture.box(failing, band.middle - _BAR / 2, EDGE - failing, _BAR, "hatch", edge="odd")
        why = (row.standing or "irreversible").replace("_", " ")
        text, style, bars = f"{why}: this stands", "odd bold", [Span(failing, EDGE)]
    else:
        text, style = _nothing_undone(row), "soft"
    place = _beside(failing, bars, text)
    if place.over is Over.BAR and stands:
        place = Beside(failing + 20, "start")
        picture.box(failing + 14, band.middle - _BAR / 2 + 1, 7.4 * len(text) + 6, _BAR - 2, "card")
    elif place.over is Over.BAR:
        style = "inbar bold"
    picture.text(
        place.x, band.middle + 4, text, f"{style} halo" if place.over is Over.GAP else style, anchor=place.anchor
    )


def _stands(row: Row) -> bool:
    return row.irreversible and row.attempts[-1].end in (End.SUCCEEDED, End.UNKNOWN)


def _beside(left: float, bars: Sequence[Span], text: str) -> Beside:
    """Find room for a text: before `left`, after the last bar, in a bar that is wide enough, or else between two."""
    width = 7.4 * len(text)
    right = bars[-1].end if bars else left
    if left - 10 - width > CHART:
        return Beside(left - 10, "end")
    if right + 10 + width < EDGE:
        return Beside(right + 10, "start")
    widest = max(bars, key=Span.width)
    if widest.width() >= width + 20:
        return Beside(widest.end - 10, "end", Over.BAR)
    gaps = [Span(before.end, after.start) for before, after in pairwise(bars)]
    gap = max(gaps, key=Span.width, default=Span(left, bars[0].start))
    middle = (gap.start + gap.end) / 2
    return Beside(min(max(middle, CHART + width / 2), EDGE - width / 2), "middle", Over.GAP)


def _said_of_undo(row: Row) -> str:
    last = row.undo[-1]
    if last.end is End.COMPENSATED:
        return f"undone in {seconds(last.stop - row.undo[0].start)}"
    return "waived" if row.waived else f"undo {last.end}"


def _nothing_undone(row: Row) -> str:
    return "failed: nothing to undo" if row.attempts[-1].end is End.FAILED else "not undone"


def _label(picture: Picture, band: Band, colour: str) -> None:
    picture.text(LEFT, band.middle + 4, band.row.step, "soft mono", limit=9)
    indent, limit = name_place(band.row.step)
    picture.text(indent, band.middle + 4, plain_middle(band.row.action, limit), f"{colour} mono", limit=limit)


def _attempts(picture: Picture, plan: Layout, band: Band, attempts: tuple[Attempt, ...]) -> list[Span]:
    """Draw them, and return where their bars are."""
    for before, after in pairwise(attempts):
        picture.line(plan.x(before.stop), band.middle, plan.x(after.start), band.middle, "soft", width=1.5, dash="1 4")
    bars: list[Span] = []
    for attempt in attempts:
        x, colour, number = plan.x(attempt.start), _COLOURS[attempt.end], str(attempt.number)
        bars.append(Span(x, x + max(_MIN_BAR, plan.x(attempt.stop) - x)))
        width = bars[-1].width()
        picture.box(x, band.middle - _BAR / 2, width, _BAR, colour)
        if width >= 7 + 7 * len(number) and len(attempts) > 1:
            picture.text(x + width / 2, band.middle + 4, number, "inbar small bold", anchor="middle")
    if band.caption:
        _caption(picture, plan, bars[0].start, band)
    return bars


def _caption(picture: Picture, plan: Layout, x: float, band: Band) -> None:
    """Write a row's caption from `x` on, or further left or right where it would not fit, or cross the red line."""
    failing = plan.failing
    left = CHART if failing is None or failing - CHART > _NEAR else failing + 8
    text = plain(band.caption, int((EDGE - left) / 6.4))
    width = 6.4 * len(text)
    x, style = max(left, min(x, EDGE - width)), "bad small"
    if failing is not None and x - 8 < failing < x + width:
        if failing + 8 + width <= EDGE:
            x = failing + 8
        elif failing - 8 - width >= CHART:
            x = failing - 8 - width
        else:
            style = "bad small halo"
    picture.text(x, band.middle + ROW / 2 + CAPTION - 7, text, style)


def _failing(picture: Picture, plan: Layout) -> None:
    x, y = plan.failing, plan.line
    if x is None:
        return
    picture.line(x, TOP - 8, x, plan.foot - 4, "bad", width=1.5, dash="4 4")
    picture.path(_ring(x, y, 7), "bad", filled=True)
    picture.path(f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6", "inbar", width=1.75)
    text = "from here: undo, last step first"
    place = _beside(x - 4, [Span(x, x + 4)], text)
    picture.text(place.x, y - AXIS / 4 + 6, text, "bad bold", anchor=place.anchor)


def _ring(x: float, y: float, radius: float = 4) -> str:
    half = f"a{radius} {radius} 0 1 1"
    return f"M{x - radius:.1f} {y:.1f}{half} {2 * radius} 0{half} {-2 * radius} 0z"
