"""procrastinate: a chain of three jobs, each of which defers the next; a queue, with neither results nor undoing.

A run ends when its third job's function does, a little before that job is marked as done.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from benchmarks.peers.peer import EMAIL, measure


@asynccontextmanager
async def running(url: str, in_flight: int, fails: bool) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    assert not fails, "a queue undoes nothing"
    connector = PsycopgConnector(conninfo=url, max_size=20)
    app = App(connector=connector)
    ended: dict[int, asyncio.Future[None]] = {}
    numbers = itertools.count()

    @app.task(name="create-user")
    async def create_user(number: int, email: str) -> None:
        await update_crm_contact.defer_async(number=number, email=email)

    @app.task(name="update-crm-contact")
    async def update_crm_contact(number: int, email: str) -> None:
        await send_welcome_email.defer_async(number=number, email=email)

    @app.task(name="send-welcome-email")
    async def send_welcome_email(number: int, email: str) -> None:
        ended.pop(number).set_result(None)

    async def run() -> None:
        number = next(numbers)
        done = ended[number] = asyncio.get_running_loop().create_future()
        await create_user.defer_async(number=number, email=EMAIL)
        await done

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=2 * in_flight,
                fetch_job_polling_interval=0.01,
                install_signal_handlers=False,
                delete_jobs="never",
            )
        )
        yield run
        worker.cancel()
        await asyncio.wait([worker])


if __name__ == "__main__":
    measure(running)
