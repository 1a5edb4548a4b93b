"""Waits, signals, the point of no return and the deadline, in the picture of a run."""

from datetime import timedelta

from .plain import plain, plain_middle
from .svg import Anchor, Picture
from .timeline_layout import CHART, EDGE, LEFT, RIGHT, TOP, Layout, WaitBand, name_place
from .timeline_waits import WaitEnd

_SMALL = 6.4
"""How wide a small letter is, about."""


def draw_wait(picture: Picture, plan: Layout, band: WaitBand) -> None:
    """Draw a wait as dots from its beginning to its end, with how it ended beside it."""
    wait, y = band.wait, band.middle
    picture.text(LEFT, y + 4, wait.step, "soft mono", limit=9)
    indent, limit = name_place(wait.step)
    picture.text(indent, y + 4, plain_middle(wait.label, limit), "soft mono", limit=limit)
    start, stop = plan.x(wait.start), plan.x(wait.stop)
    picture.line(start, y, max(stop, start + 2), y, "soft", width=2, dash="1 4")
    told = wait.end is WaitEnd.SIGNALLED
    if told:
        _diamond(picture, stop, y)
    text = plain(wait.outcome, 60)
    beside = stop + 12
    anchor: Anchor = "start"
    if beside + _SMALL * len(text) > EDGE:
        beside, anchor = max(stop - 12, CHART + _SMALL * len(text)), "end"
    over = y if anchor == "start" else y - 9  # Not on its own dots.
    is_odd = wait.end in (WaitEnd.WAITING, WaitEnd.LEFT) or (wait.end is WaitEnd.TIMED_OUT and not wait.is_sleep)
    colour = "good" if told else "odd" if is_odd else "soft"
    picture.text(beside, over + 4, text, f"{colour} small halo", anchor=anchor)


def draw_marks(picture: Picture, plan: Layout) -> None:
    """Draw what concerns the whole run at a moment: signals on the axis, pivots and the deadline as lines."""
    timeline = plan.timeline
    for note in timeline.notes:
        if note.kind == "signal" and note.at >= plan.begin:
            _diamond(picture, plan.x(note.at), plan.line)
    for pivot in timeline.pivots:
        if pivot.at >= plan.begin:
            _upright(picture, plan, pivot.at, "point of no return", "ink")
    if timeline.deadline is not None and timeline.started_at is not None:
        at = (timeline.deadline - timeline.started_at) / timedelta(seconds=1)
        if plan.begin <= at <= timeline.took:
            _upright(picture, plan, at, "deadline", "odd")


def _upright(picture: Picture, plan: Layout, at: float, text: str, colour: str) -> None:
    x = plan.x(at)
    picture.line(x, TOP - 8, x, plan.line, colour, width=2)
    anchor: Anchor = "middle"
    if x - _SMALL * len(text) / 2 < CHART or x + _SMALL * len(text) / 2 > RIGHT:
        anchor = "start" if x < (CHART + RIGHT) / 2 else "end"
    picture.text(x, TOP - 12, text, f"{colour} small bold", anchor=anchor)


def _diamond(picture: Picture, x: float, y: float) -> None:
    picture.path(f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z", "good", filled=True)
