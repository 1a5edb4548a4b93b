"""A small service that takes a new user in: the user database, the welcome mail and the CRM, undone together.

Run it as it is, and the mail server and the CRM of `amends demo` are started for it on this machine:

    python examples/onboarding.py "Ada Lovelace" ada@example.com

Run it again with the same arguments and it finds its first run and does nothing twice. Its settings are environment
variables, each with a default: AMENDS_URL and USERS_URL (both `sqlite:///onboarding.db`), SMTP_HOST and SMTP_PORT,
CRM_URL and CRM_TOKEN.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack

import httpx

from amends import Coordinator, Run, RunFailed, Saga, saga
from amends.actions.onboarding import (
    Contact,
    Crm,
    CrmApi,
    Mailer,
    NewUser,
    Onboarding,
    User,
    Users,
    Welcome,
    crm_client,
)
from amends.console.demo.crm_server import CrmServer
from amends.console.demo.smtp_sink import SmtpSink

DATABASE = "sqlite:///onboarding.db"


def make_saga(onboarding: Onboarding) -> Saga[NewUser, User]:
    """The saga over the story's actions. It only says what is to happen; undoing it is the engine's business."""

    @saga("onboard-user", version=1)
    async def onboard_user(run: Run, new_user: NewUser) -> User:
        user = await run.do(onboarding.create_user, new_user)
        await run.all(
            run.do(onboarding.send_welcome_email, Welcome(user_id=user.user_id, to=new_user.email)),
            run.do(onboarding.update_crm_contact, Contact(email=new_user.email, name=new_user.name)),
        )
        return user

    return onboard_user


async def make_mailer(stack: AsyncExitStack) -> Mailer:
    """The mail server of the settings, or one that only keeps what it gets."""
    if host := os.environ.get("SMTP_HOST"):
        port = int(os.environ.get("SMTP_PORT", "25"))
    else:
        sink = await stack.enter_async_context(SmtpSink())
        host, port = "127.0.0.1", sink.port
    return Mailer(host, port, sender="welcome@example.com")


async def make_crm_client(stack: AsyncExitStack) -> httpx.AsyncClient:
    """The CRM of the settings, or one that only remembers what it is told."""
    if url := os.environ.get("CRM_URL"):
        client = crm_client(url, token=os.environ.get("CRM_TOKEN", "none"))
    else:
        client = crm_client(stack.enter_context(CrmServer()).url, token="none", trust_env=False)
    return await stack.enter_async_context(client)


async def take_in(new_user: NewUser) -> User:
    """Start the saga and wait for its end. A real service keeps the coordinator open for as long as it runs."""
    async with AsyncExitStack() as stack:
        users = Users(os.environ.get("USERS_URL", DATABASE))
        await asyncio.to_thread(users.create_tables)
        client = await make_crm_client(stack)
        onboarding = Onboarding(users, await make_mailer(stack), Crm(CrmApi(client)))
        onboard_user = make_saga(onboarding)
        log_url = os.environ.get("AMENDS_URL", DATABASE)
        async with Coordinator(log_url, sagas=[onboard_user], actions=onboarding.actions) as coordinator:
            return await coordinator.run(onboard_user, new_user, run_id=f"signup:{new_user.email}")


def main() -> int:
    """Take in the user of the arguments."""
    try:
        name, email = sys.argv[1:]
        new_user = NewUser(name=name, email=email)
    except ValueError as error:
        print(f'usage: python examples/onboarding.py "Ada Lovelace" ada@example.com\n{error}', file=sys.stderr)
        return 2
    try:
        user = asyncio.run(take_in(new_user))
    except RunFailed as failed:
        print(f"nobody was taken in: {failed}", file=sys.stderr)
        return 1
    print(f"taken in: {new_user.name}, user {user.user_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
