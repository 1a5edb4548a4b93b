"""The copies of a projection's tables, where each has got to, and how an event is applied to one exactly once.

The position of a copy is moved in the transaction that writes the rows, from the one that the writer started from:
whoever finds another one there applies nothing. So two followers, a follower that was stopped for an hour, or a reply
that was lost, never apply an event twice.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ..clock import Clock
from ..errors import ProjectionAhead, ProjectionOutdated
from ..saga.log.pages import Row
from .database import Database, Transaction
from .digest import Digest, Failure
from .merging import Merged
from .projection import Cell, Projection, Table
from .rows import as_time
from .scripts import copy_name, script

__all__ = [
    "Copy",
    "MovedError",
    "State",
    "add",
    "apply",
    "apply_within",
    "copies",
    "create",
    "head",
    "live_copy",
    "move",
    "place",
    "set_aside",
    "verify",
]


class State(StrEnum):
    """What a copy is for."""

    LIVE = "live"
    BUILDING = "building"
    DROPPED = "dropped"


class Copy(NamedTuple):
    """One copy of a projection's tables.

    Attributes:
        name: the projection's.
        generation: rises with each copy.
        version: of the projection that made it.
        state: what it is for.
        tables: the names of its tables, without a generation.
        position: all events up to this one are applied.
        last_run_id: the run of the last event that was applied.
        last_version: and its number there.
        moved_at: when the position last moved.
    """

    name: str
    generation: int
    version: int
    state: State
    tables: tuple[str, ...]
    position: int
    last_run_id: str | None
    last_version: int | None
    moved_at: datetime

    @property
    def key(self) -> dict[str, Cell]:
        """What identifies the copy in our own tables."""
        return {"name": self.name, "generation": self.generation}

    @property
    def is_of_hooks(self) -> bool:
        """Whether it is no projection's, but says how far hooks are: then it has no tables."""
        return not self.tables

    @property
    def tracked(self) -> str:
        """The name under which the position is tracked."""
        return self.name if self.state is State.LIVE else f"{self.name}@{self.generation}"

    def table(self, name: str) -> str:
        """Return the present name of a table."""
        return name if self.state is State.LIVE else copy_name(name, self.generation)


def head(transaction: Transaction) -> int:
    """Return the position of the last event in the log, 0 for an empty one."""
    ((position,),) = transaction.fetch("head")
    return int(position)


def exists(transaction: Transaction) -> bool:
    """Tell whether anything was ever projected here."""
    ((count,),) = transaction.fetch("exists")
    return bool(count)


def copies(transaction: Transaction, name: str) -> list[Copy]:
    """Return all copies of a projection, oldest first."""
    if not exists(transaction):
        return []
    return [
        Copy(name, generation, version, State(state), tuple(tables.split()), position, run_id, run_version, as_time(at))
        for generation, version, state, tables, position, run_id, run_version, at in transaction.fetch(
            "copies", {"name": name}
        )
    ]


def live_copy(transaction: Transaction, name: str) -> Copy | None:
    """Return the copy that is read."""
    return next((copy for copy in copies(transaction, name) if copy.state is State.LIVE), None)


def create(transaction: Transaction, projection: Projection, state: State, now: datetime) -> Copy:
    """Make a new, empty copy."""
    generation = 1 + max((copy.generation for copy in copies(transaction, projection.name)), default=0)
    tables = tuple(table.name for table in projection.tables)
    copy = Copy(projection.name, generation, projection.version, state, tables, 0, None, None, now)
    transaction.run(script(projection, transaction.kind, generation, live=state is State.LIVE))
    add(transaction, copy)
    return copy


def add(transaction: Transaction, copy: Copy) -> None:
    """Write down a new copy, and where it has got to."""
    about: dict[str, Cell] = {
        "version": copy.version,
        "state": copy.state,
        "tables": " ".join(copy.tables),
        "run_id": copy.last_run_id,
        "run_version": copy.last_version,
        "moved_at": copy.moved_at,
    }
    transaction.execute("add_copy", copy.key | about)
    transaction.execute("track", {"tracked": copy.tracked, "position": copy.position})


def place(database: Database, projection: Projection, clock: Clock) -> Copy:
    """Return the live copy, which is made if there is none.

    Raises:
        ProjectionOutdated: its tables were made by another version of the projection.
        ProjectionAhead: its position is ahead of the log.
        SchemaMismatch: one of its tables is there already.
    """

    def look(transaction: Transaction) -> Copy | None:
        found = live_copy(transaction, projection.name)
        if found is not None:
            verify(transaction, found, projection)
        return found

    def make(transaction: Transaction) -> Copy:
        transaction.prepare()
        found = live_copy(transaction, projection.name)  # another process may have been faster
        return found or create(transaction, projection, State.LIVE, clock.now())

    return database.read(look) or database.write(make)


def verify(transaction: Transaction, copy: Copy, projection: Projection | None = None) -> None:
    """Hold a copy to the log that it was made of, and to the projection's version.

    Raises:
        ProjectionOutdated: its tables were made by another version of the projection.
        ProjectionAhead: the log does not have the event at its position: it was restored to an earlier state.
    """
    if projection is not None and copy.version != projection.version:
        raise ProjectionOutdated(
            copy.name, f"its tables were made by version {copy.version} of it, and this code has {projection.version}"
        )
    if copy.position == 0:
        return
    if transaction.fetch("event_at", {"position": copy.position}) != [(copy.last_run_id, copy.last_version)]:
        raise ProjectionAhead(copy.name, copy.position, head(transaction), is_hook=copy.is_of_hooks)


def apply(database: Database, copy: Copy, digest: Digest, now: datetime) -> Copy | None:
    """Write what a digest changes, and the new position, in one transaction; return the copy after it.

    Returns None, and writes nothing, if the copy is not at that position any more, or was swapped.

    Raises:
        LogUnavailable: no answer; whether it was written is not known.
        LogError: the database refused a change; nothing was written.
        DefinitionError: a change names a column that is not there, or holds what a column cannot.
    """
    try:
        return database.write(lambda transaction: apply_within(transaction, copy, digest, now))
    except MovedError:
        return None


def apply_within(transaction: Transaction, copy: Copy, digest: Digest, now: datetime) -> Copy:
    """Do the same in a transaction that is under way.

    Raises:
        MovedError: the copy is not at that position any more, or was swapped; the transaction must not be committed.
    """
    moved = move(transaction, copy, digest.last, now)
    write_rows(transaction, copy, digest.merged)
    for failure in digest.failures:
        set_aside(transaction, copy, failure, now)
    return moved


def move(transaction: Transaction, copy: Copy, last: Row, now: datetime) -> Copy:
    """Move the position of a copy to a row of the log, and return the copy after it.

    Raises:
        MovedError: the copy is not at that position any more, or was swapped; the transaction must not be committed.
    """
    run_id, version, _, _, position = last
    step: dict[str, Cell] = {"tracked": copy.tracked, "from_position": copy.position, "position": position}
    touch: dict[str, Cell] = {"state": copy.state, "run_id": run_id, "version": version, "now": now}
    if not transaction.execute("move", step) or not transaction.execute("touch", copy.key | touch):
        raise MovedError
    return copy._replace(position=position, last_run_id=run_id, last_version=version, moved_at=now)


def set_aside(transaction: Transaction, copy: Copy, failure: Failure, now: datetime) -> None:
    """Put an event into quarantine."""
    transaction.execute("quarantine", failure._asdict() | copy.key | {"now": now})


class MovedError(Exception):
    """Somebody else has moved the position; rolls the transaction back."""


def write_rows(transaction: Transaction, copy: Copy, merged: Merged) -> None:
    """Write the merged changes, a few statements for each table: one for each set of columns."""
    for name, table in merged.tables.items():
        if merged.deleted[name]:
            transaction.delete(table, copy.table(name), list(merged.deleted[name]))
        for columns, rows in shapes(table, merged).items():
            transaction.upsert(table, copy.table(name), columns, rows)


def shapes(table: Table, merged: Merged) -> dict[tuple[str, ...], list[Sequence[Cell]]]:
    """Return the rows of a table by the columns that they set, the key's first."""
    by_columns: dict[tuple[str, ...], list[Sequence[Cell]]] = {}
    for key, row in merged.rows[table.name].items():
        by_columns.setdefault(tuple(row), []).append((*key, *row.values()))
    return {(*table.key, *columns): rows for columns, rows in by_columns.items()}
