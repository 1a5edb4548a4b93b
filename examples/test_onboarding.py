"""Proves that the saga of `onboarding.py` cleans up, whatever fails where:

    pytest examples/test_onboarding.py

The saga is the example's own, and so is what it does with the CRM. The database, the mail server and the requests to
the CRM are in memory, because in a simulation nothing reaches out: no connection is opened, no real time passes.
"""

import asyncio
from typing import Any

from hypothesis import Phase, given, settings

from amends import Call, RunStatus
from amends.actions.onboarding import (
    Crm,
    CrmUnavailable,
    DatabaseUnavailable,
    MailUnavailable,
    NewUser,
    Onboarding,
    Sent,
    User,
    Welcome,
)
from amends.testing import (
    AppendFault,
    AppendMode,
    Cancel,
    HandlerMode,
    Plan,
    Scenario,
    Simulation,
    World,
    explore,
    simulate,
    spend,
)
from amends.testing.strategies import fault_plans
from examples.onboarding import make_saga

ADA = NewUser(name="Ada", email="ada@example.com")

world = World()


class UsersInMemory:
    """Stands for `Users`. The key of the step is unique in the table, and the undo deletes by it."""

    def create(self, new_user: NewUser, call: Call) -> User:
        spend(0.01)
        world.put("user", call.idempotency_key)
        return User(user_id=f"user-of-{call.idempotency_key}")

    def delete(self, new_user: NewUser, user: User | None, call: Call) -> None:
        world.discard("user", call.undoes)


class MailerInMemory:
    """Stands for `Mailer`. Mail systems drop the second mail of one Message-ID."""

    def send_welcome(self, welcome: Welcome, call: Call) -> Sent:
        spend(0.5)
        world.do("mail", welcome.to, key=call.idempotency_key)
        return Sent(message_id=f"<{call.idempotency_key}@example.com>")


class CrmApiInMemory:
    """Stands for `CrmApi`, the requests to the CRM. It knows no idempotency keys, as HubSpot does not."""

    def __init__(self) -> None:
        self.contacts: dict[str, dict[str, str]] = {}

    async def create(self, properties: dict[str, str], key: str) -> dict[str, Any] | None:
        await asyncio.sleep(0.1)
        if await self.find(properties["email"], "") is not None:
            return None
        record_id = f"contact-{len(self.contacts) + 1}"
        self.contacts[record_id] = dict(properties)
        return {"id": record_id, "properties": properties}

    async def change(self, record_id: str, properties: dict[str, str], key: str) -> None:
        changed = self.contacts[record_id] | properties
        self.contacts[record_id] = {name: value for name, value in changed.items() if value}

    async def archive(self, record_id: str, key: str) -> None:
        self.contacts.pop(record_id, None)

    async def get(self, record_id: str, properties: str) -> dict[str, Any] | None:
        found = self.contacts.get(record_id)
        return found and {"id": record_id, "properties": found}

    async def find(self, email: str, properties: str) -> dict[str, Any] | None:
        ids = (record_id for record_id, found in self.contacts.items() if found["email"] == email)
        return await self.get(next(ids, ""), properties)


crm = CrmApiInMemory()
onboarding = Onboarding(UsersInMemory(), MailerInMemory(), Crm(crm))  # type: ignore[arg-type]


def nobody_is_there_by_halves(simulation: Simulation) -> None:
    """A contact and a user, or neither; a parked run has said what stands."""
    if simulation.status is not RunStatus.PARKED:
        expected = simulation.status is RunStatus.COMPLETED
        users = [effect for effect in world.standing() if effect[0] == "user"]
        assert (len(users), len(crm.contacts)) == (expected, expected), f"{users} and {crm.contacts}"


def a_known_contact_is_as_before(simulation: Simulation) -> None:
    """The CRM had the contact before the run: it is never archived, and is restored when the run is undone."""
    if simulation.status not in (RunStatus.PARKED, RunStatus.COMPLETED):
        assert crm.contacts["contact-1"]["firstname"] == "Ada L."


def remember_ada() -> None:
    crm.contacts.clear()
    crm.contacts["contact-1"] = {"email": ADA.email, "firstname": "Ada L."}


parts: dict[str, Any] = {
    "actions": onboarding.actions,
    "world": world,
    "errors": {  # those that the actions try again
        "create-user-in-db": DatabaseUnavailable("locked"),
        "send-welcome-email": MailUnavailable("421 busy"),
        "update-crm-contact": CrmUnavailable("503 busy"),
    },
}
sign_up = Scenario(make_saga(onboarding), ADA, set_up=crm.contacts.clear, holds=nobody_is_there_by_halves, **parts)
known = Scenario(make_saga(onboarding), ADA, set_up=remember_ada, holds=a_known_contact_is_as_before, **parts)

# No worker is stopped in the middle of a request here; the last test says why.
CUTS = [mode for mode in AppendMode if mode not in (AppendMode.PAUSE_BEFORE, AppendMode.PAUSE_AFTER)]
MODES = [*CUTS, *HandlerMode]

# Hypothesis's own explanations take longer than all the rest; a story explains more.
patient = settings(max_examples=100, deadline=None, phases=set(Phase) - {Phase.explain})


def test_without_a_fault_everything_is_done() -> None:
    assert simulate(sign_up).check().status is RunStatus.COMPLETED
    assert simulate(known).check().status is RunStatus.COMPLETED


def test_no_single_fault_leaves_anything_half_done() -> None:
    explore(sign_up, modes=MODES).check()
    explore(known, modes=MODES).check()


def test_no_two_faults_leave_anything_half_done() -> None:
    """The modes that differ most; with all of them it takes minutes."""
    modes = [AppendMode.CRASH_BEFORE, HandlerMode.RAISES, HandlerMode.LOSES_REPLY]
    explore(sign_up, faults=2, modes=modes).check()


@patient
@given(fault_plans(sign_up, modes=MODES))
def test_whatever_comes_together_nothing_is_left_half_done(plan: Plan) -> None:
    simulate(sign_up, plan).check()


@patient
@given(fault_plans(known, modes=MODES))
def test_whatever_comes_together_a_known_contact_is_as_before(plan: Plan) -> None:
    simulate(known, plan).check()


def test_what_nobody_can_mend_from_here() -> None:
    """A worker is stopped in the middle of a request to the CRM, and goes on when the step has been undone.

    The contact that comes too late is what the module `amends.actions.onboarding.crm` says that no client can prevent.
    """
    late = simulate(sign_up, Plan(Cancel(2), AppendFault(3, "pause_after")))
    assert [violation.invariant for violation in late.violations] == ["holds"]
