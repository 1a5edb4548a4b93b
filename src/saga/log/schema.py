"""Which version of the tables this code works with, and what has to be applied to get there.

A migration is a file, `sql/migrations/<database>_<version>.sql`, and once shipped it never changes: what has to become
different is a further one. `sql/<database>_schema.sql` is what they add up to, for people to read; a test compares.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import LiteralString, NamedTuple

from ...errors import SchemaMismatch
from .statements import statement

__all__ = ["Migration", "due", "migrations"]


class Migration(NamedTuple):
    """One step from a version of the tables to the next.

    Attributes:
        version: the version that it leads to; they count from 1.
        script: its SQL, several statements.
    """

    version: int
    script: LiteralString


def migrations(database: LiteralString) -> Sequence[Migration]:
    """Return all migrations for `postgres` or `sqlite`, in order."""
    names = sorted(path.name for path in files(__package__).joinpath("sql", "migrations").iterdir())
    count = sum(name.startswith(f"{database}_") and name.endswith(".sql") for name in names)
    return [Migration(n, statement(f"migrations/{database}_{n:03}")) for n in range(1, count + 1)]


def due(found: int, known: Sequence[Migration], *, asked: bool) -> Sequence[Migration]:
    """Return the migrations that are to be applied to tables of version `found`; 0 is an empty database.

    Args:
        found: the version of the tables.
        known: all migrations.
        asked: a person asked for it. Otherwise only an empty database is filled: changing tables that others work
            with at this moment is for a person to decide.

    Raises:
        SchemaMismatch: the tables are newer than this code, or older and nobody asked.
    """
    newest = known[-1].version
    if found > newest:
        raise SchemaMismatch(
            f"the tables are of version {found}, made by a newer amends than this one, which knows version {newest}; "
            "upgrade amends"
        )
    if 0 < found < newest and not asked:
        raise SchemaMismatch(
            f"the tables are of version {found} and this amends works with version {newest}; "
            "run: amends migrate --url ..."
        )
    return [migration for migration in known if migration.version > found]
