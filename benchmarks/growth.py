"""What a run costs as the log grows: 1 thousand events to 1 million (10 million in the long form), on one server.

Sketch. A run reads and writes its own stream only: an index of 10 million entries is one level deeper than one of 10
thousand, and runs that are new lie at its end, in pages that are in memory. So nothing should change: a ratio of 1 to
1.1 from the smallest to the largest. Preloading takes about 10 microseconds a row with its two index entries: 10 s for
a million.

Run it: make bench ARGS=growth
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg

from amends.saga.log.open import open_log
from benchmarks.tools.load import DIGITS
from benchmarks.tools.onboarding import onboarding
from benchmarks.tools.rounds import Figures, alone, form, in_turns, ratios, spread, table
from benchmarks.tools.stores import stores

ROUNDS = form(3, 5)
EVENTS = form((1_000, 100_000, 1_000_000), (1_000, 100_000, 1_000_000, 10_000_000))
IN_FLIGHT = 64
EVENTS_A_RUN = 9

FILL_POSTGRES = """
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT
    to_char(number / %(each)s, 'FM000000000000') || md5((number / %(each)s)::text),
    number %% %(each)s + 1,
    'amends.saga.events:ActionSucceeded',
    decode(repeat('7b', 140), 'hex')
FROM generate_series(0, %(count)s - 1) AS number
"""
FILL_SQLITE = """
WITH RECURSIVE numbers (number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number < :count - 1)
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT
    printf('%012d%020d', number / :each, number / :each * 7919),
    number % :each + 1,
    'amends.saga.events:ActionSucceeded',
    zeroblob(140)
FROM numbers
"""


async def _make_tables(url: str) -> None:
    log = open_log(url)
    await log.open()
    await log.close()


def filled(url: str, count: int) -> str:
    """Fill a new database with so many events of ended runs, and return its URL."""
    asyncio.run(_make_tables(url))
    parameters = {"count": count, "each": EVENTS_A_RUN}
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute(FILL_SQLITE, parameters)
            file.commit()
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FILL_POSTGRES, parameters)
            connection.execute("VACUUM ANALYZE stored_events")
            connection.execute("CHECKPOINT")
    return url


def compare(store: str, fresh: Callable[[], str]) -> None:
    urls = {count: filled(fresh(), count) for count in EVENTS}

    def with_events(count: int) -> Callable[[], Figures]:
        return lambda: alone(onboarding, urls[count], IN_FLIGHT)

    names = {f"{count:,} events": with_events(count) for count in EVENTS}
    found = in_turns(ROUNDS, names)
    table(f"{store}, {IN_FLIGHT} in flight", found, DIGITS)
    least, *_, most = names
    for figure in ("runs/s", "p50 ms"):
        print(f"  {most} over {least}, {figure}: {spread(ratios(found, most, least, figure), 2)}", flush=True)


def main() -> None:
    with stores() as fresh:
        for store in ("SQLite", "PostgreSQL"):
            compare(store, fresh[store])


if __name__ == "__main__":
    main()
