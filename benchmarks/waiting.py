"""100,000 runs that wait: what they cost a worker, how soon they go on, and whether they stand in the way of others.

They are started, each with a step and then a wait for a signal; the worker's memory is looked at. Then it is restarted
with all of them at rest. Then 1,000 are due at once, after a wait that was let go of, and 200 are told a signal by
another coordinator, one after the other: how long until their next step. Last, how long it takes to look for work among
so many rows that wait.

Sketch. A run that was let go of is a row and five events: nothing of it is in memory, so a worker holds what a worker
holds, some 60 MB, whether 1,000 or 100,000 wait; the issue allows 500. To start one is two commits, one of them with
64 others: 1,000 runs/s, so 100 s or two minutes. A restart reads none of them. 1,000 that are due at once are woken in
five transactions and claimed 50 at a time: at 1,000 runs/s the last one goes on after a second, p50 at half of that. A
signal is a commit, a notification (PostgreSQL) or a look that comes within 50 ms (SQLite), a claim and another commit:
10 to 100 ms. To look for work hops over rows that wait, as over those that others have: under a millisecond.

Run it: make bench ARGS=waiting
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from amends import Call, Coordinator, Run, Saga, action
from amends.saga.log.open import open_log
from benchmarks.tools.gauges import peak_megabytes, present_megabytes
from benchmarks.tools.rounds import alone, form
from benchmarks.tools.stores import stores

RUNS = int(os.environ.get("AMENDS_BENCH_RUNS", form(20_000, 100_000)))
DUE = 1_000
SIGNALS = 200
IN_FLIGHT = 64
LOOKS = 50

went_on: dict[str, float] = {}
"""When the step behind its wait was entered, of each run; on the clock of this process."""


@action("prepare", irreversible=True)
async def prepare(call: Call) -> None:
    pass


@action("go-on", irreversible=True)
async def go_on(call: Call) -> None:
    went_on[call.run_id] = time.time()


async def _hear(run: Run) -> None:
    await run.do(prepare)
    await run.wait_for("go")
    await run.do(go_on)


async def _sleep(run: Run, until: float) -> None:
    await run.do(prepare)
    await run.sleep(max(0.0, until - run.now().timestamp()))
    await run.do(go_on)


hears: Saga[None, None] = Saga("hears", version=1, function=_hear)
sleeps: Saga[float, None] = Saga("sleeps", version=1, function=_sleep)
WORLD: dict[str, Any] = {"sagas": [hears, sleeps], "actions": [prepare, go_on]}


async def until(what: Callable[[], bool]) -> None:
    """Return when something is the case; nobody tells."""
    while not what():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def hosted(coordinator: Coordinator) -> int:
    """Return how many runs a coordinator hosts."""
    hosting = coordinator._hosting  # noqa: SLF001 - what observers are told of is not asked for here
    return len(hosting.drivers) if hosting else 0


async def start_all(url: str) -> None:
    """Start the runs that wait, and say how long that took and what the worker holds then."""
    async with Coordinator(url, **WORLD) as coordinator:
        before = present_megabytes()
        numbers = iter(range(RUNS))

        async def lane() -> None:
            for number in numbers:
                await coordinator.start(hears, run_id=f"waits-{number}")

        began = time.perf_counter()
        async with asyncio.TaskGroup() as lanes:
            for _ in range(IN_FLIGHT):
                lanes.create_task(lane())
        await until(lambda: not hosted(coordinator))
        seconds = time.perf_counter() - began
        now = present_megabytes()
        print(f"  {RUNS:,} started and let go of in {seconds:.0f} s, {RUNS / seconds:,.0f} a second")
        print(f"  the worker: {before:.0f} MB before, {now:.0f} MB with all of them, {peak_megabytes():.0f} MB at most")


async def restart(url: str) -> None:
    """Say what a worker costs that comes up with all of them at rest, and how long it takes to look for work."""
    began, busy = time.perf_counter(), time.process_time()
    async with Coordinator(url, **WORLD):
        up = time.perf_counter() - began
        await asyncio.sleep(2.0)
        busy = time.process_time() - busy
        print(f"  a restart: up in {up * 1000:.0f} ms; in two seconds it used {busy * 1000:.0f} ms of CPU")
    log = open_log(url)
    await log.open()
    times = []
    for _ in range(LOOKS):
        look = time.perf_counter()
        await log.claimable([("hears", 1), ("sleeps", 1)], 50)
        times.append((time.perf_counter() - look) * 1000)
    await log.close()
    print(f"  a look for work: median {statistics.median(times):.2f} ms, max {max(times):.2f}")


async def fall_due(url: str) -> None:
    """Say how long runs take to go on that are due at the same time."""
    async with Coordinator(url, **WORLD) as coordinator:
        due_at = time.time() + 12.0
        numbers = iter(range(DUE))

        async def lane() -> None:
            for number in numbers:
                await coordinator.start(sleeps, due_at, run_id=f"sleeps-{number}")

        async with asyncio.TaskGroup() as lanes:
            for _ in range(IN_FLIGHT):
                lanes.create_task(lane())
        await asyncio.gather(*(coordinator.handle(f"sleeps-{number}").result() for number in range(DUE)))
        _tell(f"{DUE:,} due at once", [went_on[f"sleeps-{number}"] - due_at for number in range(DUE)])


async def be_told(url: str) -> None:
    """Say how long runs take to go on when another coordinator tells them what they wait for."""
    async with Coordinator(url, **WORLD), Coordinator(url, **WORLD, max_running=0) as client:
        taken = []
        for number in range(SIGNALS):
            run_id = f"waits-{number}"
            began = time.time()
            await client.signal(run_id, "go", by="bench")
            await until(lambda: run_id in went_on)  # noqa: B023 - used at once
            taken.append(went_on[run_id] - began)
        _tell(f"{SIGNALS} signals, one by one", taken)


def _tell(what: str, seconds: list[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    print(f"  {what}: p50 {cuts[49] * 1000:,.0f} ms, p99 {cuts[98] * 1000:,.0f} ms, max {max(seconds) * 1000:,.0f} ms")


def _alone(part: Any, url: str) -> None:
    asyncio.run(part(url))


def main() -> None:
    with stores() as fresh:
        for store in ("SQLite", "PostgreSQL"):
            url = fresh[store]()
            print(f"{store}:", flush=True)
            for part in (start_all, restart, fall_due, be_told):
                alone(_alone, part, url)


if __name__ == "__main__":
    main()
