"""Tells a simulation as a story: what happened, line by line, with the faults where they struck."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..saga.codec import EventCodec
from ..saga.events import Event
from .checker import Violation, place_of
from .journal import Appended, Booted, Cancelled, Entered, Journal, Said
from .phrases import Phrases
from .plan import Plan

if TYPE_CHECKING:
    from .scenario import Scenario

__all__ = ["lines_of", "told"]

_codec = EventCodec()


def told(
    scenario: "Scenario", plan: Plan, events: Sequence[Event], journal: Journal, violations: Sequence[Violation]
) -> str:
    """Return the story of a simulation, and how to bring it about again."""
    lines = [f"{scenario.saga.name} under {plan}:"]
    lines += lines_of(events, journal, violations)
    lines += [f"  again:  simulate(scenario, {plan})"]
    return "\n".join(lines)


def lines_of(events: Sequence[Event], journal: Journal, violations: Sequence[Violation]) -> Iterator[str]:
    """Yield what happened to one run, line by line, and what was wrong."""
    broken: dict[int, list[str]] = {}
    for violation in violations:
        place = place_of(violation, events)
        if place is not None:
            broken.setdefault(place, []).append(violation.invariant)
    yield from _lines(events, journal, broken)
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
            case Cancelled(seconds, worker, _):
                yield _fault(seconds, worker, "somebody cancels the run")
            case Appended(seconds, worker, number, version, records, fault):
                end = version + len(records) if number in journal.written else next_place
                for place in range(max(next_place, version), min(end, len(events))):
                    marks = "".join(f"   <- breaks {name}" for name in broken.get(place, ()))
                    yield _line(seconds, worker, phrases.event(events[place])) + marks
                next_place = max(next_place, end)
                if fault is not None:
                    batch = [_codec.decode(record) for record in records]
                    yield _fault(seconds, worker, phrases.struck_append(fault, batch))


def _line(seconds: float, worker: str, text: str) -> str:
    return f"  {seconds:9.3f} s  {worker:9}   {text}"


def _fault(seconds: float, worker: str, text: str) -> str:
    return f"  {seconds:9.3f} s  {worker:9} ✗ {text}"
