"""Runs per second and the time of one run: the onboarding shape with trivial handlers, in one process.

Sketch. A run is one step, then two in parallel: nine events, four appends when it is alone (start and step 1; its
result and steps 2 and 3; their results, one by one or together, the last with the end). With one in flight, a run
takes four commits, so about 4 x 0.4 ms on a local PostgreSQL, plus our own time. With 64 in flight the commits are
shared, so the process's own time is the limit: nine events of about 25 microseconds, three handlers, three tasks, say
500 microseconds of Python, so about 2,000 runs/s at best on such a machine.

Run it: make bench ARGS=runs
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from amends import Coordinator, Run, action, saga
from tests.postgres import fresh_database, running_server

ROUNDS = 5
RUNS = {1: 150, 64: 960}


@action("create-user")
async def create_user(email: str) -> str:
    return f"user of {email}"


@create_user.undo
async def delete_user(email: str, user_id: str | None) -> None: ...


@action("send-welcome-email", irreversible=True)
async def send_welcome_email(email: str) -> str:
    return "sent"


@action("update-crm-contact", irreversible=True)
async def update_crm_contact(email: str) -> int:
    return len(email)


@saga("onboard-user")
async def onboard_user(run: Run, email: str) -> str:
    user_id = await run.do(create_user, email)
    await run.all(run.do(send_welcome_email, email), run.do(update_crm_contact, email))
    return user_id


ACTIONS = [create_user, send_welcome_email, update_crm_contact]


async def measure(url: str, in_flight: int) -> tuple[float, float, float]:
    """Return runs per second, the median time of a run in ms, and the process's CPU time per run in microseconds."""
    times: list[float] = []
    async with Coordinator(url, sagas=[onboard_user], actions=ACTIONS) as coordinator:

        async def lane(count: int) -> None:
            for _ in range(count):
                began = time.perf_counter()
                await coordinator.run(onboard_user, "ada@example.com")
                times.append(time.perf_counter() - began)

        await lane(10)
        times.clear()
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as lanes:
            for _ in range(in_flight):
                lanes.create_task(lane(RUNS[in_flight] // in_flight))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return len(times) / seconds, statistics.median(times) * 1e3, cpu / len(times) * 1e6


def report(name: str, in_flight: int, urls: Iterator[str]) -> None:
    rounds = [asyncio.run(measure(next(urls), in_flight)) for _ in range(ROUNDS)]
    cells = "".join(
        f"{statistics.median(column):>12,.{digits}f} ({min(column):,.{digits}f}-{max(column):,.{digits}f})"
        for column, digits in zip(zip(*rounds, strict=True), (0, 2, 0), strict=True)
    )
    print(f"{name:12}{in_flight:>10}  {cells}")


def main() -> None:
    print(f"{'median (min-max)':16}{'in flight':>6}{'runs/s':>15}{'ms a run':>22}{'CPU us a run':>24}")
    with tempfile.TemporaryDirectory() as folder, running_server(fsync=True) as server:
        files = (f"sqlite:///{Path(folder) / f'{n}.db'}" for n in itertools.count())
        with ExitStack() as databases:
            fresh = (databases.enter_context(fresh_database(server)) for _ in itertools.count())
            for name, urls in (("memory", itertools.repeat("memory://")), ("SQLite", files), ("PostgreSQL", fresh)):
                for in_flight in RUNS:
                    report(name, in_flight, iter(urls))


if __name__ == "__main__":
    main()
