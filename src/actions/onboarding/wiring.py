"""The story's three actions, wired to the systems of one service: what is retried, for how long, and what is undone.

A service makes an object for each system, hands them over, and writes its saga over the actions that it gets;
`examples/onboarding.py` is such a service. There is no global state: two wirings do not know of each other.
"""

from typing import Any

from tenacity import retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from ...errors import OutcomeUnknown
from ..action import Action
from ..retrying import Policy
from .crm import Crm
from .crm_http import CrmUnavailable
from .databases import DatabaseUnavailable
from .mail import Mailer, MailUnavailable
from .models import Contact, CrmRecord, NewUser, Sent, User, Welcome
from .retry_after import wait_as_asked
from .users import Users

_WORTH_ANOTHER_TRY = retry_if_exception_type((CrmUnavailable, DatabaseUnavailable, MailUnavailable, OutcomeUnknown))
"""What passes by itself. A refusal, a taken address or a mistake in the code does not."""


class Onboarding:
    """The story's three actions, made for the systems of one service.

    Args:
        users: where users are created.
        mailer: what sends the welcome mail.
        crm: where contacts are kept.
        stop: tenacity's, when to give up on an action.
        wait: tenacity's, how long to wait between the attempts of an action or an undo; the CRM may ask for longer.
        transactional: a user is created and deleted in one transaction with the record of it; for users who are in the
            database of the log.
    """

    def __init__(
        self,
        users: Users,
        mailer: Mailer,
        crm: Crm,
        *,
        stop: Policy = stop_after_attempt(4),
        wait: Policy = wait_exponential_jitter(multiplier=0.2, max=10.0),
        transactional: bool = False,
    ) -> None:
        policy: dict[str, Any] = {"wait": wait_as_asked(wait), "retry": _WORTH_ANOTHER_TRY}
        self.create_user: Action[NewUser, User] = Action(
            "create-user-in-db", do=users.create, transactional=transactional, timeout=30.0, stop=stop, **policy
        )
        self.create_user.undo(timeout=30.0, **policy)(users.delete)
        self.send_welcome_email: Action[Welcome, Sent] = Action(
            "send-welcome-email", do=mailer.send_welcome, irreversible=True, timeout=60.0, stop=stop, **policy
        )
        self.update_crm_contact: Action[Contact, CrmRecord] = Action(
            "update-crm-contact", do=crm.update_contact, timeout=45.0, stop=stop, **policy
        )
        self.update_crm_contact.undo(timeout=45.0, **policy)(crm.archive_contact)

    @property
    def actions(self) -> list[Action[Any, Any]]:
        """The three actions, for a coordinator."""
        return [self.create_user, self.send_welcome_email, self.update_crm_contact]
