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
from .crm_server import CrmServer
from .smtp_sink import SmtpSink
from .story import onboarding_saga

SCHEMA = "amends_demo"
"""Where the users are on PostgreSQL, apart from any table of the same name."""

LEASE_SECONDS = 1.0
"""Short, so that nobody has to wait when a process of the demo dies."""

_DATABASE_SECONDS, _MAIL_SECONDS, _CRM_SECONDS = 0.06, 0.18, 0.12


@dataclass(frozen=True, slots=True)
class Systems:
    """Where the systems are, as one process can tell another.

    Attributes:
        log_url: where the events are.
        users_url: where the users are.
        mail_port: of the mail server on this machine.
        crm_url: the CRM.
    """

    log_url: str
    users_url: str
    mail_port: int
    crm_url: str

    def users(self) -> Users:
        """Return the database of users."""
        return _DistantUsers(self.users_url, schema=SCHEMA)

    def mailer(self) -> Mailer:
        """Return what sends mails."""
        return Mailer("127.0.0.1", self.mail_port, sender="welcome@example.com")

    @asynccontextmanager
    async def coordinator(self, users: Users, mailer: Mailer) -> AsyncIterator[Coordinator]:
        """Open a coordinator of the story over these systems."""
        async with crm_client(self.crm_url, token="demo", trust_env=False) as client:  # noqa: S106 - the CRM is ours
            crm = Crm(CrmApi(client))
            wait = wait_exponential(multiplier=0.15)
            beside_the_log = self.users_url == self.log_url
            onboarding = Onboarding(
                users, mailer, crm, stop=stop_after_attempt(4), wait=wait, transactional=beside_the_log
            )
            sagas, actions = [onboarding_saga(onboarding)], onboarding.actions
            async with Coordinator(
                self.log_url, sagas=sagas, actions=actions, lease_seconds=LEASE_SECONDS
            ) as coordinator:
                yield coordinator


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that the runs of the demo need.

    Attributes:
        kept: whether the events are still there after the demo.
    """

    systems: Systems
    kept: bool
    coordinator: Coordinator
    users: Users
    mail: SmtpSink
    crm: CrmServer
    _token: str

    @property
    def shared(self) -> bool:
        """Whether another process can open the log."""
        return not self.systems.log_url.startswith("memory:")

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
        url: of the log; None for a temporary SQLite file. The users are there too, unless it is in memory.

    Raises:
        AmendsError: the log or the database of users cannot be opened.
    """
    with TemporaryDirectory(prefix="amends-demo-") as directory, CrmServer(latency_seconds=_CRM_SECONDS) as crm:
        async with SmtpSink(_MAIL_SECONDS) as mail:
            log_url = url or f"sqlite:///{Path(directory, 'log.db')}"
            users_url = f"sqlite:///{Path(directory, 'users.db')}" if log_url.startswith("memory:") else log_url
            systems = Systems(log_url, users_url, mail.port, crm.url)
            users = systems.users()
            await asyncio.to_thread(users.create_tables)
            async with systems.coordinator(users, systems.mailer()) as coordinator:
                token = f"+{token_hex(3)}" if url else ""
                yield Stage(systems, bool(url), coordinator, users, mail, crm, token)
