"""Keeps a worker's lease alive, from a thread of its own, so that a busy event loop does not cost it its runs.

The lease only decides when others may try to take over; what protects the log is the version of each stream. So the
heart errs on one side: it holds the lease for lost some time before the database does (a tenth of it), counted from
before each renewal was sent.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..errors import LogError, LogUnavailable
from .log.port import Pulse

BEATS_A_LEASE = 4
"""How often a lease is renewed while it lasts."""

FIRST_BEATS = 3
"""How often the first renewal is tried before opening fails."""

SAFE_PART = 0.9
"""The part of a lease for which a renewal is trusted."""


class Heart(Protocol):
    """Whether this worker's lease holds."""

    @property
    def alive(self) -> bool:
        """Whether the lease certainly still holds."""
        ...

    @property
    def lapses(self) -> int:
        """How often it has lapsed and come back: each time, others may have taken runs."""
        ...

    async def start(self) -> None:
        """Renew for the first time, then go on.

        Raises:
            LogUnavailable: the database does not answer.
        """
        ...

    async def stop(self) -> None:
        """Renew no more."""
        ...


class Lease:
    """The arithmetic of one lease: pure but for the clock that it is given.

    Args:
        seconds: how long a renewal lasts.
        now: monotonic seconds; goes on while the process is stopped.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self.seconds = seconds
        self.lapses = 0
        self.now = now
        self._trusted_until: float | None = None

    def renewed(self, sent_at: float) -> None:
        """Note a renewal that was sent at `sent_at` and has been confirmed."""
        if self._trusted_until is not None and self.now() >= self._trusted_until:
            self.lapses += 1
        self._trusted_until = sent_at + self.seconds * SAFE_PART

    @property
    def alive(self) -> bool:
        """Whether the lease certainly still holds."""
        return self._trusted_until is not None and self.now() < self._trusted_until


class ThreadHeart:
    """A heart that beats in a thread.

    Args:
        pulse: renews; used from the thread only.
        lease_seconds: how long a renewal lasts.
    """

    def __init__(self, pulse: Pulse, lease_seconds: float) -> None:
        self._pulse = pulse
        self._lease = Lease(lease_seconds, time.monotonic)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

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
        loop = asyncio.get_running_loop()
        first: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._live, args=(loop, first), name="amends heart", daemon=True)
        self._thread.start()
        await first

    async def stop(self) -> None:
        """See `Heart.stop`."""
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _live(self, loop: asyncio.AbstractEventLoop, first: "asyncio.Future[None]") -> None:
        """Beat once, say how that went, and beat on; all on the one connection, which stays in this thread."""
        try:
            self._first_beat()
        except BaseException as error:
            loop.call_soon_threadsafe(first.set_exception, error)
        else:
            loop.call_soon_threadsafe(first.set_result, None)
            self._beat_on()
        finally:
            self._pulse.close()

    def _first_beat(self) -> None:
        """Beat, and again if the database does not answer: a connection may be cut at any moment, this one too."""
        for _ in range(FIRST_BEATS - 1):
            try:
                return self._beat()
            except LogUnavailable:
                self._stopping.wait(min(1.0, self._lease.seconds / BEATS_A_LEASE))
        return self._beat()

    def _beat(self) -> None:
        sent_at = self._lease.now()
        self._pulse.beat()
        self._lease.renewed(sent_at)

    def _beat_on(self) -> None:
        pause = self._lease.seconds / BEATS_A_LEASE
        while not self._stopping.wait(pause):
            try:
                self._beat()
            except LogError:
                pause = self._lease.seconds / BEATS_A_LEASE / 4
            else:
                pause = self._lease.seconds / BEATS_A_LEASE
