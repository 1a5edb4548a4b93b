"""The one door to wall time.

Everything that writes a time into an event or compares with one asks a `Clock`. Spans are measured, and waits are
made, by the event loop (`loop.time`, `asyncio.wait`), so a simulation turns time by giving both a loop and a clock of
its own. Nothing else in the tree may call `datetime.now` or `time.time`.
"""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Implementations must never return a naive datetime."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        return datetime.now(UTC)
