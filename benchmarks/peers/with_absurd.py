"""Absurd: a task of steps in its queue, and workers in this process that poll for tasks.

Its SDK gives a worker one connection and runs what that worker has claimed at the same time, so several workers share
the work. Waiting for a result by its own call polls every 50 ms and longer; here whoever waits is told by the handler
and asks then, every millisecond, which is the quickest way that we found. Compensations are steps that run after a
failed one; the task then ends, because a task that raises is tried again.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from absurd_sdk import AsyncAbsurd, AsyncTaskContext

from benchmarks.peers.peer import EMAIL, Bounced, measure

WORKERS = 8
POLL_SECONDS = 0.002

Ended = dict[str, asyncio.Event]


async def nothing() -> str:
    return "done"


async def bounce() -> str:
    raise Bounced("no such mailbox")


async def onboard_user(params: Any, ctx: AsyncTaskContext) -> Any:
    user_id = await ctx.step("create-user", nothing)
    await asyncio.gather(ctx.step("send-welcome-email", nothing), ctx.step("update-crm-contact", nothing))
    return user_id


async def fail_to_onboard_user(params: Any, ctx: AsyncTaskContext) -> Any:
    user_id = await ctx.step("create-user", nothing)
    outcomes = await asyncio.gather(
        ctx.step("update-crm-contact", nothing), ctx.step("bounce", bounce), return_exceptions=True
    )
    if any(isinstance(outcome, Bounced) for outcome in outcomes):
        await ctx.step("archive-crm-contact", nothing)
        await ctx.step("delete-user", nothing)
    return user_id


def make_tables(url: str) -> None:
    absurdctl = Path(sys.executable).with_name("absurdctl")
    for command in (["init", "-d", url], ["create-queue", "-d", url, "default"]):
        subprocess.run([absurdctl, *command], check=True, stdout=subprocess.DEVNULL)


@asynccontextmanager
async def running(url: str, in_flight: int, fails: bool) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    make_tables(url)
    ended: Ended = {}
    count = min(WORKERS, in_flight)
    async with AsyncExitStack() as stack:

        def connected() -> AsyncAbsurd:
            app = AsyncAbsurd(url)
            stack.push_async_callback(app.close)
            return app

        workers = [connected() for _ in range(count)]
        working = []
        for worker in workers:

            @worker.register_task("onboard-user")
            async def task(params: Any, ctx: AsyncTaskContext) -> Any:
                result = await (fail_to_onboard_user if fails else onboard_user)(params, ctx)
                ended.setdefault(ctx.task_id, asyncio.Event()).set()
                return result

            start = worker.start_worker(concurrency=max(1, in_flight // count), poll_interval=POLL_SECONDS)
            working.append(asyncio.create_task(start))
        connected_clients = [connected() for _ in range(count)]
        for client in connected_clients:
            await client.list_queues()  # Asked by many at once, one that is not connected makes a connection for each.
        clients = cycle(connected_clients)

        async def run() -> None:
            client = next(clients)
            spawned = await client.spawn("onboard-user", EMAIL, queue="default")
            task_id = spawned["task_id"]
            await ended.setdefault(task_id, asyncio.Event()).wait()
            del ended[task_id]
            while True:
                found = await client.fetch_task_result(task_id)
                if found is not None and found.state == "completed":
                    return
                await asyncio.sleep(0.001)

        yield run
        for worker in workers:
            worker.stop_worker()
        await asyncio.gather(*working)


if __name__ == "__main__":
    measure(running)
