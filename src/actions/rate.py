"""How many attempts of an action may begin in a span of time, and how many may be under way at once: values."""

from dataclasses import dataclass

from ..errors import DefinitionError

__all__ = ["MAX_CONCURRENCY", "Rate", "checked_concurrency", "checked_rate"]

MAX_CONCURRENCY = 1_000_000
MAX_COUNT = 1_000_000
MIN_PER_SECONDS = 0.1
MAX_PER_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` attempts begin in any `per_seconds`, wherever that span is laid.

    Args:
        count: from 1 to 1,000,000.
        per_seconds: from 0.1 s to a day.

    Raises:
        DefinitionError: one of them is out of its bounds.
    """

    count: int
    per_seconds: float

    def __post_init__(self) -> None:
        if not _is_count(self.count, MAX_COUNT):
            raise DefinitionError(f"Rate: count={self.count!r}; use a whole number from 1 to {MAX_COUNT:,}")
        is_number = isinstance(self.per_seconds, int | float) and not isinstance(self.per_seconds, bool)
        if not (is_number and MIN_PER_SECONDS <= self.per_seconds <= MAX_PER_SECONDS):
            raise DefinitionError(
                f"Rate: per_seconds={self.per_seconds!r}; use {MIN_PER_SECONDS} to {MAX_PER_SECONDS:,.0f} seconds"
            )


def checked_concurrency(name: str, count: object) -> int | None:
    """Return how many attempts of an action may be under way at once; None where there is no bound.

    Raises:
        DefinitionError: it is no such number.
    """
    if count is None or (isinstance(count, int) and _is_count(count, MAX_CONCURRENCY)):
        return count
    raise DefinitionError(
        f"action {name}: concurrency={count!r}; use a whole number from 1 to {MAX_CONCURRENCY:,}, or None for no limit"
    )


def checked_rate(name: str, rate: object) -> Rate | None:
    """Return at what rate attempts of an action may begin; None where there is no bound.

    Raises:
        DefinitionError: it is no `Rate`.
    """
    if rate is None or isinstance(rate, Rate):
        return rate
    raise DefinitionError(f"action {name}: rate={rate!r}; use Rate(100, per_seconds=60), or None for no limit")


def _is_count(count: object, most: int) -> bool:
    return isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= most
