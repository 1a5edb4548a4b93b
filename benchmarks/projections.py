"""Projections: how fast the audit view is rebuilt and followed, what it takes in memory, and how long a page takes.

1. Rebuild: events a second, of the clock and of this process's CPU, beside the library's `ProjectionRunner`, which
   writes one row and its position for each event of the same log. (Its SQLite recorder cannot be subscribed to.)
2. Follow: four writers append as fast as they can; how long after the last append the view has everything.
3. Memory: the most that a process needs for a rebuild of a log, and of one five times as long.
4. Pages: from a view of a hundred thousand runs (a million in the long form), each kind of page, 20 times.

Back of the envelope, for a run of nine events with three steps: decoding takes 2.5 microseconds an event, the function
of the audit view and merging 2 each, so 7 with the rest. The nine events become one row of runs with five indices,
three of steps and one tag: five upserts of 5 to 10 microseconds, so 4 an event; on PostgreSQL the server does that
beside us, and we pay 0.5 microseconds for each of 45 cells, 2.5 an event. Expect 60,000 to 90,000 events/s on a core
that we have for ourselves. The library pays four round trips and a commit an event, 0.5 to 1 ms: expect 1,500 events/s,
and 40 times.

A page is a range of an index: 50 rows at 10 microseconds, a transaction with some catalogue look-ups, and a hop into a
thread: 1 to 3 ms, whatever the number of runs. A search for a text looks at 10,000 rows at most: 100 ms.

`python -m benchmarks.projections [sqlite] [postgres]`
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection as LibraryProjection
from eventsourcing.projection import ProjectionRunner
from psycopg.sql import SQL, Identifier

from amends.clock import SystemClock
from amends.projections import Audit, AuditView, Follower, RecordedEvent, RunFilter, rebuild
from amends.projections.copies import place, write_rows
from amends.projections.database import Transaction, open_database
from amends.projections.merging import Merged
from amends.saga import events as e
from amends.saga.codec import EventCodec
from amends.saga.log.open import open_log
from benchmarks.tools.gauges import peak_megabytes
from benchmarks.tools.rounds import alone, form, spread
from tests.integration.test_library_reads_the_log import Stored, environment
from tests.postgres import fresh_database, running_server

RUNS = form(4_000, 40_000)
ROUNDS = form(3, 5)
LIBRARY_EVENTS = form(1_500, 10_000)
VIEW_RUNS = form(100_000, 1_000_000)
PAGES = 20
START = datetime(2026, 1, 1, tzinfo=UTC)
ERROR = e.ErrorInfo(type="CrmUnavailable", message="503 Service Unavailable: The CRM is down for maintenance")

_codec = EventCodec()


def a_run(number: int) -> list[e.Event]:
    """Three steps; one run in ten fails at the third, one in a thousand is parked then."""
    at = START + timedelta(seconds=number)
    events: list[e.Event] = [
        e.RunStarted(
            occurred_at=at,
            saga=f"saga-{number % 7}",
            saga_version=1,
            input='{"email":"ada@example.com"}',
            tags={"tenant": f"tenant-{number % 1000}"},
        ),
        e.RunClaimed(occurred_at=at, worker="0123456789abcdef0123456789abcdef", epoch=1),
    ]
    for step in "123":
        key = f"{number:08x}-0000-5000-8000-00000000000{step}"
        events.append(
            e.ActionStarted(
                occurred_at=at, step=step, action=f"action-{step}", attempt=1, input='"ada"', idempotency_key=key
            )
        )
        if step == "3" and number % 10 == 0:
            failing = e.RunFailing(
                occurred_at=at, reason=e.FailingReason.ACTION_FAILED, error=ERROR, action="action-3", step="3"
            )
            events += [e.ActionFailed(occurred_at=at, step=step, attempt=1, error=ERROR), failing]
            parked = e.RunParked(occurred_at=at, reason=e.ParkReason.UNDO_FAILED, detail=f"ticket {number}")
            return [*events, parked if number % 1000 == 0 else e.RunCompensated(occurred_at=at)]
        events.append(e.ActionSucceeded(occurred_at=at, step=step, attempt=1, output='"user-1"'))
    return [*events, e.RunCompleted(occurred_at=at, output='"user-1"')]


async def fill(url: str, first: int, count: int) -> int:
    """Append so many runs and return how many events that were."""
    log, event_count = open_log(url), 0
    await log.open()
    for start in range(first, first + count, 500):
        runs = {
            f"run-{n:08}": [_codec.encode(each) for each in a_run(n)]
            for n in range(start, min(start + 500, first + count))
        }
        await asyncio.gather(*(log.append(run_id, 0, records) for run_id, records in runs.items()))
        event_count += sum(map(len, runs.values()))
    await log.close()
    return event_count


def rebuilt(url: str) -> tuple[float, float, float]:
    """Return events a second, events a second of CPU, and the most memory in MB."""
    began, used = time.perf_counter(), time.process_time()
    done = asyncio.run(rebuild(url, Audit()))
    count = done.applied_count
    return count / (time.perf_counter() - began), count / (time.process_time() - used), peak_megabytes()


class LibraryView(PostgresTrackingRecorder):
    """One row a run, as the least that a view could be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Identifier(self.datastore.schema), Identifier("library_view")
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS {}.{} (run_id text PRIMARY KEY, event_count bigint)").format(*names)
        )
        self.count = SQL(
            "INSERT INTO {}.{} AS live VALUES (%s, 1) "
            "ON CONFLICT (run_id) DO UPDATE SET event_count = live.event_count + 1"
        ).format(*names)

    def add(self, run_id: str, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self.count, (run_id,), prepare=True)


class CountEvents(LibraryProjection[LibraryView]):
    name = "libraryview"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.add(domain_event.originator_id, tracking)


def library(url: str) -> float:
    """Return the events a second that the library's runner applies."""
    began = time.perf_counter()
    with ProjectionRunner(
        application_class=Stored, projection_class=CountEvents, view_class=LibraryView, env=environment(url)
    ) as runner:
        runner.wait(LIBRARY_EVENTS, timeout=120)
        return LIBRARY_EVENTS / (time.perf_counter() - began)


async def followed(url: str, first: int, count: int) -> tuple[float, float]:
    """Return the events a second that four writers appended, and how long after that the view had them, in seconds."""
    async with Follower(url, Audit()) as follower:
        await follower.caught_up()
        began = time.perf_counter()
        share = count // 4
        appended = sum(await asyncio.gather(*(fill(url, first + share * n, share) for n in range(4))))
        written = time.perf_counter()
        await follower.caught_up()
        return appended / (written - began), time.perf_counter() - written


def view_of(url: str, count: int) -> None:
    """Fill the audit view with so many runs, without a log."""
    asyncio.run(fill(url, 0, 1))
    database, audit = open_database(url), Audit()
    copy = place(database, audit, SystemClock())
    position = 0
    for start in range(0, count, 2_000):
        merged = Merged(audit)
        for number in range(start, start + 2_000):
            for version, event in enumerate(a_run(number), 1):
                position += 1
                changes = audit.changes(RecordedEvent(position, f"run-{number:08}", version, event))
                merged.add(change for change in changes if change.table != "amends_audit_steps")

        def write(transaction: Transaction, merged: Merged = merged) -> None:
            write_rows(transaction, copy, merged)

        database.write(write)
    database.close()


async def pages(url: str, count: int) -> dict[str, list[float]]:
    """Return the milliseconds of each kind of page."""
    middle = START + timedelta(seconds=count // 2)
    kinds = {
        "newest": RunFilter(),
        "saga": RunFilter(saga="saga-3"),
        "parked (1 in 1,000)": RunFilter(state=e.RunStatus.PARKED),
        "saga and parked": RunFilter(saga="saga-3", state=e.RunStatus.PARKED),
        "failing action": RunFilter(action="action-3"),
        "tag": RunFilter(tag=("tenant", "tenant-77")),
        "time range in the middle": RunFilter(since=middle, until=middle + timedelta(minutes=10)),
        "text, found": RunFilter(text="maintenance"),
        "text, not found in 10,000": RunFilter(text="no such text"),
    }
    found: dict[str, list[float]] = {}
    async with AuditView(url) as view:
        for name, where in kinds.items():
            cursor = None
            for _ in range(PAGES):
                began = time.perf_counter()
                page = await view.runs(where, limit=50, cursor=cursor)
                found.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
                assert page.rows or name.startswith("text, not")
                cursor = page.next
        for number in range(PAGES):
            began = time.perf_counter()
            await view.run(f"run-{number * 37:08}")
            found.setdefault("one run", []).append((time.perf_counter() - began) * 1e3)
    return found


def report(url: str, view_url: str) -> None:
    events = asyncio.run(fill(url, 0, RUNS))
    rounds = [alone(rebuilt, url) for _ in range(ROUNDS)]
    print(f"  rebuild of {events:,} events: {spread([each[0] for each in rounds])} events/s")
    print(f"                     {spread([each[1] for each in rounds])} events/s of this process's CPU")
    if url.startswith("postgres"):
        theirs = [alone(library, url)]
        ours = median(each[0] for each in rounds)
        print(
            f"  the library's ProjectionRunner: {spread(theirs)} events/s; ours are {ours / theirs[0]:.0f} times that"
        )
    rate, seconds = asyncio.run(followed(url, RUNS, RUNS))
    print(f"  four writers: {rate:,.0f} events/s; the view had everything {seconds * 1e3:.0f} ms after the last one")
    small = max(each[2] for each in rounds)
    asyncio.run(fill(url, 2 * RUNS, 3 * RUNS))
    print(f"  memory: {small:.0f} MB for {events:,} events, {alone(rebuilt, url)[2]:.0f} MB for five times as many")
    began = time.perf_counter()
    view_of(view_url, VIEW_RUNS)
    print(f"  a view of {VIEW_RUNS:,} runs was made in {time.perf_counter() - began:.0f} s; pages of 50:")
    for name, milliseconds in asyncio.run(pages(view_url, VIEW_RUNS)).items():
        print(f"    {name:26} median {median(milliseconds):6.1f} ms   most {max(milliseconds):6.1f} ms")


@contextmanager
def databases(name: str) -> Iterator[tuple[str, str]]:
    """Two databases, one for each part."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="amends-bench-") as directory:
            yield f"sqlite:///{directory}/log.db", f"sqlite:///{directory}/view.db"
    else:
        with running_server(fsync=True) as server, fresh_database(server) as log, fresh_database(server) as view:
            yield log, view


def main() -> None:
    for name in sys.argv[1:] or ["sqlite", "postgres"]:
        print(f"{name}:")
        with databases(name) as (log, view):
            report(log, view)


if __name__ == "__main__":
    main()
