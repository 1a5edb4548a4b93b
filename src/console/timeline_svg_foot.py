"""What stands under the picture of a run, in words: what happened to it, and what remains."""

from collections.abc import Iterator, Sequence

from ..saga.events import RunStatus
from .plain import seconds
from .svg import Picture
from .timeline import Note, Timeline
from .timeline_layout import CHART, LEFT

__all__ = ["Line", "draw_foot", "foot_lines"]

NOTES_SHOWN = 6
_REASONS = {"failing", "undone", "parked"}

Line = tuple[str, str, str]
"""Heading, text and colour."""


def foot_lines(timeline: Timeline) -> list[Line]:
    """Return the lines: of many notes the last ones, and always the first that says why the run is undone or stuck."""
    lines = list(_noted([note for note in timeline.notes if note.kind != "goes on"]))
    lines += [
        ("What remains", f"step {left.step}  {left.action}  ({left.why.replace('_', ' ')})", "odd")
        for left in timeline.remaining
    ]
    if timeline.status is RunStatus.COMPENSATED:
        lines.append(("What remains", "nothing: every step that had an effect is undone", "undone"))
    return lines


def _noted(notes: Sequence[Note]) -> Iterator[Line]:
    if len(notes) <= NOTES_SHOWN + 1:
        yield from map(_line, notes)
        return
    last = range(len(notes) - NOTES_SHOWN + 1, len(notes))
    first = next((number for number, note in enumerate(notes) if note.kind in _REASONS and number not in last), None)
    if first is not None:
        yield _line(notes[first])
    left_out = len(notes) - len(last) - (first is not None)
    yield "", f"{left_out:,} {'others are' if first is not None else 'earlier ones are'} not shown here", "soft"
    yield from (_line(notes[number]) for number in last)


def _line(note: Note) -> Line:
    return f"{note.word.capitalize()} at {seconds(note.at)}", note.text, _colour(note.kind)


def _colour(kind: str) -> str:
    return "bad" if kind in {"failing", "parked"} else "odd" if kind in {"undone", "abandoned"} else "soft"


def draw_foot(picture: Picture, y: float, lines: Sequence[Line]) -> None:
    """Write the lines, the first of them at a height."""
    for heading, text, colour in lines:
        style = f"{colour} bold" if heading == "What remains" else "ink" if heading else "soft"
        picture.text(LEFT, y, heading, f"{colour} bold", limit=28)
        picture.text(CHART, y, text, style, limit=102)
        y += 21
