"""DBOS, async: a workflow of steps, called directly, so that its result comes back without any polling.

Compensations are steps in an `except` block, as its documentation of error handling suggests. The logs are silenced and
tracing is off; the pool is its default of 20 connections.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from dbos import DBOS, DBOSConfig

from benchmarks.peers.peer import EMAIL, Bounced, measure


@DBOS.step()
async def create_user(email: str) -> str:
    return f"user of {email}"


@DBOS.step()
async def delete_user(email: str, user_id: str) -> None: ...


@DBOS.step()
async def update_crm_contact(email: str) -> int:
    return len(email)


@DBOS.step()
async def archive_crm_contact(email: str, contact: int) -> None: ...


@DBOS.step()
async def send_welcome_email(email: str) -> str:
    return "sent"


@DBOS.step()
async def bounce(email: str) -> str:
    raise Bounced("no such mailbox")


@DBOS.workflow()
async def onboard_user(email: str) -> str:
    user_id = await create_user(email)
    await asyncio.gather(send_welcome_email(email), update_crm_contact(email))
    return user_id


@DBOS.workflow()
async def fail_to_onboard_user(email: str) -> str:
    user_id = await create_user(email)
    update = asyncio.create_task(update_crm_contact(email))
    try:
        await asyncio.gather(update, bounce(email))
    except Bounced:
        await archive_crm_contact(email, await update)
        await delete_user(email, user_id)
    return user_id


def config(url: str) -> DBOSConfig:
    return {"name": "bench", "system_database_url": url, "log_level": "CRITICAL", "enable_otlp": False}


@asynccontextmanager
async def running(url: str, in_flight: int, fails: bool) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    DBOS(config=config(url))
    DBOS.launch()
    try:
        yield lambda: (fail_to_onboard_user if fails else onboard_user)(EMAIL)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    measure(running)
