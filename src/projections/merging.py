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
        change_count: how many changes were merged.
    """

    def __init__(self, projection: Projection) -> None:
        self.tables = {table.name: table for table in projection.tables}
        self.rows: dict[str, dict[Key, dict[str, Cell]]] = {name: {} for name in self.tables}
        self.deleted: dict[str, set[Key]] = {name: set() for name in self.tables}
        self.change_count = 0

    def add(self, changes: Iterable[Upsert | Delete]) -> None:
        """Merge the changes of one event: all of them, or none.

        Raises:
            DefinitionError: one of them is of no table or key of the projection.
        """
        changes = list(changes)
        for change in changes:
            self._check(change)
        for change in changes:
            rows, key = self.rows[change.table], change.key
            if isinstance(change, Delete):
                rows.pop(key, None)
                self.deleted[change.table].add(key)
                continue
            row = rows.get(key)
            if row is None:
                rows[key] = dict(change.values)
            else:
                _set(row, change.values, self.tables[change.table])
        self.change_count += len(changes)

    def _check(self, change: Upsert | Delete) -> None:
        table = self.tables.get(change.table)
        if table is None:
            raise DefinitionError(f"a change is of the table {change.table!r}, which the projection does not have")
        if len(change.key) != len(table.key) or None in change.key:
            raise DefinitionError(f"a key of the table {change.table!r} has the columns {', '.join(table.key)}")
        hash(change.key)


def _set(row: dict[str, Cell], values: Mapping[str, Cell], table: Table) -> None:
    """Set columns of a row that is not written yet."""
    kept = {name: row[name] for name in table.firsts if row.get(name) is not None}
    for name in table.sums:
        if name in values:
            kept[name] = (row.get(name) or 0) + (values[name] or 0)  # type: ignore[operator]
    row.update(values)
    row.update(kept)
