"""How the handlers of a shape behave: each attempt plays what its step says, whatever else goes wrong."""

import asyncio
from dataclasses import dataclass, fields
from enum import Enum, auto

from tenacity import stop_after_attempt, wait_fixed

from ..actions.action import Action
from ..actions.call import Call, Outcome
from ..actions.rate import Rate
from ..errors import OutcomeUnknown
from .entry import ENTRY, Entry, spend
from .ledger import Kind

__all__ = [
    "HANGS",
    "LANDS_AND_HANGS",
    "LATE",
    "LOSES",
    "OK",
    "RAISES",
    "VANISHES",
    "Failure",
    "Play",
    "Plays",
    "Step",
    "action_of",
]

TIMEOUT_SECONDS = 5.0
LATE_SECONDS = 3.0
"""How long after its time is up a handler that cannot be stopped goes on."""

_FOR_EVER = 1e6


class Play(Enum):
    """How one attempt of a handler behaves."""

    def __repr__(self) -> str:
        return str(self)

    OK = auto()
    RAISES = auto()
    """Before anything has landed."""
    LOSES = auto()
    """It lands, and its reply is lost."""
    VANISHES = auto()
    """Nobody knows whether it landed; it did not."""
    HANGS = auto()
    """Past its timeout; nothing lands."""
    LANDS_AND_HANGS = auto()
    """It lands, and then does not return in time."""
    LATE = auto()
    """It cannot be stopped, and lands after its time is up."""


OK, RAISES, LOSES, VANISHES = Play.OK, Play.RAISES, Play.LOSES, Play.VANISHES
HANGS, LANDS_AND_HANGS, LATE = Play.HANGS, Play.LANDS_AND_HANGS, Play.LATE

Plays = Play | tuple[Play, ...]
"""One for all attempts, or one for each and then OK."""


class Failure(Exception):
    """What a handler or a saga of a shape raises."""


@dataclass(frozen=True, repr=False)
class Step:
    """A call of an action of its own.

    Attributes:
        name: the action's.
        do: how its handler behaves.
        undo: how its undo behaves; None where it is irreversible.
        probe: it has one.
        plain: its handlers are plain functions.
        on_unknown: as an action's.
        attempts: how many its `do` has.
        undo_attempts: how many its undo has.
        seconds: how long its handlers take.
        wait_seconds: how long it waits after an attempt, of its undo too.
        concurrency: as an action's.
        rate: as an action's.
    """

    name: str
    do: Plays = OK
    undo: Plays | None = OK
    probe: bool = False
    plain: bool = False
    on_unknown: str = "retry"
    attempts: int = 6
    undo_attempts: int = 6
    seconds: float = 0.0
    wait_seconds: float = 1.0
    concurrency: int | None = None
    rate: Rate | None = None

    def __repr__(self) -> str:
        told = (
            f"{of.name}={getattr(self, of.name)!r}" for of in fields(self)[1:] if getattr(self, of.name) != of.default
        )
        return f"Step({', '.join([repr(self.name), *told])})"


def action_of(step: Step) -> Action[str, str]:
    """Return the action of a step."""
    handlers = _Plain(step) if step.plain else _Async(step)
    action: Action[str, str] = _CheckedOnce(
        step.name,
        do=handlers.do,
        probe=handlers.probe if step.probe else None,
        irreversible=step.undo is None,
        timeout=TIMEOUT_SECONDS,
        stop=stop_after_attempt(step.attempts),
        wait=wait_fixed(step.wait_seconds),
        on_unknown=step.on_unknown,
        concurrency=step.concurrency,
        rate=step.rate,
    )
    if step.undo is not None:
        stop = stop_after_attempt(step.undo_attempts)
        action.undo(timeout=TIMEOUT_SECONDS, stop=stop, wait=wait_fixed(step.wait_seconds))(handlers.undo)
    return action


class _CheckedOnce(Action[str, str]):
    """An action that is given to thousands of coordinators, one after the other, and checked by the first."""

    _checked = False

    def check(self) -> None:
        """See `Action.check`."""
        if not self._checked:
            super().check()
            self._checked = True


class _Handlers:
    def __init__(self, step: Step) -> None:
        self._step = step

    def _play(self, kind: Kind, attempt: int) -> Play:
        plays = self._step.do if kind is Kind.DO else self._step.undo
        if isinstance(plays, Play):
            return plays
        return plays[attempt - 1] if plays and attempt <= len(plays) else Play.OK

    def _result(self, value: str) -> str:
        return f"{value}>{self._step.name}"

    def _probed(self, value: str, call: Call) -> str | None:
        return self._result(value) if _entry().ledger.stands(call.idempotency_key) else None

    def _act(self, kind: Kind, play: Play, call: Call) -> None:
        """Do what a play does in no time."""
        if play is Play.RAISES:
            raise Failure(f"{self._step.name} {kind} {call.attempt}")
        if play is Play.VANISHES:
            raise OutcomeUnknown("no answer, and nothing done")
        _entry().land()
        if play is Play.LOSES:
            raise OutcomeUnknown("done, and the answer is lost")


class _Async(_Handlers):
    async def do(self, value: str, call: Call) -> str:
        await self._perform(Kind.DO, call)
        return self._result(value)

    async def undo(self, value: str, output: str | None, call: Call) -> None:
        _check_output(output, self._result(value), call)
        await self._perform(Kind.UNDO, call)

    async def probe(self, value: str, call: Call) -> str | None:
        return self._probed(value, call)

    async def _perform(self, kind: Kind, call: Call) -> None:
        play = self._play(kind, call.attempt)
        if self._step.seconds:
            await asyncio.sleep(self._step.seconds)
        if play is Play.LATE:
            await _unstoppable(TIMEOUT_SECONDS + LATE_SECONDS)
        if play is not Play.HANGS:
            self._act(kind, play, call)
        if play in (Play.HANGS, Play.LANDS_AND_HANGS):
            await asyncio.sleep(_FOR_EVER)


class _Plain(_Handlers):
    def do(self, value: str, call: Call) -> str:
        self._perform(Kind.DO, call)
        return self._result(value)

    def undo(self, value: str, output: str | None, call: Call) -> None:
        _check_output(output, self._result(value), call)
        self._perform(Kind.UNDO, call)

    def probe(self, value: str, call: Call) -> str | None:
        return self._probed(value, call)

    def _perform(self, kind: Kind, call: Call) -> None:
        """A thread that takes time has its effect at its beginning here, and its result at its end."""
        spend(self._step.seconds)
        play = self._play(kind, call.attempt)
        if play in (Play.HANGS, Play.LANDS_AND_HANGS, Play.LATE):
            spend(TIMEOUT_SECONDS + LATE_SECONDS)
        if play is not Play.HANGS:
            self._act(kind, play, call)


def _entry() -> Entry:
    entry = ENTRY.get()
    assert entry is not None, "the handlers of a shape run in simulations"
    return entry


def _check_output(output: str | None, expected: str, call: Call) -> None:
    """Hold an undo's output against what its step returned: it must be there where the step succeeded."""
    allowed = (expected,) if call.outcome is Outcome.SUCCEEDED else (expected, None)
    if output not in allowed:
        raise AssertionError(f"the undo got {output!r}, and the step had returned {expected!r}")


async def _unstoppable(seconds: float) -> None:
    """Sleep, whoever cancels it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        try:
            await asyncio.sleep(until - loop.time())
        except asyncio.CancelledError:
            continue
