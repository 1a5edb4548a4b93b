"""Bugs of branches, of replay, and of what is stored."""

from amends.testing import AppendFault, Plan
from tests.teeth.planted.places import (
    ASKED,
    ASKING,
    BRANCHES,
    CODEC,
    COMMANDS,
    DECISIONS,
    DRIVER,
    HOSTING,
    REPLAY,
    ROSTER,
    RUN,
    STANDING,
    VALUES,
)
from tests.teeth.tooth import Patch, Tooth, tooth

SIDE_BY_SIDE = (
    tooth(
        "run.all returns with the first failure",
        BRANCHES,
        "            self._count -= 1\n",
        "            self._count = 0 if not task.cancelled() and task.exception() else self._count - 1\n",
        "all branches are waited for",
        also=(
            Patch(
                BRANCHES,
                "    if task.cancelled():\n        return None",
                "    if task.cancelled() or not task.done():\n        return None",
            ),
        ),
    ),
    tooth(
        "run.all over steps returns with the first failure",
        ASKING,
        "                await self._settled(asked.path)\n",
        "                await self._settled(asked.path)\n                self._output(asked)\n",
        "all are waited for",
    ),
    tooth(
        "a limit is not kept",
        RUN,
        "asyncio.Semaphore(limit) if limit else None",
        "None",
        "the limit is kept",
    ),
    tooth(
        "a place of a limit is not given back",
        BRANCHES,
        "        async with places:\n            return await branch\n",
        "        await places.acquire()\n        return await branch\n",
        "limited",
    ),
    tooth(
        "all branches number their steps together",
        RUN,
        'self._branches[task] = Branch(f"{group}.{index}.", parent.now)',
        "self._branches[task] = parent",
        "branches",
    ),
    tooth(
        "a path is taken when a step is awaited and not when it is called",
        RUN,
        "return self._asking(AskedStep(branch.next_path(), action, value), branch)",
        "return self._asking(AskedStep(branch, action, value), branch)",
        "chains",
        also=(
            Patch(
                ASKED,
                "        return await asks.one(asked)\n",
                "        asked = asked._replace(path=branch.next_path())\n        return await asks.one(asked)\n",
            ),
        ),
    ),
    tooth(
        "results come in the order in which branches end",
        RUN,
        "            await settled.all\n",
        "            ended = []\n            for task in tasks:\n                task.add_done_callback(ended.append)\n"
        "            await settled.all\n            tasks = ended\n",
        "two-branches-then-one",
        drawn=("crash_after",),
    ),
    tooth(
        "a step that a task group has cancelled is forgotten",
        ASKING,
        "            await self._settling.waiter(path)\n",
        "            try:\n                await self._settling.waiter(path)\n"
        "            except asyncio.CancelledError:\n"
        "                self._state.active.discard(path)\n                raise\n",
        "task-group-fails",
    ),
    tooth(
        "a task group that loses a branch cancels the attempts of the others",
        ASKING,
        "            await self._settling.waiter(path)\n",
        "            try:\n                await self._settling.waiter(path)\n"
        "            except asyncio.CancelledError:\n"
        "                [task.cancel() for task in self._driver._under_way._entered.values()]\n"
        "                raise\n",
        "task-group-fails",
    ),
)

REPLAYS = (
    tooth(
        "a run is taken up before the code is compared",
        DRIVER,
        "self._replay.when_asked(path, lambda: self._under_way.do(path, attempt))",
        "self._under_way.do(path, attempt)",
        "another-action-after-a-while",
        also=(
            Patch(
                DRIVER,
                "        if self.state.failing is not None:\n"
                "            self._under_way.call_off()\n"
                "            self.take_up",
                "        if True:\n            self.take_up",
            ),
        ),
    ),
    tooth(
        "another action than the recorded one gets its output",
        REPLAY,
        "if isinstance(recorded, str) or recorded.action != name:",
        "if False:",
        "another-action",
    ),
    tooth(
        "a step with another input gets the recorded output",
        REPLAY,
        "if not _same_input(recorded, input_type, input_text):",
        "if False:",
        "another-input",
    ),
    tooth(
        "code that ends without its recorded steps completes",
        REPLAY,
        "            if not self._unasked:\n                return None\n",
        "            return None\n",
        "ends-early",
    ),
)

VALUE_BUGS = (
    tooth(
        "when to try again is not written down",
        CODEC,
        "to_json(event, exclude_none=True)",
        "to_json(event, exclude_none=True, exclude={'retry_at'})",
        "flaky",
    ),
    tooth(
        "that a step is irreversible is not written down",
        CODEC,
        "to_json(event, exclude_none=True)",
        "to_json(event, exclude_none=True, exclude={'irreversible'})",
        "irreversible-stands",
    ),
    tooth(
        "an output is cut before it is written",
        CODEC,
        "to_json(event, exclude_none=True)",
        "to_json(event, exclude_none=True).replace(b'in>a', b'in')",
        "raises-after-two",
    ),
    tooth(
        "a value that comes back changed is stored",
        VALUES,
        "if not self._same(typed, back):",
        "if False:",
        "pair",
    ),
)

OWNERS = (
    tooth(
        "a worker that has lost a run appends behind the new owner",
        DRIVER,
        "            except LogUnavailable:\n                if not",
        "            except AppendConflict:\n"
        "                version = len(await self._host.log.read(self.state.run_id))\n"
        "                self._outbox.durable_version = version\n"
        "            except LogUnavailable:\n                if not",
        "three",
        "last-fails",
    ),
    tooth(
        "a run is taken from a worker that lives",
        ROSTER,
        "if standing.due_at is None and (standing.owner is None or lapsed):",
        "if True:",
        "three",
    ),
    tooth(
        "a parked run is claimed",
        HOSTING,
        "return None if state.at_rest else state",
        "return state",
        "parked for a while",
        also=(
            Patch(STANDING, "case e.RunParked() | e.RunCompleted()", "case e.RunCompleted()"),
            Patch(
                DECISIONS,
                "if state.at_rest:\n        return  # A person",
                "if state.status.ended:\n        return  # A person",
            ),
        ),
    ),
    tooth(
        "a run that silences its workers is tried for ever",
        DECISIONS,
        "MAX_LAPSES = 5\n",
        "MAX_LAPSES = 500\n",
        "one",
        plan=Plan(*(AppendFault(at, "crash_after") for at in range(1, 8))),
    ),
    tooth(
        "a run is parked with the second worker that falls silent",
        DECISIONS,
        "MAX_LAPSES = 5\n",
        "MAX_LAPSES = 2\n",
        "one",
        faults=2,
    ),
    tooth(
        "a start is acknowledged before it is durable",
        DRIVER,
        "            self._begin()\n",
        "            self._begin()\n            self.acknowledged.settle(None)\n",
        "one",
    ),
    tooth(
        "a result is told before it is durable",
        DRIVER,
        "        try:\n            await self._append(batch)\n",
        "        if self.state.status.ended:\n            self.finished.settle(self.state)\n"
        "        try:\n            await self._append(batch)\n",
        "one",
    ),
    tooth(
        "the client is told of the run as it was",
        COMMANDS,
        "            if state.at_rest:\n                return state\n",
        "            if state.at_rest or state.failing:\n                state.status = RunStatus.COMPENSATED\n"
        "                return state\n",
        "undo-fails",
        also=(Patch(COMMANDS, "from .events import Event\n", "from .events import Event, RunStatus\n"),),
        here=False,
    ),
    tooth(
        "a run begins twice",
        DRIVER,
        "        self._outbox.put(events, records)\n",
        "        again = 0 if self.state.version else 1\n"
        "        self._outbox.put((*events[:again], *events), (*records[:again], *records))\n",
        "one",
    ),
)

TEETH: tuple[Tooth, ...] = (*SIDE_BY_SIDE, *REPLAYS, *VALUE_BUGS, *OWNERS)
