"""From rows of the log to what they change: decoded, projected and merged, with those set aside that cannot be.

No database here, and nothing that waits. An event of an unknown topic is set aside without importing anything.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..saga.codec import EventCodec
from ..saga.failures import describe
from ..saga.log.pages import Row
from ..saga.log.port import Record
from .merging import Merged
from .projection import Projection, RecordedEvent

__all__ = ["Digest", "Failure", "digest", "failure"]

ERROR_LIMIT = 500
"""Characters of an error's text that are kept in quarantine."""


class Failure(NamedTuple):
    """An event that could not be applied.

    Attributes:
        position: in the log.
        run_id: its run.
        version: its number in the run.
        topic: as it lies in the log, cut.
        error_type: what was raised.
        error: its text, redacted and cut.
    """

    position: int
    run_id: str
    version: int
    topic: str
    error_type: str
    error: str


class Digest(NamedTuple):
    """What some rows of the log come to.

    Attributes:
        merged: what they change.
        failures: those that change nothing.
        last: the last row.
    """

    merged: Merged
    failures: list[Failure]
    last: Row


def digest(
    projection: Projection, codec: EventCodec, rows: Sequence[Row], refused: Mapping[int, Exception] | None = None
) -> Digest:
    """Return what rows of the log come to.

    Args:
        projection: what they are projected by.
        codec: decodes them.
        rows: at least one.
        refused: by position, events whose changes the database has refused.
    """
    merged = Merged(projection)
    failures = []
    for row in rows:
        run_id, version, topic, state, position = row
        try:
            if refused and position in refused:
                raise refused[position]
            event = codec.decode(Record(topic, state))
            merged.add(projection.changes(RecordedEvent(position, run_id, version, event)))
        except Exception as error:  # Whatever the projection raises is recorded, and the others go on.
            failures.append(failure(row, error))
    return Digest(merged, failures, rows[-1])


def failure(row: Row, error: BaseException) -> Failure:
    """Return what is kept of an event that could not be applied."""
    run_id, version, topic, _, position = row
    said = describe(error)
    kind = said.type.removeprefix("amends.errors.")
    return Failure(position, run_id, version, clean(topic[:200]), clean(kind), clean(said.message[:ERROR_LIMIT]))


def clean(text: str) -> str:
    """Return a text that PostgreSQL can hold: it knows no NUL."""
    return text.replace("\x00", "\ufffd")
