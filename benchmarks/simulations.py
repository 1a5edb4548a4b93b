"""How many runs does the testing kit simulate in a second, and how long is it to walk every fault of a saga?

Sketch. A simulated run of three steps is eleven events, seven appends without a database, three handlers, one process:
an event loop without a selector, a coordinator, three tasks. The engine's own cost of such a run is some 300
microseconds; the kit adds the loop, the coordinator and its registry (say 100), the journal and the checker over eleven
events (say 100). So about 2,000 runs/s; the issue asks for 1,000. A saga of three steps has some 70 single faults, and
about as many second ones after each: 5,000 schedules of twice the length, so some 5 s.

CPU time, so that other work on the machine does not count. Run it: make bench ARGS=simulations
"""

import gc
import statistics
import time
from typing import Any

from tenacity import stop_after_attempt, wait_fixed

from amends import Call, Run, action, saga
from amends.testing import AppendFault, HandlerFault, Plan, Scenario, World, explore, simulate
from amends.testing.shape_list import shape

ROUNDS = 5
RUNS = 400

world = World()
POLICY: dict[str, Any] = {"stop": stop_after_attempt(3), "wait": wait_fixed(1)}


@action("create-user", **POLICY)
async def create_user(email: str) -> str:
    world.put("user", email)
    return f"user of {email}"


@create_user.undo
async def delete_user(email: str, user_id: str | None) -> None:
    world.discard("user", email)


@action("send-welcome-email", irreversible=True, **POLICY)
async def send_welcome_email(email: str, call: Call) -> None:
    world.do("mail", email, key=call.idempotency_key)


@action("update-crm-contact", **POLICY)
async def update_crm_contact(email: str) -> None:
    world.put("contact", email)


@update_crm_contact.undo
async def archive_crm_contact(email: str, _: None) -> None:
    world.discard("contact", email)


@saga("onboard-user")
async def onboard_user(run: Run, email: str) -> str:
    user_id = await run.do(create_user, email)
    await run.all(run.do(send_welcome_email, email), run.do(update_crm_contact, email))
    return user_id


ONBOARDING = Scenario(
    onboard_user, "ada@example.com", actions=[create_user, send_welcome_email, update_crm_contact], world=world
)

CASES = {
    "three steps": (shape("three").scenario, Plan()),
    "onboarding": (ONBOARDING, Plan()),
    "onboarding, branches in another order": (ONBOARDING, Plan(order=7)),
    "onboarding, the process dies": (ONBOARDING, Plan(AppendFault(2, "crash_before"))),
    "onboarding, the CRM fails for good": (
        ONBOARDING,
        Plan(HandlerFault("update-crm-contact", "raises", for_good=True)),
    ),
}


def microseconds(scenario: Scenario, plan: Plan) -> float:
    """Return the CPU time of one simulated run."""
    gc.collect()
    began = time.process_time()
    for _ in range(RUNS):
        simulate(scenario, plan).check()
    return (time.process_time() - began) / RUNS * 1e6


def main() -> None:
    print(f"{'median of ' + str(ROUNDS) + ' (min-max)':40}{'CPU us a run':>22}{'runs/s of CPU':>16}")
    rounds = [{name: microseconds(*case) for name, case in CASES.items()} for _ in range(ROUNDS)]
    for name in CASES:
        times = [times[name] for times in rounds]
        median = statistics.median(times)
        print(f"{name:40}{median:>10,.0f} ({min(times):,.0f}-{max(times):,.0f}){1e6 / median:>14,.0f}")
    for faults in (1, 2):
        began = time.process_time()
        report = explore(ONBOARDING, faults, progress=False).check()
        print(f"explore, {faults} fault(s): {report.schedules:,} schedules, {time.process_time() - began:.1f} s of CPU")


if __name__ == "__main__":
    main()
