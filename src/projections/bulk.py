"""One command to every run that a filter finds, one run after the other, each with a record of its own.

The runs are taken from the audit view, page by page, so a million of them need no more memory than one; what a run is
told depends on its log alone. The view may lag: a run that has moved on since is told, and stays as it is.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import AmendsError, LogUnavailable
from ..saga.coordinator import Coordinator
from ..saga.events import RunStatus
from ..saga.failures import describe
from ..saga.handle import RunHandle
from ..saga.state import fold
from .audit_rows import AuditRun
from .audit_search import RunFilter
from .audit_view import AuditView

__all__ = ["BulkOutcome", "BulkResult", "matching", "tell", "tell_all"]

PAGE_COUNT = 500

Command = Callable[[RunHandle[Any]], Awaitable[object]]
"""What a run is told: `lambda handle: handle.retry(by=..., reason=...)`."""


class BulkResult(StrEnum):
    """What came of telling one run."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """It has moved on since, or the command does not apply to it."""
    FAILED = "failed"


@dataclass(frozen=True)
class BulkOutcome:
    """What came of telling one run.

    Attributes:
        run_id: the run.
        result: whether something was recorded.
        status: how the run stands then; None if that could not be told.
        error: what was raised, or None.
    """

    run_id: str
    result: BulkResult
    status: RunStatus | None
    error: str | None = None


async def tell_all(
    coordinator: Coordinator,
    audit: AuditView,
    command: Command,
    *,
    by: str,
    where: RunFilter | None = None,
    limit: int | None = None,
) -> AsyncGenerator[BulkOutcome, None]:
    """Tell each run that a filter finds, those first that were started last; done again, it changes nothing.

    Whoever stops asking for outcomes stops between two runs. Runs that are started meanwhile, and runs that come to
    match behind the place that was reached, are not told.

    Args:
        coordinator: open; `max_running=0` is enough.
        audit: where the runs are found; as up to date as its follower keeps it.
        command: what each run is told, through its handle.
        by: who says so, as in the command: a recorded event with that name is a change.
        where: which runs.
        limit: at most so many; all of them if left out.

    Yields:
        What came of each run. An error that concerns one run is in its outcome, and the others go on.

    Raises:
        InvalidValue: a time of the filter cannot be.
        ProjectionOutdated: there is no audit view here, or it was made by another version of it.
        LogUnavailable: the database does not answer; whether the last run was told is not known. Begin again.
    """
    async with aclosing(matching(audit, where, limit=limit)) as runs:
        async for run in runs:
            yield await _outcome(coordinator.handle(run.run_id), command, by)


async def _outcome(handle: RunHandle[Any], command: Command, by: str) -> BulkOutcome:
    try:
        changed, status = await tell(handle, command, by=by)
    except LogUnavailable:
        raise
    except AmendsError as error:
        return BulkOutcome(handle.run_id, BulkResult.FAILED, None, describe(error).message)
    return BulkOutcome(handle.run_id, BulkResult.CHANGED if changed else BulkResult.UNCHANGED, status)


async def tell(handle: RunHandle[Any], command: Command, *, by: str) -> tuple[bool, RunStatus]:
    """Tell one run, and return whether that was recorded, and how the run stands then.

    Raises:
        AmendsError: what the command raises.
    """
    before = len(await handle.history())
    await command(handle)
    events = await handle.history()
    changed = any(getattr(event, "by", None) == by for event in events[before:])
    return changed, fold(handle.run_id, events).status


async def matching(
    audit: AuditView, where: RunFilter | None = None, *, limit: int | None = None
) -> AsyncGenerator[AuditRun, None]:
    """Yield each run that a filter finds, those first that were started last.

    Args:
        audit: where they are found.
        where: which runs.
        limit: at most so many; all of them if left out.

    Raises:
        InvalidValue: a time of the filter cannot be.
        ProjectionOutdated: there is no audit view here, or it was made by another version of it.
        LogUnavailable: the database does not answer.
    """
    left, cursor = limit, None
    while left is None or left > 0:
        page = await audit.runs(where, limit=PAGE_COUNT if left is None else min(left, PAGE_COUNT), cursor=cursor)
        for run in page.rows:
            yield run
        left = None if left is None else left - len(page.rows)
        if page.next is None:
            return
        cursor = page.next
