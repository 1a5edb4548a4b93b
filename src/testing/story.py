"""Tells a simulation as a story: what happened, line by line, with the faults where they struck."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..saga.codec import EventCodec
from ..saga.events import Event
from .checker import Violation, place_of
from .journal import Appended, Booted, Entered, Journal, Said, Spoke
from .phrases import Phrases, said

if TYPE_CHECKING:
    from .simulation import Simulation

__all__ = ["lines_of", "told"]

LONGEST_PERIOD = 4
FOLDED_FROM = 4

_NUMBERS = re.compile(r"[0-9]+|, attempt [0-9]+|\s+")
_codec = EventCodec()


def told(simulation: "Simulation") -> str:
    """Return the story of a simulation, and how to bring it about again."""
    here = "" if simulation.here else ", here=False"
    lines = [f"{simulation.scenario.saga.name} under {simulation.plan}:"]
    lines += lines_of(simulation.events, simulation.journal, simulation.violations)
    lines += [f"  again:  simulate(scenario, {simulation.plan}{here})"]
    return "\n".join(lines)


def lines_of(events: Sequence[Event], journal: Journal, violations: Sequence[Violation]) -> Iterator[str]:
    """Yield what happened to one run, line by line, and what was wrong."""
    broken: dict[int, list[str]] = {}
    for violation in violations:
        place = place_of(violation, events)
        if place is not None:
            broken.setdefault(place, []).append(violation.invariant)
    yield from _folded(list(_lines(events, journal, broken)))
    yield from (f"  broken: {violation}" for violation in violations)


def _lines(events: Sequence[Event], journal: Journal, broken: Mapping[int, Sequence[str]]) -> Iterator[str]:
    """Tell each event once, with the append that wrote it."""
    phrases = Phrases(events)
    next_place = 0
    for happening in journal.happenings:
        match happening:
            case Booted(seconds, worker, again):
                yield _line(seconds, worker, "the process goes on" if again else "a process begins")
            case Said(seconds, worker, text):
                yield _line(seconds, worker, text)
            case Entered(seconds, worker, kind, action, step, fault=fault):
                if fault is not None:
                    yield _fault(seconds, worker, phrases.struck_entry(fault, kind, action, step))
            case Spoke(seconds, worker, fault=spoken):
                yield _fault(seconds, worker, said(spoken))
            case Appended(seconds, worker, number, version, records, fault):
                end = version + len(records) if number in journal.written else next_place
                for place in range(max(next_place, version), min(end, len(events))):
                    marks = "".join(f"   <- breaks {name}" for name in broken.get(place, ()))
                    yield _line(seconds, worker, phrases.event(events[place])) + marks
                next_place = max(next_place, end)
                if fault is not None:
                    batch = [_codec.decode(record) for record in records]
                    yield _fault(seconds, worker, phrases.struck_append(fault, batch))


def _folded(lines: list[str]) -> Iterator[str]:
    """Tell once what happens over and over: the attempts of a step that fails every time."""
    place = 0
    while place < len(lines):
        for period in range(1, LONGEST_PERIOD + 1):
            count = _repeats(lines, place, period)
            if count >= FOLDED_FROM:
                last = place + period * (count - 1)
                yield from lines[place : place + period]
                yield f"{'':27}... and {count - 2} times more the same, until"
                yield from lines[last : last + period]
                place = last + period
                break
        else:
            yield lines[place]
            place += 1


def _repeats(lines: Sequence[str], place: int, period: int) -> int:
    """Return how many times the lines from here on are the same, but for their numbers."""
    block = [_NUMBERS.sub("", line) for line in lines[place : place + period]]
    count = 1
    while [_NUMBERS.sub("", line) for line in lines[place + period * count :][:period]] == block:
        count += 1
    return count


def _line(seconds: float, worker: str, text: str) -> str:
    return f"  {seconds:9.3f} s  {worker:9}   {text}"


def _fault(seconds: float, worker: str, text: str) -> str:
    return f"  {seconds:9.3f} s  {worker:9} ✗ {text}"
