"""The run that is measured: one step, then two in parallel, with handlers that do nothing; and the same one failing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from amends import Action, Coordinator, Run, RunFailed, action, saga
from benchmarks.tools.load import loaded
from benchmarks.tools.rounds import Figures


@action("create-user")
async def create_user(email: str) -> str:
    return f"user of {email}"


@create_user.undo
async def delete_user(email: str, user_id: str | None) -> None: ...


@action("update-crm-contact")
async def update_crm_contact(email: str) -> int:
    return len(email)


@update_crm_contact.undo
async def archive_crm_contact(email: str, contact: int | None) -> None: ...


@action("send-welcome-email", irreversible=True)
async def send_welcome_email(email: str) -> str:
    return "sent"


@action("bounce", irreversible=True, retry=lambda state: False)
async def bounce(email: str) -> str:
    raise ValueError("no such mailbox")


@saga("onboard-user")
async def onboard_user(run: Run, email: str) -> str:
    user_id = await run.do(create_user, email)
    await run.all(run.do(send_welcome_email, email), run.do(update_crm_contact, email))
    return user_id


@saga("fail-to-onboard-user")
async def fail_to_onboard_user(run: Run, email: str) -> str:
    """Its third step fails for good, so the two others are undone."""
    user_id = await run.do(create_user, email)
    await run.all(run.do(update_crm_contact, email), run.do(bounce, email))
    return user_id


SAGAS = [onboard_user, fail_to_onboard_user]
ACTIONS: list[Action[str, Any]] = [create_user, update_crm_contact, send_welcome_email, bounce]
EMAIL = "ada@example.com"


def onboarding(url: str, in_flight: int, *, fails: bool = False) -> Figures:
    """Return what a run costs on a database, with so many in flight, in this process."""
    return asyncio.run(_onboarding(url, in_flight, fails=fails))


async def _onboarding(url: str, in_flight: int, *, fails: bool) -> Figures:
    async with Coordinator(url, sagas=SAGAS, actions=ACTIONS, max_running=max(1_000, in_flight)) as coordinator:

        async def succeed() -> None:
            await coordinator.run(onboard_user, EMAIL)

        async def fail() -> None:
            try:
                await coordinator.run(fail_to_onboard_user, EMAIL)
            except RunFailed:
                return
            raise AssertionError("the run was to fail")

        run: Callable[[], Awaitable[None]] = fail if fails else succeed
        return await loaded(url, in_flight, run)
