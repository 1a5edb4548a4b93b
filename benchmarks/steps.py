"""What a step costs as a run gets longer: sagas of 100, 1,000 and 10,000 steps in sequence, forward and undone.

Sketch. A step is two events and one append; in memory about 150 microseconds of Python. Everything that is kept of a
step is one object of about 400 bytes plus its input and output, so 10,000 steps are about 10 MB. Nothing may grow with
the number of steps already done: the ratio of the last row's time per step to the first's should be about 1.

Run it: make bench ARGS=steps
"""

import asyncio
import time
import tracemalloc
from contextlib import suppress

from amends import Coordinator, Run, RunFailed, action, saga


@action("step")
async def step(number: int) -> int:
    return number


@step.undo
async def unstep(number: int, output: int | None) -> None: ...


@saga("forward")
async def forward(run: Run, count: int) -> int:
    for number in range(count):
        await run.do(step, number)
    return count


@saga("back")
async def back(run: Run, count: int) -> int:
    await forward.function(run, count)
    raise ValueError("undo it all")


async def measure(count: int, *, undone: bool) -> tuple[float, float]:
    """Return microseconds a step, and peak bytes a step."""
    async with Coordinator("memory://", sagas=[forward, back], actions=[step]) as coordinator:
        began = time.perf_counter()
        with suppress(RunFailed):
            await coordinator.run(back if undone else forward, count)
        seconds = time.perf_counter() - began
        tracemalloc.start()
        with suppress(RunFailed):
            await coordinator.run(back if undone else forward, count // 10)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return seconds / count * 1e6, peak / (count // 10)


def main() -> None:
    print(f"{'steps':>8}{'':10}{'us a step':>12}{'bytes a step':>14}   (bytes: measured on a tenth of the steps)")
    for undone in (False, True):
        first = None
        for count in (100, 1_000, 10_000):
            microseconds, size = asyncio.run(measure(count, undone=undone))
            first = first or microseconds
            label = "undone" if undone else "forward"
            print(f"{count:>8,}  {label:8}{microseconds:>12,.0f}{size:>14,.0f}   x {microseconds / first:.2f}")


if __name__ == "__main__":
    main()
