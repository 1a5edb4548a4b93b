"""Makes the tables in an SQLite file what this code knows, or says why it will not."""

import sqlite3
from collections.abc import Sequence

from ...errors import SchemaMismatch
from .schema import due, migrations
from .sqlite_connection import single_statements, transaction
from .statements import statement

__all__ = ["migrate"]

_COLUMNS = [("originator_id", "TEXT"), ("originator_version", "INTEGER"), ("topic", "TEXT"), ("state", "BLOB")]


def migrate(connection: sqlite3.Connection, *, asked: bool) -> Sequence[int]:
    """Apply what is missing, in one transaction, and return the versions that were applied; see `schema.due`.

    It looks before it locks, so a file that is as it must be can be opened beside a long write.

    Raises:
        SchemaMismatch: the tables are of another shape, or of a version that this code does not work with.
    """
    if not due(_version(connection), migrations("sqlite"), asked=asked):
        return []
    with transaction(connection):
        missing = due(_version(connection), migrations("sqlite"), asked=asked)
        for migration in missing:
            for single in single_statements(migration.script):
                connection.execute(single)
    return [migration.version for migration in missing]


def _version(connection: sqlite3.Connection) -> int:
    columns = connection.execute(statement("sqlite_columns")).fetchall()
    if columns:
        _check(connection, columns)
    (has_version,) = connection.execute(statement("sqlite_schema_table")).fetchone()
    if not has_version:
        return 0
    (version,) = connection.execute(statement("sqlite_schema_version")).fetchone()
    return int(version)


def _check(connection: sqlite3.Connection, columns: Sequence[tuple[str, str]]) -> None:
    if columns != _COLUMNS:
        raise SchemaMismatch(
            "the file has a table stored_events of another shape, made by another program; "
            "give amends a file of its own"
        )
    connection.execute(statement("sqlite_check_rowid"))
