"""The five runs of the demo: what goes wrong in each, and how the systems must stand afterwards."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ...errors import RunFailed
from ...saga.events import RunStatus
from .stage import Stage


@dataclass(frozen=True, slots=True)
class Traces:
    """What there is of a person in the systems."""

    user: bool
    mails: int
    contact: bool


@dataclass(frozen=True, slots=True)
class Act:
    """One run.

    Attributes:
        heading: what happens in it.
        name: of the person.
        prepare: makes the CRM misbehave.
        by_name: only create the user, by the action's name, as an API would.
        dies: start it in a process that is killed between two steps.
        status: how the run must end.
        traces: what must be there afterwards.
    """

    heading: str
    name: str
    prepare: Callable[[Stage], None]
    status: RunStatus
    traces: Traces
    by_name: bool = False
    dies: bool = False

    def email(self, stage: Stage) -> str:
        """Return the person's address."""
        return stage.address(self.name.partition(" ")[0].lower())

    def run_id(self, stage: Stage) -> str:
        """Return what the service calls the run."""
        return f"{'create' if self.by_name else 'signup'}:{self.email(stage)}"

    async def play(self, stage: Stage) -> str:
        """Start the run, wait for its end, and return what the service is told."""
        self.prepare(stage)
        person, run_id = {"name": self.name, "email": self.email(stage)}, self.run_id(stage)
        try:
            user: object
            if self.dies:
                await _start_and_die(stage, person, run_id)
            if self.by_name:
                user = await stage.coordinator.invoke("create-user-in-db", person, run_id=run_id)
            else:
                handle = await stage.coordinator.start("onboard-user", person, run_id=run_id)
                user = await handle.result()
        except RunFailed as failed:
            return f"RunFailed: {failed}"
        return repr(user)


async def _start_and_die(stage: Stage, person: dict[str, str], run_id: str) -> None:
    """Start the run in a process of its own, and wait until that is dead."""
    words = json.dumps({"systems": asdict(stage.systems), "person": person, "run_id": run_id})
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "amends.console.demo.doomed")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stderr=pipe)
    _, said = await process.communicate(words.encode())
    if process.returncode != -signal.SIGKILL:
        raise OSError(f"the process that was to be killed ended by itself: {said.decode(errors='replace')[-500:]}")


ACTS = (
    Act(
        heading="All goes well",
        name="Ada Lovelace",
        prepare=lambda stage: stage.crm.go_down(down=False),
        status=RunStatus.COMPLETED,
        traces=Traces(user=True, mails=1, contact=True),
    ),
    Act(
        heading="The CRM fails twice and recovers",
        name="Grace Hopper",
        prepare=lambda stage: stage.crm.fail_next(2),
        status=RunStatus.COMPLETED,
        traces=Traces(user=True, mails=1, contact=True),
    ),
    Act(
        heading="The CRM is down for good: the user is deleted again, and the mail stands",
        name="Alan Turing",
        prepare=lambda stage: stage.crm.go_down(),
        status=RunStatus.PARTIALLY_COMPENSATED,
        traces=Traces(user=False, mails=1, contact=False),
    ),
    Act(
        heading="One action, invoked by name",
        name="Katherine Johnson",
        prepare=lambda stage: stage.crm.go_down(down=False),
        status=RunStatus.COMPLETED,
        traces=Traces(user=True, mails=0, contact=False),
        by_name=True,
    ),
    Act(
        heading="The process is killed between two steps, and another one takes over",
        name="Barbara Liskov",
        prepare=lambda stage: stage.crm.go_down(down=False),
        status=RunStatus.COMPLETED,
        traces=Traces(user=True, mails=1, contact=True),
        dies=True,
    ),
)
