"""pgqueuer: a chain of three jobs, each of which enqueues the next; a queue, with neither results nor undoing.

On asyncpg, its quickest driver. A run ends when its third job's function does, a little before that job is logged.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer, Queries

from benchmarks.peers.peer import measure


@asynccontextmanager
async def running(url: str, in_flight: int, fails: bool) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    assert not fails, "a queue undoes nothing"
    async with asyncpg.create_pool(url, min_size=4, max_size=20) as pool:
        driver = AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.install()
        worker = PgQueuer(driver)
        ended: dict[bytes, asyncio.Future[None]] = {}
        numbers = itertools.count()

        @worker.entrypoint("create-user")
        async def create_user(job: Job) -> None:
            await queries.enqueue("update-crm-contact", job.payload)

        @worker.entrypoint("update-crm-contact")
        async def update_crm_contact(job: Job) -> None:
            await queries.enqueue("send-welcome-email", job.payload)

        @worker.entrypoint("send-welcome-email")
        async def send_welcome_email(job: Job) -> None:
            assert job.payload is not None
            ended.pop(job.payload).set_result(None)

        async def run() -> None:
            number = str(next(numbers)).encode()
            done = ended[number] = asyncio.get_running_loop().create_future()
            await queries.enqueue("create-user", number)
            await done

        # A full batch is looked for again at once; what was enqueued alone is announced by NOTIFY.
        batch_size = max(1, in_flight // 2)
        working = asyncio.create_task(worker.run(dequeue_timeout=timedelta(seconds=1), batch_size=batch_size))
        yield run
        worker.shutdown.set()
        await asyncio.wait([working], timeout=5)


if __name__ == "__main__":
    measure(running)
