"""Times as people give them on the command line."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from ..clock import SystemClock

SPAN = re.compile(r"(\d{1,6})\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the time that an argument names: so long ago (`30m`, `2h`, `7d`), or a date, or a time in ISO 8601.

    Without a time zone it is UTC, as everything that is shown.

    >>> moment("2h", datetime(2026, 1, 1, 12, tzinfo=UTC)).isoformat()
    '2026-01-01T10:00:00+00:00'
    >>> moment("2026-01-01").isoformat()
    '2026-01-01T00:00:00+00:00'

    Raises:
        ArgumentTypeError: it is nothing of that kind.
    """
    span = SPAN.fullmatch(text.strip())
    try:
        if span is not None:
            return (now or SystemClock().now()) - timedelta(**{_UNITS[span[2]]: int(span[1])})
        found = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; use 30m, 2h, 7d, or 2026-11-23T08:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
