"""The onboarding story: three real actions, to run as they are or to copy.

Create a user in a database, send a welcome mail, update the CRM; and when one of them fails for good, delete the user
and archive the contact again. `Onboarding` makes the actions from an object for each system, which the service makes.
It needs the extra: `pip install 'amends[onboarding]'`.
"""

try:
    import email_validator as _email_validator  # noqa: F401 - pydantic needs it for EmailStr, and says so too late
    import httpx as _httpx  # noqa: F401 - looked for here, so that the error names the extra
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"amends.actions.onboarding needs {missing.name}: pip install 'amends[onboarding]'", name=missing.name
    ) from missing

from .crm import Crm
from .crm_http import CrmApi, CrmRefused, CrmUnavailable, crm_client
from .databases import DatabaseUnavailable
from .mail import Mailer, MailRefused, MailUnavailable
from .models import Contact, CrmRecord, NewUser, Sent, User, Welcome
from .users import EmailTaken, StepUndone, Users
from .wiring import Onboarding

__all__ = [
    "Contact",
    "Crm",
    "CrmApi",
    "CrmRecord",
    "CrmRefused",
    "CrmUnavailable",
    "DatabaseUnavailable",
    "EmailTaken",
    "MailRefused",
    "MailUnavailable",
    "Mailer",
    "NewUser",
    "Onboarding",
    "Sent",
    "StepUndone",
    "User",
    "Users",
    "Welcome",
    "crm_client",
]
