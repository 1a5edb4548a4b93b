"""Where a page ends, as an opaque text that the caller hands back for the next one.

It names the last row by its place in the order, not by its number, so rows that come in meanwhile move nothing.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

from ..errors import InvalidValue

__all__ = ["decode", "encode"]


def encode(at: datetime | None, position: int) -> str:
    """Return a cursor behind the row of this time and position."""
    return urlsafe_b64encode(json.dumps([at and at.isoformat(), position]).encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime | None, int]:
    """Return the time and the position of the row that a cursor is behind.

    Raises:
        InvalidValue: it is no cursor.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, position = json.loads(urlsafe_b64decode(padded.encode("ascii")))
        return (None if at is None else datetime.fromisoformat(at)), _whole(position)
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidValue("cursor", "is none that a page has given; begin again without one") from error


def _whole(position: object) -> int:
    if type(position) is not int:
        raise TypeError("a position is a whole number")
    return position
