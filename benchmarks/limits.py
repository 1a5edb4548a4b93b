"""Attempts of a limited action against those of an unlimited one, by one worker and by four, on PostgreSQL.

Sketch. A worker asks the log for its share some ten times a second at most, whatever its attempts number; in between
permits go from one attempt to the next in memory. So with as many permits as there are attempts at once, the limited
action should be as quick as the unlimited one, within the cost of a deque for each attempt: 95 per cent or more. With 8
permits for handlers that take 10 ms, 800 attempts a second are the bound; one worker should come near it, for it keeps
its share. Four workers pass permits around only when their shares change, so they should come near it, too.

Run it: make bench ARGS=limits
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from amends import Action, Coordinator, Run, Saga
from benchmarks.tools.rounds import Figures, form, in_turns, ratios, spread, table
from benchmarks.tools.stores import stores

ROUNDS = form(3, 5)
IN_FLIGHT = 64
RUNS = 240
STEPS = 4
PERMITS = 8
HANDLER_SECONDS = 0.01


async def _load(url: str, concurrency: int | None, seconds: float, in_flight: int, count: int) -> Figures:
    async def call(value: int) -> int:
        if seconds:
            await asyncio.sleep(seconds)
        return value

    called: Action[int, int] = Action("call", do=call, irreversible=True, concurrency=concurrency)

    async def calls(run: Run, value: int) -> int:
        for _ in range(STEPS):
            value = await run.do(called, value)
        return value

    saga: Saga[int, int] = Saga("calls", version=1, function=calls)
    async with Coordinator(url, sagas=[saga], actions=[called]) as coordinator:
        numbers = iter(range(count))

        async def lane() -> None:
            for number in numbers:
                await coordinator.run(saga, number)

        began, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(lane() for _ in range(in_flight)))
        took, spent = time.perf_counter() - began, time.process_time() - spent
    return {"attempts/s": count * STEPS / took, "CPU us an attempt": spent / (count * STEPS) * 1e6}


def load(url: str, concurrency: int | None, seconds: float, in_flight: int, count: int) -> Figures:
    """Return the figures of one process."""
    return asyncio.run(_load(url, concurrency, seconds, in_flight, count))


def together(url: str, workers: int, concurrency: int | None, seconds: float) -> Figures:
    """Return the figures of so many processes on one database, that have 64 runs in flight between them."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as processes:
        share = (concurrency, seconds, IN_FLIGHT // workers, RUNS // workers)
        found = [load.result() for load in [processes.submit(load, url, *share) for _ in range(workers)]]
    cpu = sum(figures["CPU us an attempt"] for figures in found) / workers
    return {"attempts/s": sum(figures["attempts/s"] for figures in found), "CPU us an attempt": cpu}


def main() -> None:
    with stores() as fresh:

        def of(workers: int, concurrency: int | None, seconds: float) -> Callable[[], Figures]:
            return lambda: together(fresh["PostgreSQL"](), workers, concurrency, seconds)

        cases = {
            f"{name}, {workers} worker{'s' * (workers > 1)}": of(workers, concurrency, seconds)
            for workers in (1, 4)
            for name, concurrency, seconds in (
                ("unlimited", None, 0.0),
                ("64 permits", IN_FLIGHT, 0.0),
                ("8 permits of 10 ms", PERMITS, HANDLER_SECONDS),
            )
        }
        found = in_turns(ROUNDS, cases)
    table(f"{IN_FLIGHT} in flight, {os.cpu_count()} cores", found, {"attempts/s": 0, "CPU us an attempt": 0})
    for workers in ("1 worker", "4 workers"):
        limited, unlimited = f"64 permits, {workers}", f"unlimited, {workers}"
        print(f"  64 permits over none, {workers}: {spread(ratios(found, limited, unlimited, 'attempts/s'), 2)}")
        bound = PERMITS / HANDLER_SECONDS
        reached = [figures["attempts/s"] / bound for figures in found[f"8 permits of 10 ms, {workers}"]]
        print(f"  of the bound of {bound:.0f}/s, {workers}: {spread(reached, 2)}")


if __name__ == "__main__":
    main()
