"""What handles ask of a coordinator: to read a run, to wait until it rests, and to tell it something.

A command is an event that is appended by whoever gives it. Where the run is hosted in this process, its driver takes it
as it takes everything that happens to the run; else it is written behind what is in the log, and rung for, so that the
worker that has the run re-reads it, or the one that claims it next finds it (decision record 030).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..actions.values import JsonText, ValueType
from ..errors import AppendConflict, CommandRefused, LogUnavailable, SignalConflict, UnknownName
from .asked import ANY_PAYLOAD
from .decisions import decide
from .events import Event
from .host import Host
from .hosting import Hosting
from .letting_go import LetGo
from .moments import Moment, Signal
from .moving import move_starts
from .standing import standing_of
from .state import RunState, evolve, fold
from .undo_plan import UndoPlan, children_to_undo, undo_plan

POLL_SECONDS = (0.05, 1.0)
"""First and longest pause between two looks at a run that is hosted elsewhere."""

WAITING_POLL_SECONDS = 5.0
"""The longest pause, if the run only waits."""


class Runs:
    """The runs of a log, as they are seen from one coordinator.

    Args:
        opened: returns what its drivers share, and what the coordinator hosts; raises `CoordinatorClosed`.

    Attributes:
        opened: as given.
    """

    def __init__(self, opened: Callable[[], tuple[Host, Hosting]]) -> None:
        self.opened = opened

    async def events(self, run_id: str) -> list[Event]:
        """Return a run's events; see `RunHandle.history`."""
        host, _ = self.opened()
        records = await host.log.read(run_id)
        if not records:  # Maybe its start is not in the log yet; and another may move it at this moment.
            await move_starts(host, run_id)
            records = await host.log.read(run_id)
        if not records:
            raise UnknownName("run", run_id)
        return [host.codec.decode(record) for record in records]

    async def state(self, run_id: str) -> RunState:
        """Return a run as it stands in the log."""
        return fold(run_id, await self.events(run_id))

    async def at_rest(self, run_id: str) -> RunState:
        """Wait until a run has ended or is parked, and return it."""
        state = RunState(run_id)
        pause, longest = POLL_SECONDS
        while True:
            host, hosting = self.opened()
            driver = hosting.drivers.get(run_id)
            if driver is not None:
                try:
                    return await driver.finished.wait()
                except (AppendConflict, LetGo, LogUnavailable):
                    pause = POLL_SECONDS[0]  # Somebody else has the run, or nobody; look on.
            for record in await host.log.read(run_id, state.version):
                evolve(state, host.codec.decode(record))
            if not state.version:
                await self.events(run_id)  # Maybe its start is not in the log yet.
                continue
            if state.at_rest:
                return state
            await hosting.until_hosted(run_id, pause)
            pause = min(WAITING_POLL_SECONDS if state.only_waits else longest, pause * 2)

    async def command(self, run_id: str, moment: Moment, read: RunState | None = None) -> RunState:
        """Carry out what a person says to a run, wherever it is hosted, and return it as it then stands.

        Where nothing follows from `moment`, the run stays as it is.

        Args:
            run_id: the run.
            moment: what is said.
            read: the run, if the caller has just read it; it is changed.
        """
        while True:
            host, hosting = self.opened()
            driver = hosting.drivers.get(run_id)
            try:
                if driver is not None and driver.takes_commands:
                    driver.take(moment)
                    await driver.durable()
                    return driver.state
                state, read = read or await self.state(run_id), None
                events = decide(state, moment, host.clock.now())
                return await self._append(host, state, events) if events else state
            except (AppendConflict, LetGo):
                continue  # Somebody else was faster, or the run was let go of; see how it stands now.

    async def undo_plan(self, state: RunState) -> UndoPlan:
        """Return what would be undone of a run, with the runs that are steps of it."""
        children: dict[str, UndoPlan] = {}
        for path, child in children_to_undo(state).items():
            with suppress(UnknownName):  # It was never started.
                children[path] = await self.undo_plan(await self.state(child))
        return undo_plan(state, children)

    async def signal(self, run_id: str, name: str, payload: object, *, by: str, key: str) -> None:
        """Record a signal, unless the run has one of this key; see `RunHandle.signal`."""
        host, hosting = self.opened()
        driver = hosting.drivers.get(run_id)
        if driver is not None and driver.takes_commands and driver.acknowledged.done():
            state, read = driver.state, None
        else:
            state = read = await self.state(run_id)
        saga = host.registry.recorded_saga(state.saga, state.saga_version)
        text = _encoded(saga.signals if saga else None, name, payload)
        state = await self.command(run_id, Signal(name, text, by, key), read)
        received = state.waits.received.get(key)
        if received is None:
            raise CommandRefused(run_id, state.status, "nobody would hear a signal")
        if received != (name, text):
            raise SignalConflict(run_id, key)

    async def _append(self, host: Host, state: RunState, events: Sequence[Event]) -> RunState:
        version, standing = state.version, standing_of(state)
        for event in events:
            evolve(state, event)
        after = standing_of(state)
        change = None if after is None or after == standing else after._replace(owner=None, outside=True)
        records = [host.codec.encode(event) for event in events]
        await host.log.append(state.run_id, version, records, change, ring=state.run_id)
        host.observers.recorded(state, events)
        return state


def _encoded(signals: Mapping[str, ValueType[Any]] | None, name: str, payload: object) -> JsonText:
    if signals and name not in signals:
        raise UnknownName("signal", name, sorted(signals))
    kind = (signals or {}).get(name, ANY_PAYLOAD)
    return kind.encode(payload)
