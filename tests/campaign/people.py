"""People, in the process of the client: they tell runs what these wait for, early, twice or late, and cancel some.

What they were told of it is kept, and held against the log in the end.
"""

import asyncio
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

ROUND_SECONDS = 0.05
AGAIN_SECONDS = 0.05


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
        self._cancelled: dict[str, RunStatus] = {}
        self._talks: set[asyncio.Task[None]] = set()
        self.may_cancel = True

    async def go_on(self) -> None:
        """Speak to runs until this is cancelled."""
        while True:
            unfinished = sorted(self._siege.watch.unfinished)
            for run_id in unfinished:
                for key in ANSWERS if run_id.startswith("asks") else ():
                    if (run_id, key) not in self._told and self._chance.random() < 0.2:
                        self._told[run_id, key] = False
                        self._begin(self._tell(run_id, key, self._chance.choice((1, 1, 2))))
            if unfinished and self.may_cancel and self._chance.random() < 0.25:
                self._begin(self._cancel(self._chance.choice(unfinished)))
            await asyncio.sleep(ROUND_SECONDS * self._chance.uniform(0.5, 1.5))

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
        status = self._cancelled.get(run_id)
        failing = any(isinstance(event, e.RunFailing) for event in events)
        if status is not None and failing is (status is RunStatus.COMPLETED):
            yield f"who cancelled it was told that it is {status}, and it ended with {type(events[-1]).__name__}"

    def _begin(self, talk: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(talk)
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _tell(self, run_id: str, key: str, count: int) -> None:
        """Tell an answer, so many at once, until it is taken or refused."""
        handle = self._siege.client.handle(run_id)
        heard = await asyncio.gather(*(_until_answered(handle, key) for _ in range(count)))
        self._told[run_id, key] = any(heard)
        self._siege.totals.counts["signals"] += any(heard)

    async def _cancel(self, run_id: str) -> None:
        handle = self._siege.client.handle(run_id)
        while run_id not in self._cancelled:
            try:
                self._cancelled[run_id] = await handle.cancel(by="people", reason="campaign")
                self._siege.totals.counts["cancels"] += 1
            except LogUnavailable:
                await asyncio.sleep(AGAIN_SECONDS)


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
