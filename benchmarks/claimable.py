"""How long a worker looks for work among 100,000 unfinished runs, and how much memory it takes.

Five pictures of the same table: all runs are free; a live worker has all but ten; a dead worker has all; nobody knows
the saga of all but ten; 200 workers, half of them dead, and 20 sagas share them.

Back of the envelope: 100,000 rows of 150 bytes are 15 MB, and reading all of them takes 20 to 50 ms on either
database, each time, in every worker. A hop through the index takes 10 to 20 microseconds, a row of the answer about 2.
So 50 runs of one kind should take about a millisecond, and 10 to 20 when the connection is new (it has to be made and
to plan). The last picture has 2,300 free kinds to hop through, so 25 to 50 ms: what costs is kinds, not runs. Memory
is that of 50 rows.

`python -m benchmarks.claimable`
"""

import asyncio
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator

import psycopg

from amends.saga.log.open import open_log
from tests.postgres import fresh_database, running_server

RUNS = 100_000
LIMIT = 50
LOOKS = 20

Row = tuple[str, str, int, str | None, bool]

KNOWN = [(f"saga-{number}", 1) for number in range(20)]
LIVE = [f"live-{number}" for number in range(100)]
DEAD = [f"dead-{number}" for number in range(100)]


def _row(number: int, saga: int = 0, owner: str | None = None, version: int = 1) -> Row:
    return f"run-{number:06}", f"saga-{saga}", version, owner, number % 7 == 0 and saga != 0


def pictures() -> Iterator[tuple[str, list[Row]]]:
    """Yield each picture's name and its rows, oldest first; ten free runs come last where there are few."""
    few = range(RUNS - 10, RUNS)
    yield "all are free", [_row(number) for number in range(RUNS)]
    yield (
        "a live worker has all but 10",
        [_row(number, owner=None if number in few else LIVE[0]) for number in range(RUNS)],
    )
    yield "a dead worker has all", [_row(number, owner=DEAD[0]) for number in range(RUNS)]
    yield "nobody knows all but 10", [_row(number, version=1 if number in few else 2) for number in range(RUNS)]
    owners = [*LIVE, *DEAD]
    yield (
        "200 workers, half dead, 20 sagas",
        [_row(number, saga=number // 200 % 20, owner=owners[number % 200]) for number in range(RUNS)],
    )


def fill_postgres(url: str, rows: list[Row]) -> None:
    """Make the table what the picture shows."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE amends_runs, amends_workers")
        with cursor.copy("COPY amends_runs (run_id, saga, version, owner, unwinding) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        beat = "INSERT INTO amends_workers VALUES (%s, clock_timestamp() - make_interval(secs => %s), 900)"
        cursor.executemany(beat, [*((worker, 0) for worker in LIVE), *((worker, 1000) for worker in DEAD)])


def fill_sqlite(url: str, rows: list[Row]) -> None:
    """Make the table what the picture shows."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    with connection:
        connection.execute("DELETE FROM amends_runs")
        connection.execute("DELETE FROM amends_workers")
        connection.executemany(
            "INSERT INTO amends_runs (run_id, saga, version, owner, unwinding) VALUES (?, ?, ?, ?, ?)", rows
        )
        beat = "INSERT INTO amends_workers VALUES (?, datetime('now', ?), 900)"
        connection.executemany(beat, [(worker, "-0 seconds") for worker in LIVE])
        connection.executemany(beat, [(worker, "-1000 seconds") for worker in DEAD])
    connection.close()


async def look(url: str) -> tuple[list[float], int]:
    """Look for work so many times, with a log that has just been opened; return milliseconds, and what was found."""
    log = open_log(url)
    await log.open()
    times = []
    found = 0
    for _ in range(LOOKS):
        start = time.perf_counter()
        found = len(await log.claimable(KNOWN, LIMIT))
        times.append((time.perf_counter() - start) * 1000)
    await log.close()
    return times, found


def measure(database: str, url: str) -> None:
    """Print a line for each picture."""
    for name, rows in pictures():
        (fill_sqlite if url.startswith("sqlite") else fill_postgres)(url, rows)
        del rows
        times, found = asyncio.run(look(url))
        first, *later = times
        print(
            f"{database:10} {name:33} first {first:7.2f} ms, later median {statistics.median(later):7.2f}, "
            f"max {max(later):7.2f}; {found} found"
        )


def main() -> None:
    """Measure on SQLite and on PostgreSQL."""
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/log.db"
        asyncio.run(look(url))
        measure("SQLite", url)
    with running_server() as server, fresh_database(server) as url:
        asyncio.run(look(url))
        measure("PostgreSQL", url)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most, with the filling")


if __name__ == "__main__":
    main()
