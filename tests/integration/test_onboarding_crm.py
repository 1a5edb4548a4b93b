"""The story's CRM client, against a real HTTP server that answers as HubSpot does, and fails on demand."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

import pytest

from amends import Call, OutcomeUnknown
from amends.actions.onboarding import Contact, Crm, CrmApi, CrmRecord, CrmRefused, CrmUnavailable, crm_client
from amends.console.demo.contacts import Contacts, Reply, problem
from amends.console.demo.crm_server import BUSY, CrmServer, Lost

R = TypeVar("R")

ADA = Contact(email="ada+test@example.com", name="Ada")
CALL = Call(run_id="run-1", step="3", attempt=1, idempotency_key="key-1")
UNDO = Call(run_id="run-1", step="3", attempt=1, idempotency_key="undo-1", undoes="key-1")
OTHER = Call(run_id="run-2", step="3", attempt=1, idempotency_key="key-2")


def use(url: str, talk: Callable[[Crm], Awaitable[R]], *, timeout_seconds: float = 5.0) -> R:
    """Talk to the CRM with a client of its own."""

    async def body() -> R:
        async with crm_client(url, token="t", timeout_seconds=timeout_seconds, trust_env=False) as client:
            return await talk(Crm(CrmApi(client)))

    return asyncio.run(body())


def update(crm: CrmServer, call: Call = CALL, contact: Contact = ADA) -> CrmRecord:
    return use(crm.url, lambda talk: talk.update_contact(contact, call))


def undo(crm: CrmServer, record: CrmRecord | None, call: Call = UNDO) -> None:
    use(crm.url, lambda talk: talk.archive_contact(ADA, record, call))


def names(crm: CrmServer) -> list[str]:
    return [contact["firstname"] for contact in crm.contacts.list()]


@pytest.mark.parametrize("honours_keys", [True, False])
def test_one_key_makes_one_contact(honours_keys: bool) -> None:
    """Whether the CRM knows the header, or as HubSpot does not: then the contact's own mark says it."""
    with CrmServer(Contacts(honours_keys=honours_keys)) as crm:
        first = update(crm)
        assert update(crm) == first == CrmRecord(record_id="101", created=True)
        assert len(crm.contacts.list()) == 1
        assert {request.key for request in crm.requests if request.method == "POST"} == {"key-1"}


@pytest.mark.parametrize("honours_keys", [True, False])
def test_a_contact_that_landed_without_a_reply_is_found_again(honours_keys: bool) -> None:
    """The first attempt is unknown; the second one sees that it was itself."""
    with CrmServer(Contacts(honours_keys=honours_keys)) as crm:
        crm.fail_next(1, Lost.REPLY)
        with pytest.raises(OutcomeUnknown, match="not answered"):
            update(crm)
        assert update(crm) == CrmRecord(record_id="101", created=True)
        assert len(crm.contacts.list()) == 1


def test_an_undo_archives_the_contact() -> None:
    """And once more, which changes nothing."""
    with CrmServer() as crm:
        record = update(crm)
        undo(crm, record)
        undo(crm, record)
        assert crm.contacts.list() == []


def test_an_undo_finds_a_contact_whose_id_was_never_learned() -> None:
    """The reply was lost and nobody tried again."""
    with CrmServer() as crm:
        crm.fail_next(1, Lost.REPLY)
        with pytest.raises(OutcomeUnknown):
            update(crm)
        undo(crm, None)
        assert crm.contacts.list() == []


def test_an_undo_without_anything_there_does_nothing() -> None:
    """It only looks."""
    with CrmServer() as crm:
        undo(crm, None)
        assert [request.method for request in crm.requests] == ["GET"]


@pytest.mark.parametrize("record", [None, CrmRecord(record_id="101", created=True)])
def test_an_undo_never_touches_the_contact_of_another_run(record: CrmRecord | None) -> None:
    """Not by the address, and not by the id either."""
    with CrmServer() as crm:
        update(crm, OTHER)
        undo(crm, record)
        assert names(crm) == ["Ada"]


def test_a_contact_that_was_there_is_updated_and_restored() -> None:
    """Archiving it would take away what the run never made."""
    with CrmServer() as crm:
        update(crm, OTHER, ADA.model_copy(update={"name": "Countess"}))
        record = update(crm)
        assert (record.created, names(crm)) == (False, ["Ada"])
        undo(crm, record)
        assert names(crm) == ["Countess"]


def test_a_lost_update_does_not_lose_what_was_before() -> None:
    """The second attempt must not take the first one's value for the old one."""
    with CrmServer() as crm:
        update(crm, OTHER, ADA.model_copy(update={"name": "Countess"}))
        crm.fail_next(1, Lost.REPLY, method="PATCH")
        with pytest.raises(OutcomeUnknown):
            update(crm)
        assert names(crm) == ["Ada"]
        assert update(crm) == CrmRecord(record_id="101", created=False)
        undo(crm, None)
        assert names(crm) == ["Countess"]


def test_a_contact_that_somebody_changed_since_is_left_as_it_is() -> None:
    """The later run's value stands; there is no isolation between sagas."""
    with CrmServer() as crm:
        update(crm, OTHER, ADA.model_copy(update={"name": "Countess"}))
        record = update(crm)
        update(
            crm,
            Call(run_id="run-3", step="3", attempt=1, idempotency_key="key-3"),
            ADA.model_copy(update={"name": "A. L."}),
        )
        undo(crm, record)
        assert names(crm) == ["A. L."]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (BUSY, CrmUnavailable),
        (problem(HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMITS", "slow down"), CrmUnavailable),
        (problem(HTTPStatus.BAD_REQUEST, "VALIDATION_ERROR", "no such property"), CrmRefused),
        (problem(HTTPStatus.UNAUTHORIZED, "INVALID_AUTHENTICATION", "no such token"), CrmRefused),
        (problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "oh"), OutcomeUnknown),
        (problem(HTTPStatus.BAD_GATEWAY, "BAD_GATEWAY", "oh"), OutcomeUnknown),
        (problem(HTTPStatus.GATEWAY_TIMEOUT, "GATEWAY_TIMEOUT", "oh"), OutcomeUnknown),
    ],
)
def test_a_status_says_whether_trying_again_helps(fault: Reply, error: type[Exception]) -> None:
    """Only what is certainly not done counts as failed; an error behind a gateway says nothing about the change."""
    with CrmServer() as crm:
        crm.fail_next(1, fault)
        with pytest.raises(error, match=r"^\d\d\d "):
            update(crm)
        assert crm.contacts.list() == []


def test_a_look_that_fails_is_never_unknown() -> None:
    """Nothing was asked to change."""
    with CrmServer() as crm:
        faults: list[Lost | Reply] = [Lost.REPLY, problem(HTTPStatus.BAD_GATEWAY, "BAD_GATEWAY", "oh")]
        for fault in faults:
            crm.fail_next(1, fault)
            with pytest.raises(CrmUnavailable):
                undo(crm, None)


def test_the_crm_says_how_long_to_wait() -> None:
    """`Retry-After`, in seconds."""
    with CrmServer() as crm:
        crm.fail_next(1, problem(HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMITS", "slow down", retry_after_seconds=7))
        with pytest.raises(CrmUnavailable) as busy:
            update(crm)
        assert busy.value.retry_after_seconds == 7.0


def test_a_crm_that_is_away_is_worth_another_try() -> None:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(CrmUnavailable, match="ConnectError"):
        use(f"http://127.0.0.1:{port}", lambda talk: talk.update_contact(ADA, CALL))


def test_a_reply_that_does_not_come_in_time_is_unknown() -> None:
    """The server has the request, and stays silent."""
    with CrmServer(latency_seconds=30) as crm, pytest.raises(OutcomeUnknown, match="ReadTimeout"):
        use(crm.url, lambda talk: talk.update_contact(ADA, CALL), timeout_seconds=0.2)


def test_archiving_what_is_gone_is_fine() -> None:
    """Somebody archived it between the look and the request."""
    with CrmServer() as crm:
        record = update(crm)
        crm.fail_next(1, problem(HTTPStatus.NOT_FOUND, "OBJECT_NOT_FOUND", "gone"), method="DELETE")
        undo(crm, record)
