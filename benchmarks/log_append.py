"""How long an append takes, ours and the eventsourcing library's recorder's, on one server in one run.

Three scenarios: one event in a call; 64 events of one run in a call; 64 runs that have one event each, at the same
moment (ours go through the group commit together, the library's callers take turns).

Back of the envelope, for one commit on a disk whose fsync takes about 0.3 ms:

- One event on PostgreSQL is one round trip (0.1 ms) and one fsync, so 0.4 ms at best; the library sends four
  statements in a pipeline and pays psycopg's machinery for each. Expect 1.5 to 2 times.
- 64 events add 64 index insertions (0.01 ms each) to the same fsync. Four flat arrays cost the client about 2
  microseconds an event, 64 composites about 18. Expect 2 times.
- SQLite writes the same pages in both cases and waits for the same fsync. A hop into our writer's thread and back
  costs 0.1 to 0.2 ms, which is what it takes to leave the event loop free; the library holds up its caller's thread
  instead. Expect 0.5 to 0.8 times for one event, 0.8 to 1 for 64.
- 64 runs at once pay one fsync with the group commit and 64 without. Expect 8 to 30 times; what remains is mostly the
  64 tasks (0.4 ms).

Only the ratios mean anything, and only those of one run. `python benchmarks/log_append.py`
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent

from amends.saga.log.open import open_log
from amends.saga.log.port import Log, Record
from tests.postgres import fresh_database, running_server

SPELL_SECONDS = 0.3
SPELLS = 3
STATE = b'{"step":"1","action":"create-user-in-db","input":{"name":"Ada"}}' * 4

_numbers = itertools.count()


@dataclass
class Times:
    """The durations of single appends, in milliseconds."""

    name: str
    milliseconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    def __str__(self) -> str:
        low, high = min(self.milliseconds), max(self.milliseconds)
        return f"{self.name:8} {low:8.3f} {self.median:8.3f} {high:8.3f} ms   n={len(self.milliseconds)}"


class Stored(Application[str]):
    """The library's application on the table `stored_events`."""

    name = "stored"


@dataclass(frozen=True)
class Scenario:
    """How many runs append at the same moment, and how many events each."""

    name: str
    runs: int
    events: int


SCENARIOS = (
    Scenario("1 event", runs=1, events=1),
    Scenario("64 events of a run", runs=1, events=64),
    Scenario("64 runs at once", runs=64, events=1),
)


async def ours(log: Log, scenario: Scenario, times: Times) -> None:
    """Append to new runs, all at once."""
    until = time.perf_counter() + SPELL_SECONDS
    records = [Record("benchmark", STATE)] * scenario.events
    while (start := time.perf_counter()) < until:
        if scenario.runs == 1:
            await log.append(f"ours-{next(_numbers)}", 0, records)
        else:
            await asyncio.gather(*(log.append(f"ours-{next(_numbers)}", 0, records) for _ in range(scenario.runs)))
        times.milliseconds.append((time.perf_counter() - start) * 1000)


def theirs(application: Stored, scenario: Scenario, times: Times) -> None:
    """Insert for new originators, one call each."""
    until = time.perf_counter() + SPELL_SECONDS
    while (start := time.perf_counter()) < until:
        for _ in range(scenario.runs):
            name = f"theirs-{next(_numbers)}"
            events = [StoredEvent(name, version + 1, "benchmark", STATE) for version in range(scenario.events)]
            application.recorder.insert_events(events)
        times.milliseconds.append((time.perf_counter() - start) * 1000)


async def compare(database: str, url: str, environment: dict[str, str]) -> None:
    """Measure in turns, so that whatever else the machine does hits both alike."""
    log = open_log(url)
    await log.open()
    application = Stored(env={**environment, "ORIGINATOR_ID_TYPE": "text"})
    for scenario in SCENARIOS:
        us, them = Times("amends", []), Times("library", [])
        for _ in range(SPELLS):
            await ours(log, scenario, us)
            theirs(application, scenario, them)
        print(f"{database}, {scenario.name}: min, median, max\n  {us}\n  {them}")
        print(f"  library / amends, medians: {them.median / us.median:.2f}")
    application.close()
    await log.close()


def measure(run: Callable[[], None]) -> None:
    """Run everything, and say how long it took."""
    start = time.perf_counter()
    run()
    print(f"{time.perf_counter() - start:.1f} s in all")


def main() -> None:
    """Compare on SQLite and on PostgreSQL, with a server that waits for its disk."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/log.db"
        environment = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": path}
        asyncio.run(compare("SQLite", f"sqlite:///{path}", environment))
    with running_server(fsync=True) as server, fresh_database(server) as url:
        given = psycopg.conninfo.conninfo_to_dict(url)
        environment = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(given["dbname"]),
            "POSTGRES_HOST": str(given.get("host", "localhost")),
            "POSTGRES_PORT": str(given.get("port", "5432")),
            "POSTGRES_USER": str(given.get("user", "postgres")),
            "POSTGRES_PASSWORD": str(given.get("password", "unused")),
        }
        asyncio.run(compare("PostgreSQL", url, environment))


if __name__ == "__main__":
    measure(main)
