"""Attempts that ended alike, told once: forty times the same error is one line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ...timeline import Attempt, End

__all__ = ["Fold", "folded"]


@dataclass(frozen=True, slots=True)
class Fold:
    """Attempts one after the other that ended in the same way.

    Attributes:
        number: of the first.
        count: how many.
        end: how each of them ended.
        error: what each of them raised, `""` if nothing.
        shortest: how long the shortest took, in seconds.
        longest: and the longest.
    """

    number: int
    count: int
    end: End
    error: str
    shortest: float
    longest: float


def folded(attempts: Sequence[Attempt]) -> list[Fold]:
    """Return all attempts, with those in one line that cannot be told apart but for their times."""
    groups = (list(alike) for _, alike in groupby(attempts, key=lambda attempt: (attempt.end, attempt.error)))
    return [_fold(group) for group in groups]


def _fold(alike: Sequence[Attempt]) -> Fold:
    spans = [attempt.took for attempt in alike]
    first = alike[0]
    return Fold(first.number, len(alike), first.end, first.error, min(spans), max(spans))
