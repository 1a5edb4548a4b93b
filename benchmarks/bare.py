"""How far a run is from the cheapest thing that records the same events: a bare loop in which all runs share commits.

The bare loop has no engine, no handlers and no checks: each run hands in its eight events (and a claim) in three parts,
made beforehand, and one writer commits whatever waits, with one statement. Between the two stands our log alone, which
gets the same parts from the same loop: what it costs over the bare loop is what the log's checks, the table of
unfinished runs and the notifications cost; what a whole run costs over that is the engine's.

Sketch. With 64 in flight three commits of 1.5 ms carry 64 runs, so the database could do 14,000 runs/s; 100
microseconds of Python a run (three futures, nine rows in four arrays) allow 10,000, and the server's time on two
shared cores about 6,000. The engine's own time is 250 to 500 microseconds. Expect a whole run to reach a third to a
half of the bare loop's throughput with 64 in flight, and 0.6 alone, where both wait for the same three commits.

Run it: make bench ARGS=bare
"""

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
from psycopg.types.numeric import Int8

from amends import Coordinator
from amends.clock import SystemClock
from amends.saga.codec import EventCodec
from amends.saga.ids import new_run_id
from amends.saga.log.open import open_log
from amends.saga.log.port import Record, Standing
from benchmarks.tools.load import DIGITS, loaded
from benchmarks.tools.onboarding import ACTIONS, EMAIL, SAGAS, onboard_user, onboarding
from benchmarks.tools.rounds import Figures, alone, form, in_turns, ratios, spread, table
from benchmarks.tools.stores import stores

ROUNDS = form(3, 7)
IN_FLIGHT = form((1, 64), (1, 64, 256))
PARTS = (3, 3, 3)
"""The events of a run, by append: start, claim and step 1; its result and steps 2 and 3; both results and the end."""

Row = tuple[str, int, str, bytes]
Write = Callable[[Sequence[Row]], Awaitable[None]]

INSERT = """
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT * FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bytea[])
"""
INSERT_SQLITE = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)"


class Sharing:
    """Lets all callers share commits: whatever waits when one has returned goes into the next."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: list[tuple[Sequence[Row], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, rows: Sequence[Row]) -> None:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        await done

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await self._write([row for rows, _ in batch for row in rows])
            for _, done in batch:
                done.set_result(None)
        self._writer = None


async def recorded() -> list[Record]:
    """Return the events of a run as our log stores them."""
    async with Coordinator("memory://", sagas=SAGAS, actions=ACTIONS) as coordinator:
        handle = await coordinator.start(onboard_user, EMAIL)
        await handle.result()
        codec = EventCodec.from_environment()
        records = [codec.encode(event) for event in await handle.history()]
    assert len(records) == sum(PARTS)
    return records


def parts(records: Sequence[Record]) -> list[tuple[int, Sequence[Record]]]:
    """Return the appends of a run: the version that each expects, and its records."""
    starts = [0, *itertools.accumulate(PARTS)]
    return [(start, records[start:end]) for start, end in itertools.pairwise(starts)]


async def bare(url: str, in_flight: int, write: Write) -> Figures:
    appends = parts(await recorded())
    sharing = Sharing(write)

    async def run() -> None:
        run_id = new_run_id(SystemClock().now())
        for expected, records in appends:
            await sharing.append([(run_id, expected + n, *record) for n, record in enumerate(records, 1)])

    return await loaded(url, in_flight, run)


async def bare_postgres(url: str, in_flight: int) -> Figures:
    await _make_tables(url)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

        async def write(rows: Sequence[Row]) -> None:
            run_ids, versions, topics, states = zip(*rows, strict=True)
            columns: list[Any] = [list(run_ids), list(map(Int8, versions)), list(topics), list(states)]
            await connection.execute(INSERT, columns, prepare=True)

        return await bare(url, in_flight, write)


async def bare_sqlite(url: str, in_flight: int) -> Figures:
    await _make_tables(url)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")

    def commit(rows: Sequence[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT_SQLITE, rows)
        connection.execute("COMMIT")

    async def write(rows: Sequence[Row]) -> None:
        await asyncio.to_thread(commit, rows)

    return await bare(url, in_flight, write)


async def _make_tables(url: str) -> None:
    log = open_log(url)
    await log.open()
    await log.close()


async def log_alone(url: str, in_flight: int) -> Figures:
    appends = parts(await recorded())
    going, ended = Standing("onboard-user", 1, owner="worker"), Standing("onboard-user", 1, at_rest=True)
    standings = (going, None, ended)
    log = open_log(url)
    await log.open()

    async def run() -> None:
        run_id = new_run_id(SystemClock().now())
        for (expected, records), standing in zip(appends, standings, strict=True):
            await log.append(run_id, expected, records, standing)

    figures = await loaded(url, in_flight, run)
    await log.close()
    return figures


def measure_bare(url: str, in_flight: int) -> Figures:
    return asyncio.run((bare_sqlite if url.startswith("sqlite") else bare_postgres)(url, in_flight))


def measure_log(url: str, in_flight: int) -> Figures:
    return asyncio.run(log_alone(url, in_flight))


def compare(store: str, fresh: Callable[[], str], in_flight: int) -> None:
    found = in_turns(
        ROUNDS,
        {
            "bare loop": lambda: alone(measure_bare, fresh(), in_flight),
            "our log alone": lambda: alone(measure_log, fresh(), in_flight),
            "whole runs": lambda: alone(onboarding, fresh(), in_flight),
        },
    )
    table(f"{store}, {in_flight}", found, DIGITS)
    for name in ("our log alone", "whole runs"):
        print(f"  {name} over the bare loop, runs/s: {spread(ratios(found, name, 'bare loop', 'runs/s'), 2)}")


def main() -> None:
    with stores() as fresh:
        for store in ("SQLite", "PostgreSQL"):
            for in_flight in IN_FLIGHT:
                compare(store, fresh[store], in_flight)


if __name__ == "__main__":
    main()
