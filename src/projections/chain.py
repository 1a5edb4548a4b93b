"""Tamper evidence, the pure part: hash chains over the stored bytes of events, and what is wrong where they break.

Every event has a mark, a digest of all that is stored of it. Each run has a chain over the marks of its events, and the
log has one over the marks of all, in the order of their positions. A *seal* is what is kept of a page of the log: the
marks, with their positions, and how the log's chain stands behind them. Whoever changes, removes or puts in an event
must forge every seal from there on, and cannot forge a head that somebody has kept elsewhere.

SHA-256 over fields whose lengths are written before them, so that no two different events have the same bytes to hash.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from ..saga.log.pages import Row

__all__ = ["GENESIS", "Breach", "BreachKind", "Head", "Link", "Seal", "broken", "link_run", "mark_of", "seal_page"]

GENESIS = bytes(32)
"""What the first link of a chain follows."""

_FIELDS = struct.Struct(">QQQ")
_AS_STORED = (str, int, str, bytes)
_PLACED = struct.Struct(">Q32s")


class BreachKind(StrEnum):
    """What was done to the log, or to what was kept of it."""

    CHANGED = "changed"
    REMOVED = "removed"
    PUT_IN = "put_in"
    SEAL_CHANGED = "seal_changed"
    """The seal itself does not fit the one before it, or a head that was kept elsewhere."""


class Breach(NamedTuple):
    """The first thing that is not as it was sealed.

    Attributes:
        kind: what was done.
        position: of the event, or of the seal.
        run_id: the event's run; None where nobody can say any more.
        version: its number in the run; likewise.
    """

    kind: BreachKind
    position: int
    run_id: str | None = None
    version: int | None = None


class Head(NamedTuple):
    """How the log's chain stands.

    Attributes:
        position: of the last event in it; 0 for none.
        chain: 32 bytes.
    """

    position: int = 0
    chain: bytes = GENESIS


class Link(NamedTuple):
    """How a run's chain stands.

    Attributes:
        version: of the last event in it.
        chain: 32 bytes.
    """

    version: int = 0
    chain: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Seal:
    """What is kept of a page of the log.

    Attributes:
        head: how the log's chain stands behind it.
        marks: position and digest of each of its events, 40 bytes each, in order.
    """

    head: Head
    marks: bytes

    @property
    def event_count(self) -> int:
        """How many events it covers."""
        return len(self.marks) // _PLACED.size

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the position and the mark of each event."""
        return _PLACED.iter_unpack(self.marks)


def mark_of(row: Row) -> bytes:
    """Return the digest of all that is stored of an event but its position: 32 bytes.

    Whoever writes to an SQLite file by hand may leave a text where bytes were, or nothing; that has a mark, too.
    """
    run_id, version, topic, state, _ = row
    if tuple(map(type, row[:4])) != _AS_STORED:
        return sha256(b"not as we store it" + repr(row[:4]).encode(errors="backslashreplace")).digest()
    who, what = run_id.encode(), topic.encode()
    return sha256(_FIELDS.pack(version, len(who), len(what)) + who + what + state).digest()


def seal_page(before: Head, rows: Sequence[Row]) -> Seal:
    """Return the seal of a page of the log.

    Args:
        before: how the log's chain stands before it.
        rows: the page, in the order of positions; at least one row.
    """
    marks = b"".join(_PLACED.pack(row[4], mark_of(row)) for row in rows)
    return Seal(Head(rows[-1][4], _chained(before, marks)), marks)


def link_run(before: Link, rows: Iterable[Row]) -> Link:
    """Return how a run's chain stands after these of its events, in order; those that it has already are left out."""
    version, chain = before
    for row in rows:
        if row[1] > version:
            version, chain = row[1], sha256(chain + mark_of(row)).digest()
    return Link(version, chain)


def broken(before: Head, seal: Seal, rows: Iterable[Row]) -> Breach | None:
    """Return the first thing in a page of the log that is not as it was sealed; None if all of it is.

    Args:
        before: how the log's chain stands before the page, as it was verified.
        seal: what was kept of the page.
        rows: what the log has now behind `before` and up to the seal's position.
    """
    if seal.head.chain != _chained(before, seal.marks):
        return Breach(BreachKind.SEAL_CHANGED, seal.head.position)
    found = {row[4]: row for row in rows}
    sealed = dict(seal)
    for position in sorted(found.keys() | sealed.keys()):
        breach = _at(position, found, sealed)
        if breach is not None:
            return breach
    return None


def _at(position: int, found: Mapping[int, Row], sealed: Mapping[int, bytes]) -> Breach | None:
    row = found.get(position)
    if row is None:
        return Breach(BreachKind.REMOVED, position)
    if position not in sealed:
        return Breach(BreachKind.PUT_IN, position, row[0], row[1])
    if sealed[position] != mark_of(row):
        return Breach(BreachKind.CHANGED, position, row[0], row[1])
    return None


def _chained(before: Head, marks: bytes) -> bytes:
    return sha256(before.chain + _FIELDS.pack(before.position, len(marks), 0) + marks).digest()
