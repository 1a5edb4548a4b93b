"""The whole story with the engine: real databases, mail and CRM, and each system failing in turn."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tenacity import RetryCallState, wait_fixed, wait_none

from amends import Coordinator, RunFailed, RunHandle, RunStatus
from amends.actions.onboarding import Crm, CrmApi, CrmUnavailable, Mailer, NewUser, Onboarding, User, Users, crm_client
from amends.actions.onboarding.retry_after import wait_as_asked
from amends.console.demo.crm_server import CrmServer, Lost
from amends.console.demo.smtp_sink import SmtpSink
from amends.console.demo.story import onboarding_saga
from amends.saga.events import ActionFailed, ActionStarted, ActionUnknown, Event

ADA = NewUser(name="Ada", email="ada@example.com")
ACTION = "create-user-in-db"


@dataclass
class Service:
    """A service with its systems, all real and all on this machine."""

    coordinator: Coordinator
    users: Users
    mail: SmtpSink
    crm: CrmServer

    async def sign_up(self, run_id: str, new_user: NewUser = ADA) -> RunHandle[User]:
        return await self.coordinator.start("onboard-user", new_user, run_id=run_id)

    def traces(self) -> tuple[int, int, int]:
        """How many users, mails and contacts there are."""
        return len(self.users.list()), len(self.mail.mails), len(self.crm.contacts.list())


@asynccontextmanager
async def service(url: str) -> AsyncIterator[Service]:
    users = Users(url)
    users.create_tables()
    with CrmServer() as crm:
        async with SmtpSink() as mail, crm_client(crm.url, token="t", trust_env=False) as client:
            mailer = Mailer("127.0.0.1", mail.port, sender="hello@example.org")
            onboarding = Onboarding(users, mailer, Crm(CrmApi(client)), wait=wait_none())
            sagas = [onboarding_saga(onboarding)]
            async with Coordinator(url, sagas=sagas, actions=onboarding.actions) as coordinator:
                yield Service(coordinator, users, mail, crm)


def attempts(events: list[Event], action: str) -> int:
    return sum(isinstance(event, ActionStarted) and event.action == action for event in events)


def test_a_user_is_taken_in(shared_log_url: str) -> None:
    """One user, one mail with the key of its step, one contact."""

    async def body() -> None:
        async with service(shared_log_url) as here:
            handle = await here.sign_up("run-1")
            user = await handle.result()
            assert [row[0] for row in here.users.list()] == [user.user_id]
            assert here.traces() == (1, 1, 1)
            keys = {
                event.step: event.idempotency_key
                for event in await handle.history()
                if isinstance(event, ActionStarted)
            }
            assert [mail["Message-ID"] for mail in here.mail.mails] == [f"<{keys['2']}@example.org>"]
            assert here.crm.requests[0].key == keys["3"]

    asyncio.run(body())


def test_a_lost_reply_of_the_crm_makes_no_second_contact(shared_log_url: str) -> None:
    """The attempt is unknown, the next one finds what it did."""

    async def body() -> None:
        async with service(shared_log_url) as here:
            here.crm.fail_next(1, Lost.REPLY)
            handle = await here.sign_up("run-1")
            await handle.result()
            events = await handle.history()
            assert any(isinstance(event, ActionUnknown) for event in events)
            assert attempts(events, "update-crm-contact") == 2
            assert here.traces() == (1, 1, 1)

    asyncio.run(body())


def test_a_crm_that_only_loses_replies_is_undone(shared_log_url: str) -> None:
    """The contact landed and nobody ever learned its id; user and contact are gone, the mail stands."""

    async def body() -> None:
        async with service(shared_log_url) as here:
            here.crm.fail_next(4, Lost.REPLY, method="POST")
            handle = await here.sign_up("run-1")
            with pytest.raises(RunFailed) as failed:
                await handle.result()
            assert failed.value.status is RunStatus.PARTIALLY_COMPENSATED
            assert [left.action for left in failed.value.remaining] == ["send-welcome-email"]
            assert here.traces() == (0, 1, 0)

    asyncio.run(body())


def test_a_crm_that_is_down_for_good_undoes_the_user(shared_log_url: str) -> None:
    """Four attempts, then the user is deleted; the mail is what remains, and the run says so."""

    async def body() -> None:
        async with service(shared_log_url) as here:
            here.crm.go_down()
            handle = await here.sign_up("run-1")
            with pytest.raises(RunFailed, match="send-welcome-email") as failed:
                await handle.result()
            assert failed.value.status is RunStatus.PARTIALLY_COMPENSATED
            assert attempts(await handle.history(), "update-crm-contact") == 4
            assert here.traces() == (0, 1, 0)

    asyncio.run(body())


def test_an_address_that_is_taken_is_not_tried_again(shared_log_url: str) -> None:
    """The second run fails at its first step, is compensated with nothing to undo, and harms nobody."""

    async def body() -> None:
        async with service(shared_log_url) as here:
            await (await here.sign_up("run-1")).result()
            handle = await here.sign_up("run-2")
            with pytest.raises(RunFailed, match="EmailTaken") as failed:
                await handle.result()
            assert failed.value.status is RunStatus.COMPENSATED
            finals = [event for event in await handle.history() if isinstance(event, ActionFailed)]
            assert [(event.attempt, event.retry_at) for event in finals] == [(1, None)]
            assert here.traces() == (1, 1, 1)

    asyncio.run(body())


def test_one_action_is_invoked_by_name(shared_log_url: str) -> None:
    """As a service does that is driven by an API; the same run id gives the same user."""

    async def body() -> None:
        async with service(shared_log_url) as here:
            person = {"name": "Ada", "email": "ada@example.com"}
            once: object = await here.coordinator.invoke(ACTION, person, run_id="api-1")
            again: object = await here.coordinator.invoke(ACTION, person, run_id="api-1")
            assert once == again
            assert here.traces() == (1, 0, 0)

    asyncio.run(body())


@pytest.mark.parametrize(("asked", "waits"), [(None, 2.0), (1.0, 2.0), (7.0, 7.0), (3600.0, 60.0)])
def test_a_wait_is_at_least_what_the_crm_asks_for(asked: float | None, waits: float) -> None:
    """And at most a minute."""
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    error = CrmUnavailable("busy", asked)
    state.set_exception((type(error), error, None))
    assert wait_as_asked(wait_fixed(2))(state) == waits


@pytest.mark.parametrize("missing", ["httpx", "email_validator"])
def test_a_missing_extra_is_named(missing: str, tmp_path: Path) -> None:
    """The error of the import says what to install."""
    code = f"import sys; sys.modules[{missing!r}] = None; import amends.actions.onboarding"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"needs {missing}: pip install 'amends[onboarding]'" in done.stderr
