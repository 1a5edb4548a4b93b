"""The systems of the demo, all on this machine: a mail server, a CRM, a database of users, and the log.

Each answers after a short while, as over a network, so that the timelines show something at their scale.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from tenacity import stop_after_attempt, wait_exponential

from ...actions.call import Call
from ...actions.onboarding import Crm, CrmApi, Mailer, NewUser, Onboarding, User, Users, crm_client
from ...saga.coordinator import Coordinator
from ...saga.definition import Saga
from .crm_server import CrmServer
from .smtp_sink import SmtpSink
from .story import onboarding_saga

SCHEMA = "amends_demo"
"""Where the users are on PostgreSQL, apart from any table of the same name."""

_DATABASE_SECONDS, _MAIL_SECONDS, _CRM_SECONDS = 0.06, 0.18, 0.12


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that the runs of the demo need.

    Attributes:
        log_url: where the events are.
        kept: whether they are still there after the demo.
    """

    log_url: str
    kept: bool
    coordinator: Coordinator
    saga: Saga[NewUser, User]
    users: Users
    mail: SmtpSink
    crm: CrmServer
    _token: str

    def address(self, name: str) -> str:
        """Return an email address that no earlier demo on the same databases has used."""
        return f"{name}{self._token}@example.com"


class _DistantUsers(Users):
    """Users in a database that is as far away as those of real services."""

    def create(self, new_user: NewUser, call: Call) -> User:
        time.sleep(_DATABASE_SECONDS)
        return super().create(new_user, call)

    def delete(self, new_user: NewUser, user: User | None, call: Call) -> None:
        time.sleep(_DATABASE_SECONDS)
        super().delete(new_user, user, call)


@asynccontextmanager
async def set_stage(url: str | None) -> AsyncIterator[Stage]:
    """Start the systems, and end them.

    Args:
        url: of the log; None for a temporary SQLite file. If it is PostgreSQL, the users are there too.

    Raises:
        AmendsError: the log or the database of users cannot be opened.
    """
    with TemporaryDirectory(prefix="amends-demo-") as directory, CrmServer(latency_seconds=_CRM_SECONDS) as crm:
        users = _DistantUsers(_users_url(url, directory), schema=SCHEMA)
        await asyncio.to_thread(users.create_tables)
        log_url = url or f"sqlite:///{Path(directory, 'log.db')}"
        client = crm_client(crm.url, token="demo", trust_env=False)  # noqa: S106 - the CRM is ours
        async with SmtpSink(_MAIL_SECONDS) as mail, client:
            mailer = Mailer("127.0.0.1", mail.port, sender="welcome@example.com")
            onboarding = Onboarding(
                users,
                mailer,
                Crm(CrmApi(client)),
                stop=stop_after_attempt(4),
                wait=wait_exponential(multiplier=0.15),
            )
            saga = onboarding_saga(onboarding)
            async with Coordinator(log_url, sagas=[saga], actions=onboarding.actions) as coordinator:
                token = f"+{token_hex(3)}" if url else ""
                yield Stage(log_url, bool(url), coordinator, saga, users, mail, crm, token)


def _users_url(url: str | None, directory: str) -> str:
    if url and url.startswith(("postgresql://", "postgres://")):
        return url
    return f"sqlite:///{Path(directory, 'users.db')}"
