"""DBOS, synchronous: the workflow of `with_dbos.py` in plain functions, one thread for each run in flight.

Its two parallel steps follow each other here, because plain DBOS steps run in their workflow's thread; that spares it
the cost of starting them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from dbos import DBOS

from benchmarks.peers.peer import EMAIL, Bounced, measure
from benchmarks.peers.with_dbos import config


@DBOS.step()
def create_user_plainly(email: str) -> str:
    return f"user of {email}"


@DBOS.step()
def delete_user_plainly(email: str, user_id: str) -> None: ...


@DBOS.step()
def update_crm_contact_plainly(email: str) -> int:
    return len(email)


@DBOS.step()
def archive_crm_contact_plainly(email: str, contact: int) -> None: ...


@DBOS.step()
def send_welcome_email_plainly(email: str) -> str:
    return "sent"


@DBOS.step()
def bounce_plainly(email: str) -> str:
    raise Bounced("no such mailbox")


@DBOS.workflow()
def onboard_user_plainly(email: str) -> str:
    user_id = create_user_plainly(email)
    send_welcome_email_plainly(email)
    update_crm_contact_plainly(email)
    return user_id


@DBOS.workflow()
def fail_to_onboard_user_plainly(email: str) -> str:
    user_id = create_user_plainly(email)
    contact = update_crm_contact_plainly(email)
    try:
        bounce_plainly(email)
    except Bounced:
        archive_crm_contact_plainly(email, contact)
        delete_user_plainly(email, user_id)
    return user_id


@asynccontextmanager
async def running(url: str, in_flight: int, fails: bool) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    DBOS(config=config(url))
    DBOS.launch()
    loop = asyncio.get_running_loop()
    workflow = fail_to_onboard_user_plainly if fails else onboard_user_plainly
    with ThreadPoolExecutor(in_flight) as threads:
        yield lambda: loop.run_in_executor(threads, workflow, EMAIL)
    DBOS.destroy()


if __name__ == "__main__":
    measure(running)
