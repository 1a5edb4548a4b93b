"""The changes of many events, merged row by row in memory, so that each row is written once.

Merging and then writing must leave what writing one change after the other would have left; a property test holds it.
"""

from collections.abc import Iterable, Mapping

from ..errors import DefinitionError
from .projection import Cell, Delete, Key, Projection, Table, Upsert

__all__ = ["Merged"]


class Merged:
    """What is to be done to each row.

    Args:
        projection: whose changes they are.

    Attributes:
        rows: for each table, by key: the columns to set; for those in `Table.firsts` and `Table.sums` what they mean
            there.
        deleted: for each table: the keys that are deleted before anything is set.
    """

    def __init__(self, projection: Projection) -> None:
        self.tables = {table.name: table for table in projection.tables}
        self.rows: dict[str, dict[Key, dict[str, Cell]]] = {name: {} for name in self.tables}
        self.deleted: dict[str, set[Key]] = {name: set() for name in self.tables}

    def add(self, changes: Iterable[Upsert | Delete]) -> None:
        """Merge the changes of one event: all of them, or none.

        Raises:
            DefinitionError: one of them is of no table or key of the projection.
        """
        changes = tuple(changes)
        for change in changes:
            table = self.tables.get(change.table)
            if table is None or len(change.key) != len(table.key) or None in change.key:
                raise _unfit(change, table)
            hash(change.key)
        for change in changes:
            name, key = change.table, change.key
            rows = self.rows[name]
            if isinstance(change, Delete):
                rows.pop(key, None)
                self.deleted[name].add(key)
            elif key in rows:
                _set(rows[key], change.values, self.tables[name])
            else:
                rows[key] = dict(change.values)


def _unfit(change: Upsert | Delete, table: Table | None) -> DefinitionError:
    if table is None:
        return DefinitionError(f"a change is of the table {change.table!r}, which the projection does not have")
    return DefinitionError(f"a key of the table {change.table!r} has the columns {', '.join(table.key)}")


def _set(row: dict[str, Cell], values: Mapping[str, Cell], table: Table) -> None:
    """Set columns of a row that is not written yet."""
    kept: dict[str, Cell] = {}
    for name in table.firsts:
        if name in values and row.get(name) is not None:
            kept[name] = row[name]
    for name in table.sums:
        if name in values:
            kept[name] = (row.get(name) or 0) + (values[name] or 0)  # type: ignore[operator]
    row.update(values)
    if kept:
        row.update(kept)
