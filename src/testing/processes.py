"""Simulated processes: each is an event loop with a coordinator on it, and they share a log, a clock and a world.

One runs at a time. A process that died is one whose loop is never run again: no `except` and no `finally` of it
notices. A process that was stopped runs on later, in a world that has moved on without it.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from ..saga.coordinator import Coordinator
from .faulty_handlers import FaultyHandlers
from .faulty_log import FaultyLog
from .ledger import Ledger
from .scenario import Scenario
from .virtual_time import VirtualClock, VirtualLoop
from .virtual_world import VirtualThreads, virtual_surroundings

__all__ = ["Process"]

Main = Callable[[Coordinator], Coroutine[Any, Any, None]]


class Process:
    """One boot of a service that holds a coordinator.

    Args:
        scenario: whose saga and actions it knows.
        log: shared.
        clock: shared.
        ledger: shared.
        handlers: shared; what is entered in the place of the scenario's handlers.
        worker: the token of this boot.
        main: what the service does with its coordinator, which is open.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        log: FaultyLog,
        clock: VirtualClock,
        ledger: Ledger,
        handlers: FaultyHandlers,
        worker: str,
        main: Main,
    ) -> None:
        self.worker = worker
        self._log = log
        self._ledger = ledger
        self._loop = VirtualLoop(clock)
        threads = VirtualThreads()
        coordinator = Coordinator(
            log,
            sagas=[scenario.saga],
            actions=scenario.actions,
            lease_seconds=scenario.lease_seconds,
            surroundings=virtual_surroundings(clock, threads, worker, partial(handlers.substitute, threads)),
        )
        self._task = self._loop.create_task(_serve(coordinator, main))

    def go_on(self) -> bool:
        """Run until the service has ended or the process is halted; returns whether it has ended.

        Raises:
            SimulationStuck: it waits for what will not come.
            Exception: what the service raised.
        """
        self._ledger.worker = self._log.worker = self.worker
        if not self._loop.go_on(self._task):
            return False
        self._task.result()
        return True

    @property
    def asked_outside(self) -> list[str]:
        """What its code has asked the world outside the simulation for."""
        return self._loop.asked_outside

    def discard(self) -> None:
        """Let go of what it left unfinished; the ledger is closed."""
        self._loop.discard()


async def _serve(coordinator: Coordinator, main: Main) -> None:
    async with coordinator:
        await main(coordinator)
