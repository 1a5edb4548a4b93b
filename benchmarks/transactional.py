"""What it costs that a row and its record are one write: transactional steps beside those that commit a row themselves.

Sketch. A run of one step takes three appends, and those of many runs share commits. A plain step that writes a row adds
a commit of its own, on a connection of its own. A transactional one adds the same commit, but takes the *succeeded*
event out of the shared ones, and asks for the run's version under the log's lock. So on PostgreSQL it should be slower
than a plain one with a row, and both far from a step that writes nothing. On SQLite the handlers take turns with all
appends at one file, so with many runs at once it is the commits that count, and theirs are not shared.

Run it: make bench ARGS=transactional
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from amends import Action, Call, Coordinator
from benchmarks.tools.rounds import Figures, alone, form, in_turns, ratios, spread
from benchmarks.tools.stores import stores

RUNS = form(200, 2_000)
IN_FLIGHT = form((1, 32), (1, 32, 256))
ROUNDS = form(3, 5)
STEPS = ("no row", "row of its own", "transactional")


def _action(kind: str, url: str) -> Action[int, int]:
    keywords: dict[str, Any] = {"irreversible": True, "transactional": kind == "transactional"}
    if kind == "no row":

        async def nothing(number: int) -> int:
            return number

        return Action("step", do=nothing, **keywords)
    is_file = url.startswith("sqlite")
    idle: list[Any] = []

    async def write(number: int, call: Call) -> int:
        if kind == "transactional":
            await call.connection.execute("INSERT INTO made VALUES (%s)", [number])
            return number
        connection = idle.pop() if idle else await psycopg.AsyncConnection.connect(url)
        await connection.execute("INSERT INTO made VALUES (%s)", [number])
        await connection.commit()
        idle.append(connection)
        return number

    def write_to_file(number: int, call: Call) -> int:
        if kind == "transactional":
            call.connection.execute("INSERT INTO made VALUES (?)", [number])
            return number
        connection = idle.pop() if idle else _connected(url)
        connection.execute("INSERT INTO made VALUES (?)", [number])
        connection.commit()
        idle.append(connection)
        return number

    return Action("step", do=write_to_file if is_file else write, timeout=60.0, **keywords)


def _connected(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def measure(url: str, kind: str, in_flight: int) -> Figures:
    """Return runs a second."""

    async def scenario() -> float:
        step = _action(kind, url)
        async with Coordinator(url, actions=[step]) as coordinator:
            _make_table(url)
            numbers = iter(range(RUNS))

            async def some() -> None:
                for number in numbers:
                    await coordinator.invoke(step, number)

            await coordinator.invoke(step, -1)
            began = time.perf_counter()
            await asyncio.gather(*(some() for _ in range(in_flight)))
            return RUNS / (time.perf_counter() - began)

    return {"runs/s": asyncio.run(scenario())}


def _make_table(url: str) -> None:
    connection: Any = _connected(url) if url.startswith("sqlite") else psycopg.connect(url)
    connection.execute("CREATE TABLE made (number bigint)")
    connection.commit()
    connection.close()


def main() -> None:
    """Print a table."""
    print(f"{'store':12}{'in flight':>10}  {'step':16}{'runs/s':>24}{'over a row of its own':>24}")
    with stores() as fresh:
        for store in ("SQLite", "PostgreSQL"):
            for in_flight in IN_FLIGHT:
                contenders: dict[str, Callable[[], Figures]] = {
                    kind: partial(_measured, fresh[store], kind, in_flight) for kind in STEPS
                }
                found = in_turns(ROUNDS, contenders)
                for kind in STEPS:
                    figures = spread([figure["runs/s"] for figure in found[kind]])
                    over = spread(ratios(found, kind, "row of its own", "runs/s"), 2)
                    print(f"{store:12}{in_flight:10}  {kind:16}{figures:>24}{over:>24}")


def _measured(make: Callable[[], str], kind: str, in_flight: int) -> Figures:
    return alone(measure, make(), kind, in_flight)


if __name__ == "__main__":
    main()
