"""Values as JSON for machines: the fields by their names, times in ISO 8601."""

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def by_name(value: "DataclassInstance", **instead: Any) -> dict[str, Any]:
    """Return the fields of a value.

    Args:
        value: of a dataclass.
        instead: what is shown in the place of fields, or beside them.
    """
    shown = {field.name: getattr(value, field.name) for field in fields(value)} | instead
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in shown.items()}
