"""What a step costs as a run gets longer: sagas of 1 to 10,000 steps in sequence, forward and undone.

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
from benchmarks.tools.rounds import form, spread

STEPS = form((1, 10, 100, 1_000), (1, 10, 100, 1_000, 10_000))
BASE = STEPS.index(10)
ROUNDS = form(3, 5)


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

        async def run(steps: int) -> None:
            with suppress(RunFailed):
                await coordinator.run(back if undone else forward, steps)

        runs, measured_count = max(1, 1_000 // count), max(1, count // 10)
        await run(10)
        began = time.perf_counter()
        for _ in range(runs):
            await run(count)
        seconds = time.perf_counter() - began
        tracemalloc.start()
        await run(measured_count)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return seconds / count / runs * 1e6, peak / measured_count


def main() -> None:
    print(
        f"{'steps':>8}{'':10}{'us a step':>22}{'bytes a step':>14}   (bytes: of a tenth of the steps; x: over 10 steps)"
    )
    for undone in (False, True):
        rounds = [[asyncio.run(measure(count, undone=undone)) for count in STEPS] for _ in range(ROUNDS)]
        for count, found in zip(STEPS, zip(*rounds, strict=True), strict=True):
            microseconds = [row[0] for row in found]
            ratios = [row[0] / round_[BASE][0] for row, round_ in zip(found, rounds, strict=True)]
            label = "undone" if undone else "forward"
            print(f"{count:>8,}  {label:8}{spread(microseconds):>22}{found[0][1]:>14,.0f}   x {spread(ratios, 2)}")


if __name__ == "__main__":
    main()
