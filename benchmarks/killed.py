"""How long 500 runs take that were killed inside a step of three seconds: from the restart until all are complete.

Each run does a short step, then one of 3 s; a process hosts all of them and is killed with SIGKILL when all are in the
long step. Another process starts at once.

Sketch. The dead worker's lease has to lapse, so up to a lease (here 1 s; a quarter of it may have passed since the last
renewal, and a worker looks three times a lease). Then 500 runs are claimed, 50 in one go: each go is two questions, 50
reads, and one commit, about 0.1 s, so 1 s in all, during which the first ones are in their step already. Then 3 s for
the last one's step. Expect 3 s + the lease + 1 s.

Run it: make bench ARGS=killed
"""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from amends import Coordinator, Run, action, saga
from amends.saga.events import RunCompleted
from amends.saga.log.open import open_log
from benchmarks.tools.rounds import Figures, form, in_turns, table
from benchmarks.tools.stores import stores

ROUNDS = form(1, 5)
RUNS = 500
STEP_SECONDS = 3.0
LEASE_SECONDS = 1.0

_spawn = multiprocessing.get_context("spawn")


@action("prepare", irreversible=True)
async def prepare(number: int) -> int:
    return number


@action("dwell", irreversible=True)
async def dwell(number: int) -> int:
    entered.append(number)
    await asyncio.sleep(STEP_SECONDS)
    return number


@saga("long")
async def long(run: Run, number: int) -> int:
    return await run.do(dwell, await run.do(prepare, number))


entered: list[int] = []
"""The runs whose long step was entered in this process."""


def coordinator(url: str) -> Coordinator:
    return Coordinator(url, sagas=[long], actions=[prepare, dwell], lease_seconds=LEASE_SECONDS, drain_seconds=0)


def host(url: str, entered_all: Connection) -> None:
    """Start all runs and say when all are in the long step. Never ends by itself."""
    asyncio.run(_host(url, entered_all))


async def _host(url: str, entered_all: Connection) -> None:
    async with coordinator(url) as hosting:
        await asyncio.gather(*(hosting.start(long, number, run_id=f"long-{number}") for number in range(RUNS)))
        while len(entered) < RUNS:  # noqa: ASYNC110 - nobody is to be told by a handler here
            await asyncio.sleep(0.01)
        entered_all.send(True)
        await asyncio.Event().wait()


def finish(url: str, killed_at: float, found: Connection) -> None:
    """Take up all runs, and say how long it took until all were complete."""
    asyncio.run(_finish(url, killed_at, found))


async def _finish(url: str, killed_at: float, found: Connection) -> None:
    async with coordinator(url):
        opened = time.time() - killed_at
        while not entered:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        first = time.time() - killed_at
        await _all_complete(url)
        found.send({"open s": opened, "first entered s": first, "all complete s": time.time() - killed_at})


async def _all_complete(url: str) -> None:
    log = open_log(url)
    await log.open()
    left = RUNS
    async for page in log.follow():
        left -= sum(event.topic == RunCompleted.TOPIC for event in page)
        if not left:
            break
    await log.close()


def kill_and_finish(url: str) -> Figures:
    here, there = _spawn.Pipe()
    victim = _spawn.Process(target=host, args=(url, there), daemon=True)
    victim.start()
    here.recv()
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    killed_at = time.time()
    successor = _spawn.Process(target=finish, args=(url, killed_at, there), daemon=True)
    successor.start()
    figures: Figures = here.recv()
    successor.join()
    victim.join()
    return {**figures, "beyond step and lease s": figures["all complete s"] - STEP_SECONDS - LEASE_SECONDS}


def main() -> None:
    with stores() as fresh:

        def on(store: str) -> Callable[[], Figures]:
            return lambda: kill_and_finish(fresh[store]())

        found = in_turns(ROUNDS, {store: on(store) for store in ("SQLite", "PostgreSQL")})
    names = ("open s", "first entered s", "all complete s", "beyond step and lease s")
    table(f"{RUNS} runs, step {STEP_SECONDS:g} s, lease {LEASE_SECONDS:g} s", found, dict.fromkeys(names, 2))


if __name__ == "__main__":
    main()
