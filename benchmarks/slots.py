"""What a lock costs: one that is free, one that many runs want, and a limit of a saga with a long queue.

Four sagas of one step: without a lock; with a lock of its own key (free, always); with one key for all (each run waits
for the one before it); and with a limit of 8 runs at once. All runs are started at once and left to one worker.

Sketch. A lock that is free is one commit more and a look at the table of slots. A run that waits for one is let go
of and claimed again: a start, a claim, and the time from one end to the next claim, on SQLite and
PostgreSQL a commit, a bell and a look for work. So one key for all should be several times slower than a lock that is
free; the length of the queue should not matter.

Run it: make bench ARGS=slots
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from amends import Coordinator, Run, Saga, action
from benchmarks.tools.rounds import Figures, alone, form, in_turns, ratios, spread
from benchmarks.tools.stores import STORES, stores

RUNS = form(500, 5_000)
ROUNDS = form(3, 5)
LIMIT = 8


@action("step", irreversible=True)
async def step(number: int) -> int:
    return number


async def _plain(run: Run, number: int) -> None:
    await run.do(step, number)


async def _own_key(run: Run, number: int) -> None:
    await run.lock(f"key-{number}")
    await run.do(step, number)


async def _one_key(run: Run, number: int) -> None:
    await run.lock("key")
    await run.do(step, number)


SAGAS: dict[str, Saga[int, None]] = {
    "without": Saga("without", version=1, function=_plain),
    "a free lock": Saga("free", version=1, function=_own_key),
    "one lock for all": Saga("one", version=1, function=_one_key),
    "limit of 8": Saga("limit", version=1, function=_plain, concurrency=LIMIT),
}


def measure(url: str, kind: str) -> Figures:
    """Return runs a second, from the first start to the last end."""
    saga = SAGAS[kind]

    async def scenario() -> Figures:
        async with Coordinator(url, sagas=[saga], actions=[step], max_running=64) as coordinator:
            began, cpu = time.perf_counter(), time.process_time()
            handles = [await coordinator.start(saga, number, here=False) for number in range(RUNS)]
            started = time.perf_counter()
            await asyncio.gather(*(handle.result() for handle in handles))
            seconds = time.perf_counter() - began
            return {
                "runs/s": RUNS / seconds,
                "starts/s": RUNS / (started - began),
                "CPU ms/run": (time.process_time() - cpu) / RUNS * 1_000,
            }

    return asyncio.run(scenario())


def main() -> None:
    """Print a table."""
    print(f"{'store':12}{'saga':20}{'runs/s':>24}{'over without':>22}{'starts/s':>22}{'CPU ms/run':>22}")
    with stores() as fresh:
        for store in STORES:
            contenders: dict[str, Callable[[], Figures]] = {
                kind: partial(_measured, fresh[store], kind) for kind in SAGAS
            }
            found = in_turns(ROUNDS, contenders)
            for kind in SAGAS:
                rate = spread([figure["runs/s"] for figure in found[kind]])
                over = spread(ratios(found, kind, "without", "runs/s"), 2)
                starts = spread([figure["starts/s"] for figure in found[kind]])
                cpu = spread([figure["CPU ms/run"] for figure in found[kind]], 2)
                print(f"{store:12}{kind:20}{rate:>24}{over:>22}{starts:>22}{cpu:>22}")


def _measured(make: Callable[[], str], kind: str) -> Figures:
    return alone(measure, make(), kind)


if __name__ == "__main__":
    main()
