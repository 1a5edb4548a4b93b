"""Where the marks of a scale of seconds stand, and what is written at them: round, in one unit, no two alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, log10

__all__ = ["Tick", "ticks"]

_MOST = 8
"""Into how many parts a scale is divided at most: so many labels find room beside each other."""

_LONG_SECONDS = 10.0
"""From here on a moment is told in seconds even where the scale shows a few milliseconds of it."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit of time, from which span on it is used, and its round steps; decimal ones where there are none."""

    name: str
    seconds: float
    from_seconds: float
    steps: tuple[float, ...] = ()


_MILLISECONDS = _Unit("ms", 0.001, 0.0)
_SECONDS = _Unit("s", 1.0, 0.9995)
_UNITS = (
    _Unit("d", 86_400.0, 172_800.0),
    _Unit("h", 3_600.0, 7_200.0, (0.5, 1, 2, 3, 6)),
    _Unit("min", 60.0, 120.0, (0.5, 1, 2, 5, 10, 15)),
    _SECONDS,
    _MILLISECONDS,
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark: when, in seconds since the run's start, and its label."""

    at: float
    label: str


def ticks(end: float, begin: float = 0.0) -> list[Tick]:
    """Return round moments from `begin` to `end`, in seconds, that divide the time between into eight parts at most.

    >>> [tick.label for tick in ticks(0.0013)]
    ['0', '0.2 ms', '0.4 ms', '0.6 ms', '0.8 ms', '1.0 ms', '1.2 ms']
    """
    span = end - begin
    if span <= 0:
        return [Tick(begin, "0")] if begin == 0 else []
    unit = next(unit for unit in _UNITS if span >= unit.from_seconds)
    if unit is _MILLISECONDS and end >= _LONG_SECONDS:
        unit = _SECONDS
    step = next(step for step in _steps(unit, span) if span / (step * unit.seconds) <= _MOST)
    digits = max(0, -floor(log10(step) + 1e-9))
    width = step * unit.seconds
    numbers = range(ceil(begin / width - 1e-9), floor(end / width + 1e-9) + 1)
    return [Tick(number * width, f"{number * step:,.{digits}f} {unit.name}" if number else "0") for number in numbers]


def _steps(unit: _Unit, span: float) -> Iterator[float]:
    """Return the round steps of a unit, ascending; those that are far too fine are left out."""
    yield from unit.steps
    if not unit.steps:
        for power in count(floor(log10(span / unit.seconds)) - 1):
            yield from (part * 10.0**power for part in (1, 2, 5))
