"""Four worker processes on one PostgreSQL, against one: how many runs a second in total, and how long each takes.

Sketch. With 64 in flight one process is busy with Python, and PostgreSQL is not. Four processes with 16 each use up to
four cores for Python, so on four cores or more they are two to three times as quick, until the log's lock is the limit:
a commit of 16 runs holds it for 1 to 2 ms, so about 10,000 runs/s. On two cores that the server needs as well, the four
share the one that one process has: the same throughput, less what the smaller batches cost. A run waits for the commits
of the other three processes before each of its own: its p99 should stay within 4 times.

Run it: make bench ARGS=workers
"""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from benchmarks.tools.load import DIGITS
from benchmarks.tools.onboarding import onboarding
from benchmarks.tools.rounds import Figures, form, in_turns, ratios, spread, table
from benchmarks.tools.stores import stores

ROUNDS = form(3, 5)
IN_FLIGHT = 64
TOTAL = ("runs/s",)
WORST = ("p50 ms", "p99 ms", "peak MB")
"""Of several processes, the total of some figures counts, and the worst of others."""


def together(url: str, count: int) -> Figures:
    """Return the figures of so many processes on one database, that have 64 runs in flight between them."""
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as processes:
        loads = [processes.submit(onboarding, url, IN_FLIGHT // count) for _ in range(count)]
        found = [load.result() for load in loads]
    total = {name: sum(figures[name] for figures in found) for name in TOTAL}
    worst = {name: max(figures[name] for figures in found) for name in WORST}
    return total | worst | {"CPU us a run": sum(figures["CPU us a run"] for figures in found) / count}


def main() -> None:
    with stores() as fresh:

        def workers(count: int) -> Callable[[], Figures]:
            return lambda: together(fresh["PostgreSQL"](), count)

        found = in_turns(ROUNDS, {"one process": workers(1), "two": workers(2), "four": workers(4)})
    table(f"{IN_FLIGHT} in flight, {os.cpu_count()} cores", found, DIGITS)
    for name in ("two", "four"):
        for figure in ("runs/s", "p99 ms"):
            print(f"  {name} over one process, {figure}: {spread(ratios(found, name, 'one process', figure), 2)}")


if __name__ == "__main__":
    main()
