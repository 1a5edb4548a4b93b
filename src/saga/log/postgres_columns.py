"""A batch of appends as the arrays that the stored function `amends_append_v3` takes."""

from collections.abc import Sequence
from typing import Any

from .dues import microseconds
from .port import Standing
from .postgres_arrays import Array, Booleans, Bytes, Numbers, Texts
from .writer import Append

__all__ = ["columns"]


def columns(batch: Sequence[Append]) -> list[Array[Any]]:
    """Return the arrays, in the order of the function's parameters."""
    return [*_event_columns(batch), *_standing_columns(batch), *_ring_columns(batch), *_slot_columns(batch)]


def _event_columns(batch: Sequence[Append]) -> list[Array[Any]]:
    rows = [
        (append.run_id, version, record.topic, record.state)
        for append in batch
        for version, record in enumerate(append.records, append.expected_version + 1)
    ]
    run_ids, versions, topics, states = zip(*rows, strict=True)
    return [Texts(run_ids), Numbers(versions), Texts(topics), Bytes(states)]


def _standing_columns(batch: Sequence[Append]) -> list[Array[Any]]:
    rows = [
        (append.run_id, how.saga, how.version, _owner(how), how.unwinding, how.at_rest, _due(how))
        for append in batch
        if (how := append.standing) is not None
    ]
    run_ids, sagas, versions, owners, unwinding, at_rest, dues = zip(*rows, strict=True) if rows else [()] * 7
    return [
        *(Texts(run_ids), Texts(sagas), Numbers(versions), Texts(owners)),
        *(Booleans(unwinding), Booleans(at_rest), Numbers(dues)),
    ]


def _owner(standing: Standing) -> str:
    """Return the owner as the stored function takes it: nobody, nobody yet, or whoever it is."""
    if standing.outside:
        return "="
    return "~" if standing.due_at is not None else standing.owner or ""


def _due(standing: Standing) -> int:
    return 0 if standing.due_at is None else microseconds(standing.due_at)


def _ring_columns(batch: Sequence[Append]) -> list[Array[Any]]:
    rows = [(append.run_id, append.ring) for append in batch if append.ring is not None]
    by, rung = zip(*rows, strict=True) if rows else [()] * 2
    return [Texts(by), Texts(rung)]


def _slot_columns(batch: Sequence[Append]) -> list[Array[Any]]:
    standings = [(append.run_id, append.standing) for append in batch if append.standing is not None]
    queues = [0 if how.queued_until is None else microseconds(how.queued_until) for _, how in standings]
    placed = [run_id for run_id, how in standings if how.slots is not None]
    rows = [(run_id, *slot) for run_id, how in standings for slot in how.slots or ()]
    run_ids, names, sizes = zip(*rows, strict=True) if rows else [()] * 3
    return [Numbers(queues), Texts(placed), Texts(run_ids), Texts(names), Numbers(sizes)]
