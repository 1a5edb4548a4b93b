"""Whether memory stays flat: one process, 64 runs in flight, 100,000 runs (a million in the long form).

Sketch. What is kept of a run that has ended is nothing, neither here nor in the log's objects, so after the first ten
thousand, when every pool and cache has its size, nothing may grow: less than 2 MB to the end. On PostgreSQL, because
the log in memory keeps every event, as it should.

A flat line proves nothing unless a leak would bend it. So a control comes first, which keeps 1 kB of each run: it must
show about 1 MB more for each thousand runs.

Run it: make bench ARGS=memory
"""

import asyncio

from amends import Coordinator
from benchmarks.tools.gauges import peak_megabytes, present_megabytes
from benchmarks.tools.onboarding import ACTIONS, EMAIL, SAGAS, onboard_user
from benchmarks.tools.rounds import alone, form
from benchmarks.tools.stores import stores

RUNS = form(100_000, 1_000_000)
LOOKS = 10
IN_FLIGHT = 64


async def look(url: str, runs: int, kept_bytes: int) -> None:
    """Print the process's memory after each tenth of the runs, of each of which so many bytes are kept."""
    async with Coordinator(url, sagas=SAGAS, actions=ACTIONS) as coordinator:
        kept: list[bytes] = []  # one for each run that has ended
        first = None

        async def lane(count: int) -> None:
            for _ in range(count):
                await coordinator.run(onboard_user, EMAIL)
                kept.append(bytes(kept_bytes))

        for _ in range(LOOKS):
            async with asyncio.TaskGroup() as lanes:
                for _ in range(IN_FLIGHT):
                    lanes.create_task(lane(runs // LOOKS // IN_FLIGHT))
            now = present_megabytes()
            first = first or now
            print(
                f"{len(kept):>12,} runs {now:8.2f} MB {now - first:+8.2f} MB   peak {peak_megabytes():.2f} MB",
                flush=True,
            )


def watch(url: str, runs: int, kept_bytes: int) -> None:
    asyncio.run(look(url, runs, kept_bytes))


def main() -> None:
    with stores() as fresh:
        print("control, 1 kB kept of each run:")
        alone(watch, fresh["PostgreSQL"](), RUNS // 10, 1_000)
        print("nothing kept (a counter of 8 bytes a run):")
        alone(watch, fresh["PostgreSQL"](), RUNS, 0)


if __name__ == "__main__":
    main()
