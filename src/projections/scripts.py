"""A projection's own SQL, with the names of one copy of its tables in the place of the braces.

The live copy of a table has the table's plain name, so that people and other programs can read it. A copy that is being
built, or is about to be dropped, has its generation behind the name. Indices always have.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import DefinitionError
from .projection import NAME_PATTERN, Projection

__all__ = ["Name", "copy_name", "script"]

_BRACES = re.compile(r"\{([^{}\s]*)\}")


class Name(NamedTuple):
    """An identifier in a script: it is quoted by whoever runs the script, as the database wants it."""

    text: str


def copy_name(name: str, generation: int) -> str:
    """Return the name of an index, or of a table that is not live."""
    return f"{name}__{generation}"


def script(projection: Projection, database: str, generation: int, *, live: bool) -> Sequence[str | Name]:
    """Return what creates one copy of a projection's tables, as texts and names in turns.

    Raises:
        DefinitionError: there is no SQL for the database, or a name in braces cannot be one.
    """
    text = projection.sql.get(database) if isinstance(projection.sql, Mapping) else projection.sql
    if not text:
        raise DefinitionError(f"projection {projection.name}: has no sql for {database!r}")
    tables = {table.name for table in projection.tables}
    parts: list[str | Name] = []
    for number, part in enumerate(_BRACES.split(text)):
        if number % 2 == 0:
            parts.append(part)
        elif not NAME_PATTERN.fullmatch(part):
            raise DefinitionError(f"projection {projection.name}: {{{part}}} in its sql cannot be a name")
        else:
            parts.append(Name(part if live and part in tables else copy_name(part, generation)))
    missing = tables - set(_BRACES.findall(text))
    if missing:
        raise DefinitionError(f"projection {projection.name}: its sql has no {{{min(missing)}}}")
    return parts
