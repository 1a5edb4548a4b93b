"""What the services here share: the saga of `onboarding.py` in a coordinator, and what a client is told.

`make` and `make_client` are also the factories of `amends worker` and `amends serve`. The settings are environment
variables: AMENDS_URL and USERS_URL (both `sqlite:///onboarding.db`), SMTP_HOST and SMTP_PORT (127.0.0.1:1025), CRM_URL
(http://127.0.0.1:8025) and CRM_TOKEN. At the defaults of the last four is what `python -m examples.systems` starts.
"""

import os
import re

import httpx

from amends import (
    Coordinator,
    CoordinatorClosed,
    InvalidValue,
    RunConflict,
    RunFailed,
    RunStatus,
)
from amends.actions.onboarding import Crm, CrmApi, Mailer, Onboarding, Users, crm_client
from examples.onboarding import DATABASE, make_saga

WAIT_SECONDS = 10.0
"""How long a request waits for its run. The run goes on."""

_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")


def open_crm() -> httpx.AsyncClient:
    """The connections to the CRM, for whoever closes them."""
    url = os.environ.get("CRM_URL", "http://127.0.0.1:8025")
    return crm_client(url, token=os.environ.get("CRM_TOKEN", "none"), trust_env=False)


def make(crm: httpx.AsyncClient | None = None, *, max_running: int = 100) -> Coordinator:
    """Return the coordinator of one process. Waits for the database, so call it when the process starts.

    Args:
        crm: stays the caller's to close; without it there is one that is closed by the end of the process.
        max_running: how many runs this process hosts at once.
    """
    users = Users(os.environ.get("USERS_URL", DATABASE))
    users.create_tables()
    host, port = os.environ.get("SMTP_HOST", "127.0.0.1"), int(os.environ.get("SMTP_PORT", "1025"))
    mailer = Mailer(host, port, sender="welcome@example.com")
    onboarding = Onboarding(users, mailer, Crm(CrmApi(crm or open_crm())))
    log_url = os.environ.get("AMENDS_URL", DATABASE)
    sagas, actions = [make_saga(onboarding)], onboarding.actions
    return Coordinator(log_url, sagas=sagas, actions=actions, max_running=max_running)


def make_client() -> Coordinator:
    """Return a coordinator that hosts nothing, for the console: others do the work."""
    return make(max_running=0)


def run_id_of(idempotency_key: str) -> str:
    """Return the run of a sign-up. The client makes the key, so that a request that is sent again is the same sign-up.

    Not the address: whoever knows it would be told how its owner's sign-up went, and one that failed could never be
    tried again.

    Raises:
        InvalidValue: it is missing, or easily guessed.
    """
    if not _KEY.fullmatch(idempotency_key):
        raise InvalidValue("Idempotency-Key", "send a random one of 16 to 64 letters, digits, - and _")
    return f"signup:{idempotency_key}"


def answer_of(error: Exception) -> tuple[int, dict[str, str]]:
    """Return the status and the body of the answer. What a handler's error said is for colleagues, not for clients.

    Raises:
        Exception: the same error, if no client can do anything about it; a 500.
    """
    match error:
        case InvalidValue():
            return 422, {"detail": str(error)}  # It names fields, not values.
        case RunConflict():
            return 409, {"detail": "this Idempotency-Key belongs to another sign-up"}
        case CoordinatorClosed() | ConnectionError():  # LogUnavailable is one.
            return 503, {"detail": "nobody knows whether it has begun; ask again with the same Idempotency-Key"}
        case RunFailed(action="create-user-in-db") if error.status is not RunStatus.PARKED:
            # Whether there is an account is its owner's business: this says so as little as it can.
            said = "an account may have this address already, and then another Idempotency-Key does not help"
            return 409, {"detail": f"nobody was signed up: {said}; else try again later, with another one"}
        case RunFailed() if error.status is not RunStatus.PARKED:
            return 409, {"detail": "nobody was signed up; try again later, with another Idempotency-Key"}
        case RunFailed() | TimeoutError():
            return 202, {"detail": "under way; ask again with the same Idempotency-Key"}
    raise error
