"""People, in the process of the client: they tell runs what these wait for, early, twice or late; they cancel some,
abandon some, and have some undone that are completed.

What they were told of it is kept, and held against the log in the end.
"""

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from amends import CommandRefused, LogUnavailable, RunHandle, RunStatus
from amends.saga import events as e

if TYPE_CHECKING:
    from tests.campaign.siege import Siege

__all__ = ["People"]

ANSWERS = ("1", "2")
"""The keys of the answers that a run of `asks` may get: it needs the first, and waits a while for the second."""

ORDERS = {"cancel": 0.25, "abandon": 0.08, "undo": 0.15}
"""What people do to a run besides, and how often in a round."""

NAMES = {"cancel": "cancels", "abandon": "abandonments", "undo": "undos on request"}

ROUND_SECONDS = 0.05
AGAIN_SECONDS = 0.05
SEEN_SECONDS = 30.0


class People:
    """Those who speak to the runs of a siege.

    Args:
        siege: whose runs.
        seed: of what they do and when.
    """

    def __init__(self, siege: "Siege", seed: int) -> None:
        self._siege = siege
        self._chance = random.Random(f"people {seed}")
        self._told: dict[tuple[str, str], bool] = {}
        """Of each answer that somebody began to tell: whether it was taken."""
        self._commanded: dict[tuple[str, str], RunStatus | None] = {}
        """Of each run and command that somebody gave it: how the run stood then; None where it was refused."""
        self._talks: set[asyncio.Task[None]] = set()
        self._commands: set[asyncio.Task[None]] = set()
        self._may_command = True

    async def go_on(self) -> None:
        """Speak to runs until this is cancelled."""
        while True:
            unfinished = sorted(self._siege.watch.unfinished)
            for run_id in unfinished:
                for key in ANSWERS if run_id.startswith("asks") else ():
                    if (run_id, key) not in self._told and self._chance.random() < 0.2:
                        self._told[run_id, key] = False
                        self._begin(self._tell(run_id, key, self._chance.choice((1, 1, 2))))
            for order, share in ORDERS.items() if self._may_command else ():
                runs = unfinished if order != "undo" else self._siege.watch.completed
                if runs and self._chance.random() < share:
                    command = self._begin(self._command(self._chance.choice(runs), order))
                    self._commands.add(command)
                    command.add_done_callback(self._commands.discard)
            await asyncio.sleep(ROUND_SECONDS * self._chance.uniform(0.5, 1.5))

    async def cease_to_command(self) -> None:
        """Give no more commands; returns when the watch has seen what came of those that were given.

        Whoever is answered later may have had a run undone that had come to rest.
        """
        self._may_command = False
        while self._commands:
            await asyncio.wait(self._commands)
        watch = self._siege.watch
        for run_id in sorted({run_id for (run_id, _), status in self._commanded.items() if status is not None}):
            count = len(await watch.read(run_id))
            await watch.until(lambda: len(watch.events[run_id]) >= count, SEEN_SECONDS)  # noqa: B023 - used at once

    async def fall_silent(self) -> None:
        """Wait until everybody who has begun to speak was answered."""
        while self._talks:
            await asyncio.wait(self._talks)

    def breaches(self, run_id: str, events: Sequence[e.Event]) -> Iterator[str]:
        """Yield what somebody was told of a run and is not so."""
        for key in ANSWERS:
            count = sum(isinstance(event, e.SignalReceived) and event.key == key for event in events)
            if count > 1 or (self._told.get((run_id, key)) and not count):
                yield f"lost: the answer {key} was taken, and is there {count} times"
        asked, done = self._commanded, set(map(type, events))
        reasons = {event.reason for event in events if isinstance(event, e.RunFailing)}
        undone = e.FailingReason.UNDONE in reasons
        status = asked.get((run_id, "cancel"))
        # One that was abandoned was over then, whether it was failing or not.
        wrong = reasons - {e.FailingReason.UNDONE} if status is RunStatus.COMPLETED else not reasons
        if status is not None and status is not RunStatus.ABANDONED and wrong:
            yield f"who cancelled it was told that it is {status}, and it ended with {type(events[-1]).__name__}"
        status = asked.get((run_id, "abandon"))
        if status is not None and (status is RunStatus.ABANDONED) is not (e.RunAbandoned in done):
            yield f"who abandoned it was told that it is {status}, and it ended with {type(events[-1]).__name__}"
        if asked.get((run_id, "undo")) is not None and not reasons:
            yield "who had it undone was told so, and nothing was undone"
        if undone and (run_id, "undo") not in asked:
            yield "it was undone, and nobody asked for that"

    def _begin(self, talk: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(talk)
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        return task

    async def _tell(self, run_id: str, key: str, count: int) -> None:
        """Tell an answer, so many at once, until it is taken or refused."""
        handle = self._siege.client.handle(run_id)
        heard = await asyncio.gather(*(_until_answered(handle, key) for _ in range(count)))
        self._told[run_id, key] = any(heard)
        self._siege.totals.counts["signals"] += any(heard)

    async def _command(self, run_id: str, order: str) -> None:
        """Give a run a command until it is obeyed or refused; of each kind it gets one."""
        if (run_id, order) in self._commanded:
            return
        handle = self._siege.client.handle(run_id)
        give = {"cancel": handle.cancel, "abandon": handle.abandon, "undo": handle.undo}[order]
        self._commanded[run_id, order] = None
        with contextlib.suppress(CommandRefused):
            while self._commanded[run_id, order] is None:
                try:
                    self._commanded[run_id, order] = await give(by="people", reason="campaign")
                except LogUnavailable:
                    await asyncio.sleep(AGAIN_SECONDS)
            self._siege.totals.counts[NAMES[order]] += 1


async def _until_answered(handle: RunHandle[object], key: str) -> bool:
    while True:
        try:
            await handle.signal("answer", int(key), by="people", key=key)
        except CommandRefused:
            return False
        except LogUnavailable:
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            return True
