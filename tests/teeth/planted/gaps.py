"""Bugs that the kit does not see, and why. One that it comes to see moves to the teeth."""

from tests.teeth.planted.places import CALLING, DECISIONS, HOSTING, STANDING
from tests.teeth.tooth import Tooth, tooth

GAPS: tuple[Tooth, ...] = (
    tooth(
        "an ended run stays in the table of unfinished runs",
        STANDING,
        "case e.RunParked() | e.RunCompleted() | e.RunCompensated() | e.RunAbandoned():",
        "case e.RunParked():",
        "three",
        "last-fails",
        gap="nothing holds the table of unfinished runs against the log",
    ),
    tooth(
        "the table does not say that a run unwinds",
        STANDING,
        "unwinding=True, at_rest=False",
        "at_rest=False",
        "last-fails",
        gap="all processes have the same code; none registers another version of the saga",
    ),
    tooth(
        "a coordinator that closes drops the attempts under way",
        HOSTING,
        "drains = {asyncio.create_task(driver.drain()) for driver in list(self.drivers.values())}",
        "drains = set[asyncio.Task[None]]()",
        "undo-takes-time",
        "three",
        gap="no fault closes a coordinator in the middle of a run",
    ),
    tooth(
        "a run is claimed on what was read before another worker took it",
        HOSTING,
        "        lapsed = await self._free(known, limit)\n",
        "        lapsed = {state.run_id: True for state in read if state is not None}\n",
        "three",
        "last-fails",
        gap="processes take turns at appends only, so no worker reads while another one claims",
    ),
    tooth(
        "suspects are tried all together",
        HOSTING,
        "self._suspects.in_turn(states)",
        "states",
        "three",
        gap="a simulation has one run",
    ),
    tooth(
        "the reason of a failing run is another one",
        DECISIONS,
        "e.RunFailing(occurred_at=now, reason=reason,",
        "e.RunFailing(occurred_at=now, reason=FailingReason.SAGA_RAISED,",
        "last-fails",
        "one",
        gap="no invariant holds why a run fails, by which action and step, against what came before",
    ),
    tooth(
        "the saga goes on when the run is called off",
        CALLING,
        "            self._task.cancel()\n",
        "            pass\n",
        "three",
        gap="no saga of the shapes waits for anything but its steps, and what it asks for is refused anyway",
    ),
)
