"""The one door to wall time.

Everything that writes a time into an event or compares with one asks a `Clock`. Spans are measured, and waits are
made, by the event loop (`loop.time`, `asyncio.wait`), so a simulation turns time by giving both a loop and a clock of
its own. Nothing else in the tree may call `datetime.now` or `time.time`.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Implementations must never return a naive datetime."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        ...


class SystemClock:
    """The machine's own clock, but never the same time twice: two events of one process always differ in theirs."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime, later than the one before by a microsecond at least.

        A clock that is set back is followed, so that one odd reading does not stay for ever.
        """
        now = datetime.now(UTC)
        if now == self._latest:
            now += timedelta(microseconds=1)
        self._latest = now
        return now
