"""A run's timeline as plain text, drawn to scale, for a terminal or a log file."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from ..saga.events import RunStatus
from .paint import Paint
from .plain import plain, plain_middle, seconds
from .timeline import Attempt, End, Note, Pivot, Row, Timeline
from .timeline_waits import Wait, WaitEnd

_BAR_WIDTH = 32
_MARKS = {End.SUCCEEDED: "█", End.COMPENSATED: "█", End.FAILED: "▒", End.UNKNOWN: "░", End.RUNNING: "╌"}
_WAIT = "·"
_SIGNAL = "◆"
_LINE = "┃"
_PIVOT = "point of no return"


def timeline_text(timeline: Timeline, paint: Paint) -> str:
    """Return the timeline as lines of text, each ended; nothing in it can control a terminal."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(timeline, paint))


def _lines(timeline: Timeline, paint: Paint) -> Iterator[str]:
    yield f"{paint.bold(plain(timeline.run_id))}  {plain(timeline.saga)} v{timeline.version}"
    if timeline.parent is not None:
        yield f"  {paint.dim('a step of run')}  {plain(timeline.parent)}"
    if timeline.deadline is not None and not timeline.pivots:
        yield f"  {paint.dim('to have ended by')}  {timeline.deadline:%Y-%m-%d %H:%M:%S} UTC"
    table = _Table(timeline, paint)
    for line in timeline.lines:
        match line:
            case Row():
                yield from table.lines(line, line.attempts)
            case Wait():
                yield table.wait(line)
            case Pivot():
                yield table.pivot(line)
    for note in timeline.notes:
        show = _shown(paint, note)
        yield f"  {show(f'{note.word} at {seconds(note.at)}')}  {plain(note.text)}"
    undone = sorted((row for row in timeline.rows if row.undo), key=lambda row: row.undo[0].start)
    for row in undone:
        yield from table.lines(row, row.undo, prefix="undo ")
    yield f"  {_ended(timeline, paint)}"
    for remaining in timeline.remaining:
        why = remaining.why.replace("_", " ")
        yield f"  {paint.odd('remains')}  {remaining.step} {plain(remaining.action)} ({why})"


def _shown(paint: Paint, note: Note) -> Callable[[str], str]:
    if note.kind in {"failing", "parked"}:
        return paint.bad
    return paint.dim if note.kind == "goes on" else paint.odd


def _ended(timeline: Timeline, paint: Paint) -> str:
    show = paint.of_status(timeline.status)
    waits = [wait for wait in timeline.waits if wait.end is WaitEnd.WAITING]
    if timeline.status is RunStatus.RUNNING and timeline.started_at is not None and waits:
        since = f"{timeline.started_at + timedelta(seconds=waits[0].start):%Y-%m-%d %H:%M:%S} UTC"
        return f"{show(timeline.status)}: {plain(waits[0].label)} since {since}"
    return f"{show(timeline.status.replace('_', ' '))} after {seconds(timeline.took)}"


class _Table:
    """Columns as wide as the run needs: step, action, bar, time, outcome."""

    def __init__(self, timeline: Timeline, paint: Paint) -> None:
        self._paint = paint
        self._scale = timeline.took or 1.0
        self._step = max((len(line.step) for line in timeline.lines), default=1)
        names = [len(plain(row.action)) + (5 if row.undo else 0) for row in timeline.rows]
        names += [len(plain(wait.label)) for wait in timeline.waits]
        names += [len(_PIVOT) for _ in timeline.pivots]
        self._action = min(max(names, default=1), 40)

    def lines(self, row: Row, attempts: tuple[Attempt, ...], prefix: str = "") -> Iterator[str]:
        name = plain_middle(prefix + row.action, self._action).ljust(self._action)
        last = attempts[-1]
        count = f" at attempt {last.number}" if last.number > 1 else ""
        outcome = self._outcome(last, f"{last.end}{count}")
        took = seconds(last.stop - attempts[0].start).rjust(8)
        child = f"  {self._paint.dim('run')} {plain(row.child)}" if row.child is not None else ""
        yield f"  {row.step.ljust(self._step)}  {name}  {self._bar(attempts)}  {took}  {outcome}{child}"
        if len(attempts) > 1 or last.error:
            for attempt in attempts:
                yield self._attempt(attempt)

    def wait(self, wait: Wait) -> str:
        name = plain(wait.label, self._action).ljust(self._action)
        cells = [" "] * _BAR_WIDTH
        first, last = self._cell(wait.start), self._cell(wait.stop)
        cells[first : last + 1] = [_WAIT] * (last + 1 - first)
        shown = plain(wait.outcome)
        if wait.end is WaitEnd.SIGNALLED:
            cells[last], shown = self._paint.good(_SIGNAL), self._paint.good(shown)
        elif wait.end is not WaitEnd.TAKEN and not (wait.end is WaitEnd.TIMED_OUT and wait.is_sleep):
            shown = self._paint.odd(shown)
        return f"  {wait.step.ljust(self._step)}  {name}  {''.join(cells)}  {seconds(wait.took).rjust(8)}  {shown}"

    def pivot(self, pivot: Pivot) -> str:
        cells = [" "] * _BAR_WIDTH
        cells[self._cell(pivot.at)] = self._paint.odd(_LINE)
        name = _PIVOT.ljust(self._action)
        return f"  {pivot.step.ljust(self._step)}  {name}  {''.join(cells)}  {'':8}  at {seconds(pivot.at)}"

    def _attempt(self, attempt: Attempt) -> str:
        when = f"at {seconds(attempt.start)}".ljust(12)
        indent = " " * (self._step + 4)
        said = f"  {plain(attempt.error, 110)}" if attempt.error else ""
        end = self._outcome(attempt, str(attempt.end))
        return f"{indent}{self._paint.dim(f'attempt {attempt.number} {when}')} {seconds(attempt.took):>7}  {end}{said}"

    def _outcome(self, attempt: Attempt, text: str) -> str:
        paint = self._paint
        shows = {End.SUCCEEDED: paint.good, End.COMPENSATED: paint.undone, End.FAILED: paint.bad}
        return shows.get(attempt.end, paint.odd)(text)

    def _bar(self, attempts: tuple[Attempt, ...]) -> str:
        cells = [" "] * _BAR_WIDTH
        first, last = self._cell(attempts[0].start), self._cell(attempts[-1].stop)
        cells[first : last + 1] = [_WAIT] * (last + 1 - first)
        for attempt in attempts:
            for cell in range(self._cell(attempt.start), self._cell(attempt.stop) + 1):
                cells[cell] = self._outcome(attempt, _MARKS[attempt.end])
        return "".join(cells)

    def _cell(self, at: float) -> int:
        return min(int(at / self._scale * _BAR_WIDTH), _BAR_WIDTH - 1)
