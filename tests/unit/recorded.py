"""Runs as the engine records them, written by hand, for tests of what shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from amends.saga import events as e

ZERO = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUSY = e.ErrorInfo(type="CrmUnavailable", message="503 Service Unavailable: The CRM is down for maintenance")


def at(seconds: float) -> datetime:
    """A moment, in seconds since the run's start."""
    return ZERO + timedelta(seconds=seconds)


def started(saga: str = "onboard-user") -> list[e.Event]:
    return [
        e.RunStarted(occurred_at=ZERO, saga=saga, saga_version=1, input="{}"),
        e.RunClaimed(occurred_at=ZERO, worker="w1", epoch=1),
    ]


def doing(step: str, action: str, start: float, *, attempt: int = 1, irreversible: bool = False) -> e.Event:
    return e.ActionStarted(
        occurred_at=at(start),
        step=step,
        action=action,
        attempt=attempt,
        input="{}",
        idempotency_key=f"key-{step}",
        irreversible=irreversible,
    )


def did(step: str, stop: float, *, attempt: int = 1) -> e.Event:
    return e.ActionSucceeded(occurred_at=at(stop), step=step, attempt=attempt, output="{}")


def failed(
    step: str, stop: float, *, attempt: int = 1, retry_at: float | None = None, error: e.ErrorInfo = BUSY
) -> e.Event:
    when = None if retry_at is None else at(retry_at)
    return e.ActionFailed(occurred_at=at(stop), step=step, attempt=attempt, error=error, retry_at=when)


def undoing(step: str, start: float, stop: float, *, attempt: int = 1) -> list[e.Event]:
    return [
        e.CompensationStarted(occurred_at=at(start), step=step, attempt=attempt, idempotency_key=f"undo-{step}"),
        e.ActionCompensated(occurred_at=at(stop), step=step, attempt=attempt),
    ]


def unwound_run() -> Sequence[e.Event]:
    """The user is created, the mail is sent, the CRM is down for good: the user is deleted, the mail stands."""
    mail = e.Remaining(step="2", action="send-welcome-email", why=e.RemainingWhy.IRREVERSIBLE)
    return [
        *started(),
        doing("1", "create-user-in-db", 0.01),
        did("1", 0.06),
        doing("2", "send-welcome-email", 0.065, irreversible=True),
        doing("3", "update-crm-contact", 0.066),
        failed("3", 0.19, retry_at=0.4),
        did("2", 0.24),
        doing("3", "update-crm-contact", 0.4, attempt=2),
        failed("3", 0.52, attempt=2, retry_at=0.86),
        doing("3", "update-crm-contact", 0.86, attempt=3),
        failed("3", 0.985, attempt=3),
        e.RunFailing(
            occurred_at=at(0.985),
            reason=e.FailingReason.ACTION_FAILED,
            error=BUSY,
            action="update-crm-contact",
            step="3",
        ),
        *undoing("1", 0.99, 1.05),
        e.RunCompensated(occurred_at=at(1.055), remaining=(mail,)),
    ]
