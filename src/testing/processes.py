"""Simulated processes: each is an event loop with a coordinator on it, and they share a log, a clock and a world.

One runs at a time. A process that died is one whose loop is never run again: no `except` and no `finally` of it
notices. A process that was stopped runs on later, in a world that has moved on without it.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from ..saga.coordinator import Coordinator
from .faulty_log import FaultyLog
from .ledger import Ledger
from .shapes import Shape
from .virtual_time import VirtualClock, VirtualLoop
from .virtual_world import VirtualThreads, virtual_surroundings

LEASE_SECONDS = 2.0


class Process:
    """One boot of a service that holds a coordinator.

    Args:
        shape: whose saga and actions it knows.
        log: shared.
        clock: shared.
        ledger: shared.
        worker: the token of this boot.
        main: what the service does with its coordinator, which is open.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        log: FaultyLog,
        clock: VirtualClock,
        ledger: Ledger,
        worker: str,
        main: Callable[[Coordinator], Coroutine[Any, Any, None]],
    ) -> None:
        self.worker = worker
        self._shape = shape
        self._ledger = ledger
        self._loop = VirtualLoop(clock)
        self._threads = VirtualThreads()
        coordinator = Coordinator(
            log,
            sagas=[shape.saga],
            actions=shape.actions,
            lease_seconds=LEASE_SECONDS,
            surroundings=virtual_surroundings(clock, self._threads, worker),
        )
        self._task = self._loop.create_task(_serve(coordinator, main))

    def go_on(self) -> bool:
        """Run until the service has ended or the process is halted; returns whether it has ended.

        Raises:
            SimulationStuck: it waits for what will not come.
            Exception: what the service raised.
        """
        self._ledger.worker = self.worker
        self._shape.stage.enter(self._ledger, self._threads)
        if not self._loop.go_on(self._task):
            return False
        self._task.result()
        return True

    def discard(self) -> None:
        """Let go of what it left unfinished; the ledger is closed."""
        self._loop.discard()


async def _serve(coordinator: Coordinator, main: Callable[[Coordinator], Coroutine[Any, Any, None]]) -> None:
    async with coordinator:
        await main(coordinator)
