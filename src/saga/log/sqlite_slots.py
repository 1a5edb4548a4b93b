"""Which run has which slot, and who waits for one, in an SQLite file; all under the file's write lock."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from .port import Slot, Standing
from .slots import fitting
from .statements import statement

__all__ = ["note_slots", "waits"]


def note_slots(connection: sqlite3.Connection, standings: Mapping[str, Standing]) -> Sequence[str]:
    """Take what runs have of slots and wait for from here on; return the other runs that have got one by that."""
    touched: dict[str, None] = {}
    noted = [run_id for run_id, standing in standings.items() if standing.slots is not None]
    for run_id in noted:
        touched.update(dict.fromkeys(_note(connection, run_id, standings[run_id].slots or ())))
    return [run_id for name in touched for run_id in _grant(connection, name) if run_id not in noted]


def waits(connection: sqlite3.Connection, run_id: str) -> bool:
    """Tell whether a run waits for a slot."""
    return connection.execute(statement("sqlite_slot_awaited"), {"run_id": run_id}).fetchone() is not None


def _note(connection: sqlite3.Connection, run_id: str, slots: Sequence[Slot]) -> Iterable[str]:
    """Make a run's slots these and no others; return the names of those that it was without, or is from here on."""
    wanted = {slot.name: slot.size for slot in slots}
    known = {name for (name,) in connection.execute(statement("sqlite_slots"), {"run_id": run_id})}
    for name in known - wanted.keys():
        connection.execute(statement("sqlite_slot_remove"), {"run_id": run_id, "name": name})
    for name in (added := [name for name in wanted if name not in known]):
        connection.execute(statement("sqlite_slot_add"), {"run_id": run_id, "name": name, "size": wanted[name]})
    return [*sorted(known - wanted.keys()), *added]


def _grant(connection: sqlite3.Connection, name: str) -> list[str]:
    (held_count,) = connection.execute(statement("sqlite_slots_held"), {"name": name}).fetchone()
    waiting = connection.execute(statement("sqlite_slots_waiting"), {"name": name})
    granted = list(fitting(held_count, (((place, run_id), size) for place, run_id, size in waiting)))
    waiting.close()
    connection.executemany(statement("sqlite_slot_grant"), [(place,) for place, _ in granted])
    return [run_id for _, run_id in granted]
