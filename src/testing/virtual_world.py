"""What stands for threads and for the beat of a lease in a simulation: the same interfaces, in virtual time."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ..actions.threads import Threads
from ..errors import LogUnavailable
from ..saga.heart import BEATS_A_LEASE, Lease
from ..saga.log.port import Pulse
from ..saga.surroundings import Substitute, Surroundings
from .virtual_time import VirtualClock

R = TypeVar("R")


class VirtualThreads(Threads):
    """Runs plain handlers at once, in the loop's own thread.

    A handler that is to take time calls `spend`: what it returns then arrives so much later, as from a thread.
    """

    def __init__(self, limit: int = 64) -> None:
        super().__init__(limit)
        self._spent = 0.0

    def spend(self, seconds: float) -> None:
        """Let the plain handler that is running take so long."""
        self._spent += seconds

    def start(self, work: Callable[[], R], name: str) -> "asyncio.Future[R]":  # noqa: ARG002 - a thread has a name
        """Do `work` now; the future gets its result after the time that it has spent."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[R] = loop.create_future()
        self._spent = 0.0
        result = work()
        loop.call_later(self._spent, _settle, done, result)
        return done


def _settle(done: "asyncio.Future[R]", result: R) -> None:
    if not done.done():
        done.set_result(result)


class VirtualHeart:
    """Renews a lease from a task in virtual time: it stops when its process does.

    Args:
        pulse: renews.
        lease_seconds: how long a renewal lasts.
        clock: the time of the process.
    """

    def __init__(self, pulse: Pulse, lease_seconds: float, clock: VirtualClock) -> None:
        self._pulse = pulse
        self._lease = Lease(lease_seconds, lambda: clock.seconds)
        self._task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """See `Heart.alive`."""
        return self._lease.alive

    @property
    def lapses(self) -> int:
        """See `Heart.lapses`."""
        return self._lease.lapses

    async def start(self) -> None:
        """See `Heart.start`."""
        self._beat()
        self._task = asyncio.get_running_loop().create_task(self._beat_on(), name="amends heart")

    async def stop(self) -> None:
        """See `Heart.stop`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._pulse.close()

    def _beat(self) -> None:
        sent_at = self._lease.now()
        self._pulse.beat()
        self._lease.renewed(sent_at)

    async def _beat_on(self) -> None:
        pause = self._lease.seconds / BEATS_A_LEASE
        while True:
            await asyncio.sleep(pause)
            try:
                self._beat()
            except LogUnavailable:
                pause = self._lease.seconds / BEATS_A_LEASE / 4
            else:
                pause = self._lease.seconds / BEATS_A_LEASE


def virtual_surroundings(
    clock: VirtualClock, threads: VirtualThreads, worker: str, substitute: Substitute | None = None
) -> Surroundings:
    """Return the world around one simulated process.

    Args:
        clock: shared by all processes of the simulation.
        threads: where this one's plain handlers run.
        worker: its token; given, so that the same simulation writes the same bytes.
        substitute: what is entered in the place of handlers; see `Surroundings`.
    """
    return Surroundings(
        clock=clock,
        threads=lambda: threads,
        heart=lambda pulse, lease_seconds: VirtualHeart(pulse, lease_seconds, clock),
        worker=lambda: worker,
        substitute=substitute,
    )
