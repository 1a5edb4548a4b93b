"""One process of a cluster: a loop that takes turns with others, a coordinator, and those who ask it for something."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from typing import Any

from ..saga.coordinator import Coordinator
from .faulty_handlers import FaultyHandlers
from .faulty_log import FaultyLog
from .ledger import Ledger
from .processes import MAX_RUNNING, Process
from .scenario import Scenario
from .turns import TurnLoop
from .virtual_time import VirtualClock

__all__ = ["Life", "Member"]

Request = Callable[[Coordinator], Coroutine[Any, Any, None]]


class Life(Enum):
    """How a process of a cluster is."""

    RUNNING = auto()
    STOPPED = auto()
    """Its loop is not run, and time passes without it; it may go on."""
    GONE = auto()
    """It was killed, or has ended: its loop is never run again."""


class Member:
    """One process of a cluster.

    Args:
        name: the token of this boot.
        scenarios: whose sagas and actions it knows.
        log: shared.
        clock: shared.
        ledger: shared.
        handlers: shared.
        lease_seconds: of its coordinator.
        is_client: it hosts nothing.

    Attributes:
        life: how it is.
        is_closing: it was asked to end.
        loop: what it runs on.
    """

    def __init__(
        self,
        name: str,
        scenarios: Sequence[Scenario],
        *,
        log: FaultyLog,
        clock: VirtualClock,
        ledger: Ledger,
        handlers: FaultyHandlers,
        lease_seconds: float,
        is_client: bool,
    ) -> None:
        self.name = name
        self.is_client = is_client
        self.life = Life.RUNNING
        self.is_closing = False
        self.loop = TurnLoop(clock)
        self._opened: asyncio.Future[Coordinator] = self.loop.create_future()
        self._told_to_close: asyncio.Future[None] = self.loop.create_future()
        self._requests: list[asyncio.Task[Any]] = []
        self._process = Process(
            scenarios,
            log=log,
            clock=clock,
            ledger=ledger,
            handlers=handlers,
            worker=name,
            main=self._serve,
            lease_seconds=lease_seconds,
            max_running=0 if is_client else MAX_RUNNING,
            loop=self.loop,
        )

    def __repr__(self) -> str:
        return f"<Member {self.name}: {self.life.name.lower()}>"

    @property
    def hosts(self) -> bool:
        """Whether it takes up runs, now or when it goes on."""
        return self.life is not Life.GONE and not self.is_client and not self.is_closing

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for an answer of it."""
        self._requests = [request for request in self._requests if not request.done()]
        return self.life is not Life.GONE and bool(self._requests)

    @property
    def error(self) -> BaseException | None:
        """What it died of by itself, if it did."""
        task = self._process.task
        if task.done() and not task.cancelled() and task.exception() is not None:
            return task.exception()
        return self.loop.errors[0] if self.loop.errors else None

    def ask(self, request: Request) -> None:
        """Let somebody ask for something, as soon as it is open."""
        self._requests.append(self.loop.create_task(self._answer(request)))

    def close(self) -> None:
        """Ask it to end, as a service is asked to."""
        self.is_closing = True
        if not self._told_to_close.done():
            self._told_to_close.set_result(None)

    def take_turn(self) -> bool:
        """Do one thing; returns whether a fault of the log has halted it."""
        self._process.enter()
        halted = self.loop.take_turn()
        if self._process.task.done():
            self.life = Life.GONE
        return halted

    def discard(self) -> None:
        """Let go of what it left unfinished; the ledger is closed."""
        self.loop.discard()

    async def _answer(self, request: Request) -> None:
        await request(await asyncio.shield(self._opened))

    async def _serve(self, coordinator: Coordinator) -> None:
        self._opened.set_result(coordinator)
        await self._told_to_close
