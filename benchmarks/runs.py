"""Throughput, latency and cost of a run: one step, then two in parallel, trivial handlers, in one process.

Sketch. A run is nine events in three appends when nothing else is under way: its start and step 1; that result and
steps 2 and 3; both results and the end. With one in flight each append is a commit of its own, about 0.4 ms on a local
PostgreSQL that waits for its disk, so 1.2 ms and the process's own time. From 16 in flight on the commits are shared,
and the process's own time is the limit: nine events of about 25 microseconds, three handlers, three tasks, so 250 to
500 microseconds of Python: 2,000 to 4,000 runs/s. Memory is 40 MB of Python and libraries, and what is in flight: about
20 kB a run, so 60 MB with 1,024. WAL: nine rows of 150 bytes with two index entries of 60 bytes each are about 2.5 kB,
and two writes in the table of unfinished runs 1 kB more.

A failing run has three events more for each of its two undos, one for the failure and one more append: about 1.6 times
the cost.

Run it: make bench ARGS=runs
"""

from collections.abc import Callable
from functools import partial

from benchmarks.tools.load import DIGITS
from benchmarks.tools.onboarding import onboarding
from benchmarks.tools.rounds import Figures, alone, form, in_turns, ratios, spread, table
from benchmarks.tools.stores import STORES, stores

ROUNDS = form(3, 5)
IN_FLIGHT = form((1, 64, 1_024), (1, 16, 64, 256, 1_024))
FAILING_IN_FLIGHT = (1, 64)


def main() -> None:
    with stores() as fresh:
        for store in STORES:
            compare(store, fresh[store])


def compare(store: str, fresh: Callable[[], str]) -> None:
    """Measure all of it on one store."""

    def measure(in_flight: int, *, fails: bool = False) -> Figures:
        return alone(onboarding, fresh(), in_flight, fails=fails)

    contenders = {f"{count:,} in flight": partial(measure, count) for count in IN_FLIGHT}
    contenders |= {f"{count:,}, failing": partial(measure, count, fails=True) for count in FAILING_IN_FLIGHT}
    found = in_turns(ROUNDS, contenders)
    table(store, found, DIGITS)
    for count in FAILING_IN_FLIGHT:
        share = ratios(found, f"{count:,}, failing", f"{count:,} in flight", "runs/s")
        print(f"  failing runs/s over completed ones, {count} in flight: {spread(share, 2)}")


if __name__ == "__main__":
    main()
