"""Actions that do what a test says and note what was done, and sagas run over them from start to rest.

A `World` is the outside: it holds every entry into a handler and the effects that stand. What a handler does is a
*script*: one play for each attempt, and all goes well when the script is over; or one play for every attempt. A play
is an exception to raise, or an async function of the `Call`. It comes before the effect, so a play that raises leaves
none; `landing` makes one that raises after the effect.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tenacity import stop_after_attempt, wait_none

from amends import Action, Call, Coordinator, Run, RunFailed, RunHandle, RunStatus, Saga
from amends.saga import events as e
from tests.checker import Entry, check_history

__all__ = ["ONCE", "Ran", "Script", "World", "a_saga", "after", "boom", "landing", "paths", "trail", "until"]

Play = BaseException | type[BaseException] | Callable[[Call], Awaitable[object]] | None
Script = Sequence[Play] | Play


ONCE: dict[str, Any] = {"retry": lambda state: False}
"""The keywords of an action whose failures are final at once."""


class Boom(Exception):
    """What goes wrong in tests."""


def boom(text: str = "boom") -> Boom:
    """Return an error to raise."""
    return Boom(text)


class Landing:
    """A play that lets the effect land and raises then."""

    def __init__(self, error: BaseException | type[BaseException]) -> None:
        self.error = error


def landing(error: BaseException | type[BaseException]) -> Any:
    """Return a play that raises `error` after the effect has landed."""
    return Landing(error)


def after(*events: asyncio.Event) -> Callable[[Call], Awaitable[object]]:
    """Return a play that waits for all these events."""

    async def wait(call: Call) -> None:
        for event in events:
            await event.wait()

    return wait


class World:
    """Everything outside the engine.

    Attributes:
        entries: each entry into a handler, in order.
        effects: what stands, as (run id, step).
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.effects: set[tuple[str, str]] = set()
        self.inputs: list[str] = []
        self.outcomes: list[tuple[str, object, object]] = []
        """Of each undo: step, output and `Call.outcome`."""
        self.actions: list[Action[Any, Any]] = []
        self.entered = asyncio.Event()
        """Set at each entry; a test that waits for one clears it first."""
        self._lock = threading.Lock()

    def action(
        self,
        name: str,
        do: Script = (),
        undo: Script = (),
        *,
        probe: Callable[[Call], Awaitable[str | None]] | None = None,
        irreversible: bool = False,
        undo_stop: Any = stop_after_attempt(3),
        undo_timeout: float | None = 60,
        **keywords: Any,
    ) -> Action[str, str]:
        """Return an action that takes and returns a text; its output is its input in upper case."""

        async def handler(value: str, call: Call) -> str:
            self.inputs.append(value)
            self.note("do", name, call)
            play = _play(do, call.attempt)
            if not isinstance(play, Landing):
                await _perform(play, call)
            self.effects.add((call.run_id, call.step))
            if isinstance(play, Landing):
                raise play.error
            return value.upper()

        async def undoing(value: str, output: str | None, call: Call) -> None:
            self.note("undo", name, call)
            self.outcomes.append((call.step, output, call.outcome))
            await _perform(_play(undo, call.attempt), call)
            self.effects.discard((call.run_id, call.step))

        async def probing(value: str, call: Call) -> str | None:
            self.note("probe", name, call)
            assert probe is not None
            return await probe(call)

        keywords = {"stop": stop_after_attempt(3), "wait": wait_none()} | keywords
        made: Action[str, str] = Action(name, do=handler, irreversible=irreversible, **keywords)
        if not irreversible:
            made.undo(stop=undo_stop, wait=wait_none(), timeout=undo_timeout)(undoing)
        if probe is not None:
            made.probe(probing)
        self.actions.append(made)
        return made

    def note(self, kind: str, action: str, call: Call) -> None:
        """Note an entry; from any thread."""
        with self._lock:
            self.entries.append(Entry(kind, call.run_id, action, call.step, call.attempt, call.idempotency_key))
        self.entered.set()

    def entered_steps(self, kind: str = "do", run_id: str | None = None) -> list[str]:
        """Return the steps whose handlers were entered, in order, each as often as it was."""
        return [entry.step for entry in self.entries if entry.kind == kind and run_id in (None, entry.run_id)]

    @asynccontextmanager
    async def coordinator(self, log: Any, *sagas: Saga[Any, Any], **keywords: Any) -> AsyncIterator[Coordinator]:
        """Yield an open coordinator that knows the sagas and all actions made so far.

        What the event loop complains of meanwhile (an error in a callback, or one that nobody has looked at) fails.
        """
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, complaint: complaints.append(complaint))
        async with Coordinator(log, sagas=sagas, actions=self.actions, **keywords) as coordinator:
            yield coordinator
        assert complaints == []

    async def run(self, log: Any, function: Callable[[Run], Awaitable[Any]], run_id: str = "run") -> "Ran":
        """Run a saga from start to rest, and hold all invariants over what it left."""
        saga = a_saga(function)
        async with self.coordinator(log, saga) as coordinator:
            return await self.rest(await coordinator.start(saga, run_id=run_id))

    async def rest(self, handle: RunHandle[Any]) -> "Ran":
        """Wait until a run has ended or is parked, and hold all invariants over it."""
        error, output = None, None
        async with asyncio.timeout(20):
            try:
                output = await handle.result()
            except RunFailed as failed:
                error = failed
            events = await handle.history()
            status = await handle.status()
        entries = [entry for entry in self.entries if entry.run_id == handle.run_id]
        breaches = check_history(events, entries)
        assert not breaches, "\n".join([*breaches, *trail(events)])
        assert error is None or error.status is status
        return Ran(status, output, error, events)


async def until(handle: RunHandle[Any], kind: type[e.Event]) -> None:
    """Return when the run's log holds an event of that kind; fail when the run has ended without one."""
    async with asyncio.timeout(20):
        events = await handle.history()
        while not any(isinstance(event, kind) for event in events):
            assert not isinstance(events[-1], e.RunCompleted | e.RunCompensated | e.RunParked), trail(events)
            events = await handle.history()


@dataclass(frozen=True)
class Ran:
    """How a run stands, at rest."""

    status: RunStatus
    output: Any
    error: RunFailed | None
    events: list[e.Event]

    @property
    def trail(self) -> list[str]:
        """The run in short words; see `trail`."""
        return trail(self.events)

    @property
    def remaining(self) -> dict[str, str]:
        """What stands, by step, and why."""
        return {item.step: str(item.why) for item in self.error.remaining} if self.error else {}

    def all_of(self, *kinds: type[e.Event]) -> list[Any]:
        """Return the events of some kinds."""
        return [event for event in self.events if isinstance(event, kinds)]


def a_saga(function: Callable[[Run], Awaitable[Any]]) -> Saga[None, Any]:
    """Return a saga of a function that takes no input; whatever it returns is its output."""

    async def body(run: Run) -> Any:
        return await function(run)

    return Saga("a-saga", version=1, function=body)


_WORDS: dict[type[e.Event], str] = {
    e.ActionStarted: "do",
    e.ActionSucceeded: "done",
    e.ActionFailed: "failed",
    e.ActionUnknown: "unknown",
    e.CompensationStarted: "undo",
    e.ActionCompensated: "undone",
    e.CompensationFailed: "undo-failed",
    e.CompensationWaived: "waived",
    e.RunFailing: "FAILING",
    e.RunParked: "PARKED",
    e.RunResumed: "RESUMED",
    e.RunCompleted: "COMPLETED",
    e.RunCompensated: "COMPENSATED",
}


def trail(events: Sequence[e.Event]) -> list[str]:
    """Return the events in short words: `do 1`, `done 1`, `FAILING` ..., without starts and claims of the run."""
    return [
        " ".join([_WORDS[type(event)]] + ([step] if (step := _step(event)) else []))
        for event in events
        if type(event) in _WORDS
    ]


def _step(event: e.Event) -> str | None:
    return None if isinstance(event, e.RunFailing) else getattr(event, "step", None)


def paths(events: Sequence[e.Event]) -> list[str]:
    """Return the paths of the steps in the order in which they began."""
    return [event.step for event in events if isinstance(event, e.ActionStarted) and event.attempt == 1]


def _play(script: Script, attempt: int) -> Any:
    if isinstance(script, Sequence):
        return script[attempt - 1] if attempt <= len(script) else None
    return script


async def _perform(play: Any, call: Call) -> None:
    if isinstance(play, BaseException | type):
        raise play
    if play is not None:
        await play(call)
