"""JSON in and out: what comes in is read within bounds, and what goes out is ASCII, whatever stands in it."""

import json
import math
from typing import Any

from pydantic_core import from_json, to_jsonable_python

__all__ = ["json_bytes", "parsed", "stored_value"]


def parsed(body: bytes) -> Any:
    """Return what a JSON document says.

    Raises:
        ValueError: it is none; or it is nested more than 200 levels deep, or holds NaN or a lone surrogate.
    """
    return from_json(body, allow_inf_nan=False)


def json_bytes(value: object) -> bytes:
    """Return a value as JSON. Everything that is not ASCII is escaped, so that a lone surrogate is no fault of ours."""
    plain = to_jsonable_python(value, serialize_unknown=True) if not isinstance(value, dict) else value
    return json.dumps(plain, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def stored_value(text: str | None) -> Any:
    """Return the value that a JSON text from the log holds. A number that is too large for a float stays a text."""
    return None if text is None else json.loads(text, parse_float=_float)


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text
