"""Names the part of a value that JSON cannot hold, or would bring back changed.

Only called when a value was already found wanting, so it may be slow; it never raises and never recurses without end.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

Finding = tuple[str, str]
"""Where (a dotted path) and what is wrong there."""

_MAX_DEPTH = 200
"""Deeper nesting is refused: pydantic's JSON parser stops at about this depth."""


def first_unstorable(path: str, value: object, depth: int = 0) -> Finding | None:
    """Find the first part of a value that JSON cannot hold."""
    if depth > _MAX_DEPTH:
        return f"{path[:60]}...", f"is nested more than {_MAX_DEPTH} levels deep"
    match value:
        case float() if not math.isfinite(value):
            return path, f"is {value}, which JSON cannot hold; use None or a string"
        case str() if has_lone_surrogate(value):
            return path, "holds a lone surrogate, which UTF-8 cannot hold; decode the text properly"
        case bytes() | bytearray() if not _is_utf8(value):
            return path, "holds bytes that are not UTF-8; encode them, in base64 say"
        case Mapping():
            keys = _first((f"{path}.{key!r}", key) for key in value)
            return keys or _search(((f"{path}.{key}", item) for key, item in value.items()), depth)
        case list() | tuple() | set() | frozenset():
            return _search(((f"{path}.{index}", item) for index, item in enumerate(value)), depth)
    if hasattr(value, "__dict__"):
        return _search(((f"{path}.{key}", item) for key, item in vars(value).items()), depth)
    return None


def first_difference(path: str, before: object, after: object) -> Finding | None:
    """Find the first part of a value that came back changed; both are plain Python dumps."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, item in before.items():
            if key not in after:
                return path, f"has the key {key!r}, which comes back as a string; use string keys"
            if found := first_difference(f"{path}.{key}", item, after[key]):
                return found
    elif isinstance(before, list | tuple) and type(before) is type(after) and len(before) == len(after):
        for index, (item, other) in enumerate(zip(before, after, strict=True)):
            if found := first_difference(f"{path}.{index}", item, other):
                return found
    elif before != after:
        kinds = f"{type(before).__name__} would come back as {type(after).__name__}"
        return path, f"{kinds}; declare a type that pydantic can restore"
    return None


def _search(parts: Iterable[tuple[str, Any]], depth: int) -> Finding | None:
    return next((found for path, item in parts if (found := first_unstorable(path, item, depth + 1))), None)


def _first(keys: Iterable[tuple[str, Any]]) -> Finding | None:
    return next((found for path, key in keys if isinstance(key, str) and (found := first_unstorable(path, key))), None)


def has_lone_surrogate(text: str) -> bool:
    """Return whether the text holds what UTF-8 cannot, so that it cannot be stored."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def _is_utf8(value: bytes | bytearray) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
