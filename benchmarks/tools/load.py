"""Keeps a number of runs in flight for a while, and tells what they cost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import quantiles

from benchmarks.tools.gauges import Gauges, peak_megabytes
from benchmarks.tools.rounds import Figures, form

WARM_UP_SECONDS = form(0.3, 1.0)
SECONDS = form(1.0, 5.0)

DIGITS = {
    "runs/s": 0,
    "p50 ms": 2,
    "p99 ms": 1,
    "CPU us a run": 0,
    "commits a run": 2,
    "WAL bytes a run": 0,
    "peak MB": 0,
}
"""The figures of a load, and with how many digits they are told."""


async def loaded(url: str, in_flight: int, run: Callable[[], Awaitable[object]]) -> Figures:
    """Return what a run costs while so many are in flight: each that has ended is followed by another one.

    Warming up is left out, and so is the end, when fewer and fewer are in flight.
    """
    times: list[float] = []
    is_over = False

    async def lane() -> None:
        while not is_over:
            began = time.perf_counter()
            await run()
            times.append(time.perf_counter() - began)

    with Gauges(url) as gauges:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(in_flight):
                lanes.create_task(lane())
            await _until(WARM_UP_SECONDS, lambda: len(times) >= in_flight)
            times.clear()
            before = gauges.read()
            # Those that began at the same moment end in waves, so whole waves are counted.
            await _until(SECONDS, lambda: len(times) >= 2 * in_flight)
            used = gauges.read().since(before)
            ended = sorted(times)
            is_over = True
        reads_server = gauges.reads_server
    percentiles = quantiles(ended, n=100)
    figures = {
        "runs/s": len(ended) / used.seconds,
        "p50 ms": percentiles[49] * 1e3,
        "p99 ms": percentiles[98] * 1e3,
        "CPU us a run": used.cpu_seconds / len(ended) * 1e6,
        "peak MB": peak_megabytes(),
    }
    if reads_server:
        figures |= {
            "commits a run": used.write_commits / len(ended),
            "WAL bytes a run": used.wal_bytes / len(ended),
        }
    return figures


async def _until(seconds: float, enough: Callable[[], bool]) -> None:
    """Wait so long, and longer while it is not enough."""
    await asyncio.sleep(seconds)
    while not enough():  # noqa: ASYNC110 - no lane is to pay for telling us
        await asyncio.sleep(0.01)
