"""Simulated processes: each is an event loop with a coordinator on it, and they share a log, a clock and a world.

In a simulation of one run, one process runs at a time; in a cluster they take turns. A process that died is one whose
loop is never run again: no `except` and no `finally` of it notices. A process that was stopped runs on later, in a
world that has moved on without it.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from ..saga.coordinator import Coordinator
from .asking import until_answered
from .faulty_handlers import FaultyHandlers
from .faulty_log import FaultyLog
from .ledger import Ledger
from .scenario import Scenario
from .virtual_time import VirtualClock, VirtualLoop
from .virtual_world import VirtualThreads, virtual_surroundings

__all__ = ["Process"]

MAX_RUNNING = 1_000

Main = Callable[[Coordinator], Coroutine[Any, Any, None]]


class Process:
    """One boot of a service that holds a coordinator.

    Args:
        scenarios: whose sagas and actions it knows.
        log: shared.
        clock: shared.
        ledger: shared.
        handlers: shared; what is entered in the place of the scenarios' handlers.
        worker: the token of this boot.
        main: what the service does with its coordinator, which is open.
        lease_seconds: of its coordinator.
        max_running: of its coordinator.
        loop: what it runs on; a loop of its own kind, if left out.

    Attributes:
        worker: as given.
        task: the service.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        *,
        log: FaultyLog,
        clock: VirtualClock,
        ledger: Ledger,
        handlers: FaultyHandlers,
        worker: str,
        main: Main,
        lease_seconds: float,
        max_running: int = MAX_RUNNING,
        loop: VirtualLoop | None = None,
    ) -> None:
        self.worker = worker
        self._log = log
        self._ledger = ledger
        self._loop = loop or VirtualLoop(clock)
        threads = VirtualThreads()
        coordinator = Coordinator(
            log,
            sagas=list({id(scenario.saga): scenario.saga for scenario in scenarios}.values()),
            actions=list({id(action): action for scenario in scenarios for action in scenario.actions}.values()),
            lease_seconds=lease_seconds,
            max_running=max_running,
            surroundings=virtual_surroundings(clock, threads, worker, partial(handlers.substitute, threads)),
        )
        self.task = self._loop.create_task(_serve(coordinator, main))

    def go_on(self) -> bool:
        """Run until the service has ended or the process is halted; returns whether it has ended.

        Raises:
            SimulationStuck: it waits for what will not come.
            Exception: what the service raised.
        """
        self.enter()
        if not self._loop.go_on(self.task):
            return False
        self.task.result()
        return True

    @property
    def asked_outside(self) -> list[str]:
        """What its code has asked the world outside the simulation for."""
        return self._loop.asked_outside

    def enter(self) -> None:
        """Say that this is the process that is running."""
        self._ledger.worker = self._log.worker = self.worker

    def discard(self) -> None:
        """Let go of what it left unfinished; the ledger is closed."""
        self._loop.discard()


async def _serve(coordinator: Coordinator, main: Main) -> None:
    async with AsyncExitStack() as stack:
        await until_answered(lambda: stack.enter_async_context(coordinator))
        await main(coordinator)
