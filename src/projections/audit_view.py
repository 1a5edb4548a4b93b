"""Reads the audit view: pages of runs and commands, one run with all that happened to it, and counts.

Every answer is of one moment, also while a rebuild swaps the tables. Pages are bounded, and what is searched for always
comes from an index: nothing here reads a whole table but `counts`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar

from ..errors import ProjectionOutdated, SchemaMismatch, UnknownName
from ..saga.events import RunStatus
from . import cursors
from .audit import COMMANDS, RUNS, STEPS, TAGS, WAITS, Audit
from .audit_durations import AuditDurations, read_durations
from .audit_rows import AuditCommand, AuditRun, AuditRunDetail, audit_command, audit_step
from .audit_search import AuditPage, RunFilter, RunSearch, times
from .audit_waits import runs_with_waits, waits_of
from .copies import live_copy
from .database import Transaction, Worker, open_database
from .projection import Cell

__all__ = ["AuditView", "SagaCount"]

T = TypeVar("T")


@dataclass(frozen=True)
class SagaCount:
    """How many runs of a saga stand in a state."""

    saga: str
    state: RunStatus
    run_count: int


class AuditView:
    """Reads the audit view while it is entered: `async with AuditView(url) as audit: ...`.

    Args:
        url: of the log; not `memory://`.

    Raises:
        InvalidName: the URL is of no allowed form, or names a log in memory.
    """

    def __init__(self, url: str) -> None:
        self._worker = Worker(open_database(url))

    async def __aenter__(self) -> Self:
        """Begin; the connection is made when it is first needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connection."""
        await self._worker.close()

    async def runs(
        self, where: RunFilter | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> AuditPage[AuditRun]:
        """Return a page of runs, those first that were started last.

        Args:
            where: which runs; all, if left out.
            limit: at most so many, 1 to 1,000.
            cursor: of the page before.

        Raises:
            InvalidValue: the limit, the cursor or a time of the filter cannot be.
            ProjectionOutdated: there is no audit view here, or it was made by another version of it.
            LogUnavailable: the database does not answer.
        """
        return await self._read(RunSearch(where or RunFilter(), cursors.checked_limit(limit), cursor).page)

    async def run(self, run_id: str) -> AuditRunDetail:
        """Return one run, with its steps, its waits and what people told it.

        Raises:
            UnknownName: there is no such run in the view (yet).
            ProjectionOutdated: there is no audit view here, or it was made by another version of it.
            LogUnavailable: the database does not answer.
        """

        def look(transaction: Transaction) -> AuditRunDetail | None:
            wanted = {"run_id": run_id}
            rows = transaction.records("audit_run", wanted)
            if not rows:
                return None
            steps = [audit_step(row, rows[0]["failing_version"]) for row in transaction.records("audit_steps", wanted)]
            commands = [audit_command(row) for row in transaction.records("audit_commands_of_run", wanted)]
            (run,) = runs_with_waits(transaction, rows)
            return AuditRunDetail(run, steps, commands, waits_of(transaction, rows)[run_id])

        found = await self._read(look)
        if found is None:
            raise UnknownName("run", run_id)
        return found

    async def commands(self, *, limit: int = 50, cursor: str | None = None) -> AuditPage[AuditCommand]:
        """Return a page of what people told runs, newest first.

        Raises:
            InvalidValue: the limit or the cursor cannot be.
            ProjectionOutdated: there is no audit view here, or it was made by another version of it.
            LogUnavailable: the database does not answer.
        """
        parameters: dict[str, Cell] = {"limit": cursors.checked_limit(limit) + 1}
        if cursor is not None:
            parameters["cursor_position"] = cursors.decode(cursor, has_time=False)[1]
        given = frozenset({"cursor"} if cursor is not None else ())
        rows = await self._read(lambda transaction: transaction.records("audit_commands", parameters, given))
        page = [audit_command(row) for row in rows[:limit]]
        return AuditPage(page, cursors.encode(None, page[-1].position) if len(rows) > limit else None)

    async def counts(self, *, since: datetime | None = None, until: datetime | None = None) -> Sequence[SagaCount]:
        """Count runs by saga and state; without a time range it reads an entry for each run there is.

        Args:
            since: started at this time or later.
            until: started before this time.

        Raises:
            InvalidValue: a time has no time zone.
            ProjectionOutdated: there is no audit view here, or it was made by another version of it.
            LogUnavailable: the database does not answer, or not within 5 seconds: give a time range.
        """
        parameters = times(since=since, until=until)
        rows = await self._read(lambda t: t.records("audit_counts", parameters, frozenset(parameters)))
        return [SagaCount(row["saga"], RunStatus(row["state"]), row["run_count"]) for row in rows]

    async def durations(self, *, since: datetime | None = None, until: datetime | None = None) -> AuditDurations:
        """Tell how long runs and steps take, by saga and action, from the newest 1,000 runs.

        Args:
            since: started at this time or later.
            until: started before this time.

        Raises:
            InvalidValue: a time has no time zone.
            ProjectionOutdated: there is no audit view here, or it was made by another version of it.
            LogUnavailable: the database does not answer.
        """
        return await self._read(lambda transaction: read_durations(transaction, since, until))

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        def look(transaction: Transaction) -> T:
            copy = live_copy(transaction, Audit.name)
            if copy is None or copy.version != Audit.version:
                raise _missing()
            return work(transaction)

        try:
            return await self._worker.run(lambda database: database.read(look, (RUNS, STEPS, TAGS, COMMANDS, WAITS)))
        except SchemaMismatch as error:  # it cannot lock a table that is not there
            raise _missing() from error


def _missing() -> ProjectionOutdated:
    return ProjectionOutdated(Audit.name, "there is no audit view that this version of amends can read")
