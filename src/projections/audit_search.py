"""Which runs a page of the audit view holds, and where the next page begins."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from ..errors import InvalidValue
from ..saga.events import ParkReason, RunStatus
from . import cursors
from .audit_rows import AuditRun
from .audit_waits import runs_with_waits
from .database import Transaction
from .projection import Cell

__all__ = ["AuditPage", "RunFilter", "RunSearch", "times"]

SCAN_LIMIT = 10_000
"""How many runs one call searches for a text."""

SCAN_ROWS = 1_000

T = TypeVar("T")


@dataclass(frozen=True)
class RunFilter:
    """Which runs; conditions that are left out leave out nothing.

    Attributes:
        state: how they stand.
        parked_reason: parked, for this reason.
        saga: of which saga.
        action: because of which action they failed.
        tag: a name and a value that they were started with.
        since: started at this time or later (aware).
        until: started before this time (aware).
        text: their error, or what was said when they were parked, holds this text, whatever the case of its letters.
            One call looks at 10,000 runs with an error at most, the newest first.
        waiting: running, and at a wait somewhere in their saga: for a signal, a time or a lock.
    """

    state: RunStatus | None = None
    saga: str | None = None
    action: str | None = None
    tag: tuple[str, str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    parked_reason: ParkReason | None = None
    waiting: bool = False


@dataclass(frozen=True)
class AuditPage(Generic[T]):
    """A page.

    Attributes:
        rows: at most as many as were asked for, newest first.
        next: the cursor of the next page, or None when there is none. A page of a search for a text may be short, or
            empty, and have a next one: it tells how far the search has got.
    """

    rows: Sequence[T]
    next: str | None


class RunSearch:
    """One page of runs.

    Args:
        where: which runs.
        limit: how many.
        cursor: of the page before.

    Raises:
        InvalidValue: the cursor, or a time of the filter, cannot be.
    """

    def __init__(self, where: RunFilter, limit: int, cursor: str | None) -> None:
        state, parked = where.state, where.parked_reason
        equal = {
            # A run that a waiver ends was parked to its end: the reason alone is not enough.
            "state": RunStatus(state).value if state else parked and RunStatus.PARKED.value,
            "parked": parked and ParkReason(parked).value,
            "saga": where.saga,
            "action": where.action,
        }
        self._conditions: dict[str, Cell] = {name: value for name, value in equal.items() if value is not None}
        self._conditions |= times(since=where.since, until=where.until)
        if where.tag is not None:
            self._conditions["tag_name"], self._conditions["tag_value"] = where.tag
        self._is_of_tag = where.tag is not None
        self._is_waiting = where.waiting
        self._text = (where.text or "").casefold()
        self._limit = limit
        self._after = None if cursor is None else cursors.decode(cursor, has_time=True)

    def page(self, transaction: Transaction) -> AuditPage[AuditRun]:
        """Return the page."""
        if self._text:
            return self._searched(transaction)
        rows = self._rows(transaction, self._limit + 1)
        last = rows[self._limit - 1] if len(rows) > self._limit else None
        return AuditPage(runs_with_waits(transaction, rows[: self._limit]), _behind(last))

    def _searched(self, transaction: Transaction) -> AuditPage[AuditRun]:
        found: list[str] = []
        last = None
        for _ in range(SCAN_LIMIT // SCAN_ROWS):
            rows = self._rows(transaction, SCAN_ROWS)
            for last in rows:
                if self._text in f"{last['error'] or ''}\n{last['parked_detail'] or ''}".casefold():
                    found.append(last["run_id"])
                    if len(found) == self._limit:
                        return _those(transaction, found, last)
            if len(rows) < SCAN_ROWS:
                return _those(transaction, found, None)
            self._after = _place(rows[-1])
        return _those(transaction, found, last)

    def _rows(self, transaction: Transaction, limit: int) -> list[dict[str, Any]]:
        driving = "tag" if self._is_of_tag else "run"
        parameters = {**self._conditions, "limit": limit}
        words = {name for name in self._conditions if name in ("state", "parked", "saga", "action")}
        words |= {f"{name}_{driving}" for name in self._conditions if name in ("since", "until")}
        words |= {"tag"} if self._is_of_tag else set()
        words |= {"text"} if self._text else set()
        words |= {"waiting"} if self._is_waiting else set()
        if self._after is not None:
            words.add(f"cursor_{driving}")
            parameters["cursor_at"], parameters["cursor_position"] = self._after
        return transaction.records("audit_runs", parameters, frozenset(words))


def times(**given: datetime | None) -> dict[str, Cell]:
    """Return those that are given.

    Raises:
        InvalidValue: one of them has no time zone.
    """
    for name, time in given.items():
        if time is not None and time.tzinfo is None:
            raise InvalidValue(name, "has no time zone; use an aware datetime, such as datetime.now(UTC)")
    return {name: time for name, time in given.items() if time is not None}


def _those(transaction: Transaction, run_ids: Iterable[str], last: dict[str, Any] | None) -> AuditPage[AuditRun]:
    rows = [row for run_id in run_ids for row in transaction.records("audit_run", {"run_id": run_id})]
    return AuditPage(runs_with_waits(transaction, rows), _behind(last))


def _behind(row: dict[str, Any] | None) -> str | None:
    return None if row is None else cursors.encode(*_place(row))


def _place(row: dict[str, Any]) -> tuple[datetime, int]:
    return row["started_at"], row["started_position"]
