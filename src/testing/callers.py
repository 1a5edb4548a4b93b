"""Everybody who wants something of the runs of a cluster: starts them, waits for them, speaks to them.

Each asks through the coordinator of one process, and goes when that process does. What they were promised and told is
kept here, to be held against the log.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import CommandRefused, CoordinatorClosed, RunFailed, UnknownName
from ..saga.codec import EventCodec
from ..saga.coordinator import Coordinator
from ..saga.events import RunCompleted, RunParked, RunStatus
from ..saga.handle import RunHandle
from ..saga.state import fold
from .asking import until_answered
from .checker import Violation
from .client import BY, give_order
from .elsewhere import REFUSALS
from .faulty_log import FaultyLog
from .journal import Journal, Said
from .scenario import Scenario
from .spoken import Signal
from .virtual_time import VirtualClock

__all__ = ["Callers", "Told", "Wanted"]

_codec = EventCodec()


class Told(NamedTuple):
    """What somebody was told of a run: how it stands, and what it returned if it completed."""

    status: RunStatus
    output: str = ""


@dataclass(slots=True)
class Wanted:
    """A run that somebody asked for.

    Attributes:
        run_id: the run.
        scenario: what it is a run of, under its run id.
        acknowledged: somebody was told that it is started.
        cancelled: somebody was told that it is cancelled.
        abandoned: somebody was told that it is abandoned.
        signals: the keys of the signals that somebody was told are taken.
        told: what those who waited for it were told, in order.
        broken: what was wrong at once.
    """

    run_id: str
    scenario: Scenario
    acknowledged: bool = False
    cancelled: bool = False
    abandoned: bool = False
    signals: set[str] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)
    broken: list[Violation] = field(default_factory=list)


class Callers:
    """Everybody who wants something.

    Args:
        log: what they were promised is looked up in.
        journal: where it is noted what they say and are told.
        clock: of the cluster.
    """

    def __init__(self, log: FaultyLog, journal: Journal, clock: VirtualClock) -> None:
        self._log = log
        self._journal = journal
        self._clock = clock

    async def start(self, coordinator: Coordinator, worker: str, wanted: Wanted, *, here: bool) -> None:
        """Ask for a run until that is acknowledged, and wait for its end."""
        scenario = wanted.scenario
        try:
            handle = await until_answered(
                lambda: coordinator.start(
                    scenario.saga, scenario.value, run_id=wanted.run_id, tags=scenario.tags, here=here
                )
            )
            wanted.acknowledged = True
            if not self._log.length(wanted.run_id):
                wanted.broken.append(Violation("no_start_is_lost", f"{worker} says it is started, and it is not"))
            await self._wait(handle, worker, wanted)
        except CoordinatorClosed:
            self._say(worker, "whoever waits for the run is told that the process is going", wanted)
        except Exception as error:
            wanted.broken.append(Violation("nothing_raises", f"start: {type(error).__name__}: {error}"))

    async def wait(self, coordinator: Coordinator, worker: str, wanted: Wanted) -> None:
        """Wait for the end of a run."""
        try:
            await self._wait(coordinator.handle(wanted.run_id), worker, wanted)
        except CoordinatorClosed:
            self._say(worker, "whoever waits for the run is told that the process is going", wanted)
        except Exception as error:
            wanted.broken.append(Violation("nothing_raises", f"result: {type(error).__name__}: {error}"))

    async def speak(self, coordinator: Coordinator, worker: str, wanted: Wanted, order: str) -> None:
        """Say what `give_order` knows until it is heard, or refused."""
        try:
            await until_answered(lambda: give_order(coordinator.handle(wanted.run_id), order))
            self._say(worker, f"is heard: {order}", wanted)
            wanted.cancelled |= order == "cancel"
            wanted.abandoned |= order == "abandon"
        except (CoordinatorClosed, CommandRefused, UnknownName) as refusal:
            self._say(worker, f"is not heard ({type(refusal).__name__}): {order}", wanted)
        except Exception as error:
            wanted.broken.append(Violation("nothing_raises", f"{order}: {type(error).__name__}: {error}"))

    async def tell(self, coordinator: Coordinator, worker: str, wanted: Wanted, signal: Signal) -> None:
        """Tell a run something until that is heard, or refused."""
        handle = coordinator.handle(wanted.run_id)
        try:
            await until_answered(lambda: handle.signal(signal.name, signal.payload, by=BY, key=signal.key))
            wanted.signals.add(signal.key)
            self._say(worker, f"is heard: {signal.name} (key {signal.key})", wanted)
        except (CoordinatorClosed, *REFUSALS) as refusal:
            self._say(worker, f"is not heard ({type(refusal).__name__}): {signal.name}", wanted)
        except Exception as error:
            wanted.broken.append(Violation("nothing_raises", f"{signal.name}: {type(error).__name__}: {error}"))

    async def _wait(self, handle: RunHandle[Any], worker: str, wanted: Wanted) -> None:
        try:
            told = Told(RunStatus.COMPLETED, repr(await until_answered(handle.result)))
        except RunFailed as failed:
            told = Told(failed.status)
        wanted.told.append(told)
        self._say(worker, f"whoever waits for the run is told that it is {told.status}", wanted)
        events = [_codec.decode(record) for record in self._log.records(wanted.run_id)]
        status = fold(wanted.run_id, events).status
        was_parked = told.status is RunStatus.PARKED and any(isinstance(event, RunParked) for event in events)
        was_completed = told.status is RunStatus.COMPLETED and any(isinstance(event, RunCompleted) for event in events)
        if status is not told.status and not was_parked and not was_completed:
            what = f"{worker} says that it is {told.status}, when the log says {status}"
            wanted.broken.append(Violation("everybody_is_told_the_same", what))

    def _say(self, worker: str, text: str, wanted: Wanted) -> None:
        self._journal.add(Said(self._clock.seconds, worker, text, wanted.run_id))
