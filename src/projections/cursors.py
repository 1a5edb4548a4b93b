"""How long a page may be, and where it ends: an opaque text that the caller hands back for the next one.

It names the last row by its place in the order, not by its number, so rows that come in meanwhile move nothing.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

from ..errors import InvalidValue

__all__ = ["checked_limit", "checked_position", "decode", "encode"]

MAX_LIMIT = 1_000

MAX_POSITION = 2**63 - 1
"""The largest number that the databases can hold."""


def encode(at: datetime | None, position: int) -> str:
    """Return a cursor behind the row of this time and position."""
    return urlsafe_b64encode(json.dumps([at and at.isoformat(), position]).encode()).decode().rstrip("=")


def decode(cursor: str, *, has_time: bool) -> tuple[datetime | None, int]:
    """Return the time and the position of the row that a cursor is behind.

    Args:
        cursor: as a page has given it.
        has_time: whether the rows are in the order of a time: a cursor of other rows is none of these.

    Raises:
        InvalidValue: it is no cursor of such rows.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, position = json.loads(urlsafe_b64decode(padded.encode("ascii")))
        if (at is not None) is not has_time:
            raise ValueError("it is of rows in another order")
        return (None if at is None else _time(at)), checked_position(position)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidValue("cursor", "is none that a page has given; begin again without one") from error


def _time(at: str) -> datetime:
    """Return a time as it was encoded; whoever made it up may have forgotten the zone, or left the calendar."""
    time = datetime.fromisoformat(at)
    if time.tzinfo is None:
        raise ValueError("a time has a zone")
    return time.astimezone(UTC)


def checked_limit(limit: int) -> int:
    """Return how many rows a page may have at most.

    Raises:
        InvalidValue: so many it may not.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise InvalidValue("limit", f"is {limit!r}; use a whole number from 1 to {MAX_LIMIT:,}")
    return limit


def checked_position(position: int) -> int:
    """Return a position that somebody has given.

    Raises:
        InvalidValue: no log can have it.
    """
    if type(position) is not int or not 0 <= position <= MAX_POSITION:
        raise InvalidValue("position", f"is {position!r}; use a whole number from 0 to {MAX_POSITION:,}")
    return position
