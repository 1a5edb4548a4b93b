"""Where everything stands in the picture of a run: the pure arithmetic under `timeline_svg`.

Above the line the steps stand in the order in which they began; below it in the reverse, so that what was done last is
nearest to the line on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .timeline import Attempt, Pivot, Row, Timeline, began
from .timeline_waits import Wait

WIDTH = 960.0
LEFT, CHART, RIGHT, EDGE = 28.0, 252.0, 896.0, 910.0
TOP = 92.0
ROW, CAPTION, AXIS = 32.0, 15.0, 58.0
MAX_ROWS = 40
"""Of a run of more steps only the last ones are drawn: a picture of ten thousand rows shows nothing."""


@dataclass(frozen=True, slots=True)
class Band:
    """The place of a row: the middle of its bars; a caption, if any, stands under them."""

    row: Row
    middle: float
    caption: str


@dataclass(frozen=True, slots=True)
class WaitBand:
    """The place of a wait."""

    wait: Wait
    middle: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that is drawn, with its height in the picture.

    Attributes:
        above: what was done, and waited for.
        below: what was undone, mirrored; empty for a run that did not fail.
        line: the height of the time axis.
        foot: where the part with the notes begins.
        left_out: how many steps and waits are not drawn.
        begin: where the axis begins, in seconds since the run's start: where what is drawn begins.
    """

    timeline: Timeline
    above: tuple[Band | WaitBand, ...]
    below: tuple[Band, ...]
    line: float
    foot: float
    left_out: int
    begin: float = 0.0

    def x(self, at: float) -> float:
        """Where a moment stands, in seconds since the run's start; what is earlier than the axis, at its beginning."""
        span = self.timeline.took - self.begin or 1.0
        return CHART + max(0.0, at - self.begin) / span * (RIGHT - CHART - 14)

    @property
    def failing(self) -> float | None:
        """Where the run began to fail, in the picture; None if it never did."""
        return None if self.timeline.failing_at is None else self.x(self.timeline.failing_at)


def layout(timeline: Timeline) -> Layout:
    """Place the rows of `timeline`."""
    lines = [line for line in timeline.lines if not isinstance(line, Pivot)]
    shown = lines[-MAX_ROWS:]
    left_out = len(lines) - len(shown)
    top = TOP + (20 if left_out else 0)
    above: list[Band | WaitBand] = []
    for line in shown:
        band, top = (WaitBand(line, top + ROW / 2), top + ROW) if isinstance(line, Wait) else _band(line, top)
        above.append(band)
    axis = top + AXIS / 2
    below, foot = [], axis + AXIS / 2
    for row in reversed(shown if timeline.failing_at is not None else ()):
        if isinstance(row, Row):
            undone, foot = _band(row, foot, undone=True)
            below.append(undone)
    begin = began(shown[0]) if left_out else 0.0
    return Layout(timeline, tuple(above), tuple(below), axis, foot, left_out, begin)


def name_place(step: str) -> tuple[float, int]:
    """Return where the name in a row stands, behind its step's number, and how many letters find room there."""
    indent = LEFT + max(22.0, 7.4 * min(len(step), 9) + 10)
    return indent, int((CHART - indent - 6) / 7.3)


def _band(row: Row, top: float, *, undone: bool = False) -> tuple[Band, float]:
    """Return the place of a row that begins at this height, and where the next one begins."""
    caption = _trouble(row.undo if undone else row.attempts)
    return Band(row, top + ROW / 2, caption), top + ROW + (CAPTION if caption else 0)


def _trouble(attempts: Sequence[Attempt]) -> str:
    """Say in one line what went wrong in a row of attempts."""
    errors = [attempt.error for attempt in attempts if attempt.error]
    if not errors:
        return ""
    if len(set(errors)) == 1:
        return errors[0] if len(errors) == 1 else f"{len(errors)} times {errors[0]}"
    return f"{len(errors)} failures, the last: {errors[-1]}"
