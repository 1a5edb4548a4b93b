"""Timers in virtual time: each goes off when it is due by the wall's clock, however the loop's clock goes.

20,000 of them in a session, a million with `AMENDS_CAMPAIGN=1`.
"""

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amends.saga.host import Host
from amends.saga.moments import RetryDue, TimerDue, UndoDue
from amends.saga.state import RunState
from amends.saga.under_way import UnderWay
from amends.testing.virtual_time import VirtualClock, VirtualLoop

COUNT = 1_000_000 if os.environ.get("AMENDS_CAMPAIGN") else 20_000
SPAN_SECONDS = 6 * 3_600.0
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Wall:
    """A wall clock that goes at another rate than the loop's."""

    def __init__(self, clock: VirtualClock, rate: float) -> None:
        self._clock = clock
        self._rate = rate

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self._clock.seconds * self._rate)


class Noted:
    """Notes when each timer goes off."""

    def __init__(self, wall: Wall, left: int, done: asyncio.Event) -> None:
        self.late: list[float] = []
        self._wall, self._left, self._done = wall, left, done

    def is_due(self, moment: RetryDue | UndoDue | TimerDue) -> None:
        due_at = BEGAN + timedelta(microseconds=int(moment.path))
        self.late.append((self._wall.now() - due_at) / timedelta(seconds=1))
        self._left -= 1
        if not self._left:
            self._done.set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rate", [1.0, 0.999, 1.001], ids=["the same", "slow", "fast"])
def test_no_timer_drifts(rate: float) -> None:
    """None is early by the wall's clock, and none is late by more than the clocks drift apart between two looks."""
    chance, clock = random.Random(1), VirtualClock(10 * SPAN_SECONDS)
    loop = VirtualLoop(clock)
    dues = [chance.randrange(int(SPAN_SECONDS * 1e6)) for _ in range(COUNT)]

    async def all_of_them() -> list[float]:
        wall, done = Wall(clock, rate), asyncio.Event()
        noted = Noted(wall, COUNT, done)
        host = SimpleNamespace(loop=loop, limits=None, clock=wall)
        under_way = UnderWay(RunState("run"), cast("Host", host), cast("Any", None), cast("Any", noted))
        for due in dues:
            under_way.call(BEGAN + timedelta(microseconds=due), str(due), noted.is_due, TimerDue(str(due)))
        await done.wait()
        return noted.late

    task = loop.create_task(all_of_them())
    assert loop.go_on(task)
    late = task.result()
    assert len(late) == COUNT
    assert min(late) >= 0.0
    assert max(late) < (1e-5 if rate <= 1.0 else 3_600.0 * 0.002)
