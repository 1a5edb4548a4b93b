"""Values as they are stored, and back: lists and mappings as JSON, times as aware UTC."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["as_json", "as_time", "named"]


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def as_json(value: object) -> str:
    """Return what is stored of a list or a mapping."""
    return _ENCODER.encode(value)


def as_time(value: datetime | str) -> datetime:
    """Return a time as the databases give it: SQLite gives a text, PostgreSQL its session's time zone."""
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


def named(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Return a row by its columns; `deadline`, and what ends with `_at`, are times."""
    return {
        name: as_time(value) if value is not None and (name.endswith("_at") or name == "deadline") else value
        for name, value in zip(columns, row, strict=True)
    }
