"""How much is read at once, by every log that lies in a database.

A page is bounded in rows and in bytes, so that neither a long run nor large events can fill the memory, or keep one
query going for longer than the server allows. A page always has at least one row if there is one.
"""

import json
from collections.abc import Sequence

from .following import Notification
from .port import Holding, Queue, Record

__all__ = ["PAGE_BYTES", "PAGE_COUNT", "Row", "holding_of", "is_last", "notification", "queue_of", "record"]

PAGE_COUNT = 1000
PAGE_BYTES = 4 * 1024 * 1024

Row = tuple[str, int, str, bytes, int]
"""Run id, version, topic, state, position: the columns of `stored_events`, in the order that our statements name."""


def is_last(rows: Sequence[Row]) -> bool:
    """Tell whether a page was cut short by neither bound, so that nothing followed it when it was read."""
    return len(rows) < PAGE_COUNT and sum(len(row[3]) for row in rows) < PAGE_BYTES


def record(row: Row) -> Record:
    """Return what a reader of one run gets for a row."""
    return Record(row[2], row[3])


def notification(row: Row) -> Notification:
    """Return what a follower of all runs gets for a row."""
    run_id, version, topic, state, position = row
    return Notification(originator_id=run_id, originator_version=version, topic=topic, state=state, id=position)


def holding_of(rows: Sequence[tuple[str | None, str | None]]) -> Holding:
    """Return who has a run, and its slots, from rows of an owner and the name of a slot, or none."""
    return Holding(rows[0][0], frozenset(name for _, name in rows if name is not None))


def queue_of(row: tuple[str, int, int, int, str]) -> Queue:
    """Return what a row of `..._queues.sql` says."""
    name, size, held, waiting, runs = row
    return Queue(name, size, held, waiting, tuple(json.loads(runs)))
