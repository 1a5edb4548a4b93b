"""What a projection is: a name, a version, its tables, and a pure function from an event to changes of rows.

The function sees one event at a time and nothing else: no database, no clock, no earlier event. What it returns are
values, so the same event gives the same changes whether it is followed, rebuilt or tested. Where an answer needs more
than one event, the changes of several meet in one row, under its key.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ..errors import DefinitionError
from ..saga.events import Event

__all__ = ["Cell", "Delete", "Key", "Projection", "RecordedEvent", "Table", "Upsert", "checked"]

Cell = str | int | float | bool | datetime | bytes | None
"""What a column can hold. Times are aware; in SQLite they are stored as text, in UTC."""

Key = tuple[Cell, ...]
"""The values of a table's key columns, in the order of `Table.key`; none of them is None."""

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,47}")
"""What may be a name here: it becomes an identifier of the database, with a generation behind it."""


class RecordedEvent(NamedTuple):
    """An event and its place.

    Attributes:
        position: in the log; rises, may have gaps, never changes.
        run_id: the run.
        version: the event's number in its run, from 1.
        event: what happened.
    """

    position: int
    run_id: str
    version: int
    event: Event


class Upsert(NamedTuple):
    """Make a row, or change these columns of it.

    Attributes:
        table: its table.
        key: which row.
        values: by column. Columns that are not named stay as they are, or get their default in a new row.
    """

    table: str
    key: Key
    values: Mapping[str, Cell]


class Delete(NamedTuple):
    """Remove a row, if there is one.

    Attributes:
        table: its table.
        key: which row.
    """

    table: str
    key: Key


@dataclass(frozen=True)
class Table:
    """A table of a projection.

    Attributes:
        name: also its name in the database: at most 48 small letters, digits and `_`, a letter first.
        key: the columns of its primary key, in order.
        firsts: columns that keep the first value that is not None.
        sums: columns to which values are added.
    """

    name: str
    key: tuple[str, ...]
    firsts: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()


class Projection(ABC):
    """A read model that is made of the log alone, and can be thrown away.

    Attributes:
        name: what it is called in commands, and under which its position is kept; formed as a table's name.
        version: raise it whenever `sql` or `changes` changes: tables of another version are not written to.
        tables: what it fills.
        sql: what creates the tables and their indices, one text for all databases, or one each for `"sqlite"` and
            `"postgresql"`. Names of tables and indices stand in braces: `CREATE TABLE {signups} (...)`. Columns beside
            the key may be NULL or have a default, because a row is made of whatever event comes first.
    """

    name: str
    version: int = 1
    tables: tuple[Table, ...]
    sql: str | Mapping[str, str]

    @abstractmethod
    def changes(self, recorded: RecordedEvent) -> Iterable[Upsert | Delete]:
        """Return what an event changes, in order. Pure: nothing but its argument counts.

        An event for which it raises is quarantined, and the others go on.
        """


def checked(projection: Projection) -> Projection:
    """Return `projection` if it is put together as it must be.

    Raises:
        DefinitionError: it is not; the message says what it lacks.
    """
    kind = type(projection).__name__
    given: dict[str, Any] = {name: getattr(projection, name, None) for name in ("name", "version", "tables", "sql")}
    if not isinstance(given["name"], str) or not NAME_PATTERN.fullmatch(given["name"]):
        raise DefinitionError(f"projection {kind}: its name is at most 48 small letters, digits and _, a letter first")
    if type(given["version"]) is not int or given["version"] < 1:
        raise DefinitionError(f"projection {given['name']}: its version is a whole number from 1")
    if not isinstance(given["sql"], str | Mapping):
        raise DefinitionError(f"projection {given['name']}: sql is a text, or a mapping of databases to texts")
    tables = given["tables"]
    if not isinstance(tables, tuple) or not tables or not all(isinstance(table, Table) for table in tables):
        raise DefinitionError(f"projection {given['name']}: tables is a tuple of at least one Table")
    for table in tables:
        _check_table(given["name"], table)
    if len({table.name for table in tables}) < len(tables):
        raise DefinitionError(f"projection {given['name']}: two of its tables have one name")
    return projection


def _check_table(projection: str, table: Table) -> None:
    columns = (*table.key, *table.firsts, *table.sums)
    if not all(NAME_PATTERN.fullmatch(name) for name in (table.name, *columns)):
        raise DefinitionError(f"projection {projection}: table {table.name!r}: names are small letters, digits and _")
    if not table.key or len(set(columns)) < len(columns):
        raise DefinitionError(f"projection {projection}: table {table.name!r}: has no key, or names a column twice")
