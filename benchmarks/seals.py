"""Seals: how many events a second are sealed, and how many verified, beside a plain reading of the log.

Sketch. An event is one SHA-256 of some 300 bytes and a link of its run's chain: 3 microseconds, and as much again to
read its row; a page of a thousand is one transaction with a row a run, 5 to 10 ms. So 70,000 to 100,000 events/s are
sealed, and somewhat more are verified, where nothing is written. Nothing is decoded.

Run it: make bench ARGS=seals
"""

import asyncio
import time
from collections.abc import Callable

from amends.projections import Sealer, verify
from amends.projections.database import open_database
from benchmarks.projections import fill
from benchmarks.tools.rounds import Figures, alone, form, in_turns, table
from benchmarks.tools.stores import stores

RUNS = form(4_000, 40_000)
ROUNDS = form(3, 5)


def sealed_and_verified(url: str) -> Figures:
    """Fill a log, read it, seal it, verify it; events a second of each."""
    count = asyncio.run(fill(url, 0, RUNS))
    found: dict[str, float] = {}
    for what, work in (("read", _read), ("sealed", _seal), ("verified", _verify)):
        began = time.perf_counter()
        assert work(url) == count
        found[f"{what}/s"] = count / (time.perf_counter() - began)
    return found


def _read(url: str) -> int:
    database, position, count = open_database(url), 0, 0
    while rows := database.page(position):
        position, count = rows[-1][4], count + len(rows)
    database.close()
    return count


def _seal(url: str) -> int:
    async def seal() -> int:
        async with Sealer(url) as sealer:
            return (await sealer.seal()).sealed_count

    return asyncio.run(seal())


def _verify(url: str) -> int:
    done = asyncio.run(verify(url))
    assert done.breach is None
    return done.event_count


def main() -> None:
    with stores() as fresh:

        def on(store: str) -> Callable[[], Figures]:
            return lambda: alone(sealed_and_verified, fresh[store]())

        found = in_turns(ROUNDS, {store: on(store) for store in ("SQLite", "PostgreSQL")})
    table("events", found, dict.fromkeys(("read/s", "sealed/s", "verified/s"), 0))


if __name__ == "__main__":
    main()
