"""Shapes of sagas as data: which steps, in which order, and how each of their handlers behaves.

A shape is a tree (`step`, `seq`, `par`, `group`, `caught` ...) that one saga function walks, and an action for each
step whose handlers play what its `Part`s say and note it in the ledger of the simulation. Nothing here knows of faults:
what a shape's handlers do depends on the attempt's number alone, so that it may be cut anywhere.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property

from tenacity import stop_after_attempt, wait_fixed

from ..actions.action import Action
from ..actions.call import Call, Outcome
from ..errors import ActionError, OutcomeUnknown
from ..saga.definition import Saga
from ..saga.events import RunStatus
from ..saga.run import Run
from .ledger import Kind, Ledger
from .virtual_world import VirtualThreads

TIMEOUT_SECONDS = 5.0
LATE_SECONDS = 3.0
"""How long after its time is up a handler that cannot be stopped goes on."""

_FOR_EVER = 1e6


class Play(Enum):
    """How one attempt of a handler behaves."""

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


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Block:
    """Several nodes, and how they are put together."""

    how: "How"
    nodes: "tuple[Node, ...]" = ()


class How(Enum):
    """How a block's nodes are put together."""

    SEQ = auto()
    PAR = auto()
    """`run.all`."""
    GATHER = auto()
    """`asyncio.gather`, of steps only."""
    GROUP = auto()
    """A `TaskGroup`, of steps only."""
    CAUGHT = auto()
    """In sequence; a step that fails is let pass."""
    RAISE = auto()
    """The saga raises here."""
    AGAIN = auto()
    """The first node, and the others where it failed."""
    DETACHED = auto()
    """Begun, and not waited for; of steps only."""


Node = Step | Block


class Stage:
    """Where the handlers of a shape find the world of the simulation that is running."""

    ledger: Ledger
    threads: VirtualThreads

    def enter(self, ledger: Ledger, threads: VirtualThreads) -> None:
        """Begin, or go on with, a simulated process."""
        self.ledger, self.threads = ledger, threads


@dataclass(frozen=True)
class Shape:
    """A saga as data.

    Attributes:
        name: unique; the saga's, too.
        root: its tree.
        end: how its runs stand in the end.
        or_else: how else they may stand under faults, which make the outcome of an attempt unknown.
        orders: what a person says when the run is parked, one after the other: `retry`, or `waive PATH`.
        settle_seconds: how long after the run's end the world may still move.
    """

    name: str
    root: Node
    end: RunStatus
    or_else: tuple[RunStatus, ...] = ()
    orders: tuple[str, ...] = ()
    settle_seconds: float = 0.0
    stage: Stage = field(default_factory=Stage, compare=False)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All steps of the tree, each once."""
        return tuple({step.name: step for step in _steps(self.root)}.values())

    @cached_property
    def _by_name(self) -> dict[str, Action[str, str]]:
        return {step.name: _action(step, self.stage) for step in self.steps}

    @property
    def actions(self) -> list[Action[str, str]]:
        """An action for each step."""
        return list(self._by_name.values())

    @cached_property
    def saga(self) -> Saga[str, str]:
        """The saga that walks the tree."""

        async def walk(run: Run, value: str) -> str:
            return await _walk(run, self.root, value, self._by_name)

        return Saga(self.name, version=1, function=walk)


def _steps(node: Node) -> Iterator[Step]:
    if isinstance(node, Step):
        yield node
    else:
        for inner in node.nodes:
            yield from _steps(inner)


async def _walk(run: Run, node: Node, value: str, actions: dict[str, Action[str, str]]) -> str:
    """Walk a tree; each step's input is what came before it, so that it shows what a replay was given."""
    if isinstance(node, Step):
        return await run.do(actions[node.name], value)
    match node.how:
        case How.SEQ | How.CAUGHT:
            for inner in node.nodes:
                try:
                    value = await _walk(run, inner, value, actions)
                except ActionError:
                    if node.how is How.SEQ:
                        raise
            return value
        case How.AGAIN:
            return await _again(run, node.nodes, value, actions)
        case How.PAR:
            branches = [
                run.do(actions[inner.name], value) if isinstance(inner, Step) else _walk(run, inner, value, actions)
                for inner in node.nodes
            ]
            return "+".join(await run.all(*branches))
        case How.RAISE:
            raise Failure("the saga raises")
        case _:
            return await _by_hand(run, node, value, actions)


async def _again(run: Run, nodes: tuple[Node, ...], value: str, actions: dict[str, Action[str, str]]) -> str:
    for inner in nodes[:-1]:
        try:
            return await _walk(run, inner, value, actions)
        except ActionError:
            continue
    return await _walk(run, nodes[-1], value, actions)


async def _by_hand(run: Run, node: Block, value: str, actions: dict[str, Action[str, str]]) -> str:
    steps = [run.do(actions[step.name], value) for step in _steps(node)]
    match node.how:
        case How.GROUP:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(step) for step in steps]
            return "+".join(task.result() for task in tasks)
        case How.GATHER:
            return "+".join(await asyncio.gather(*steps))
        case _:
            for step in steps:
                asyncio.ensure_future(step).add_done_callback(_seen)
            await asyncio.sleep(0)
            return value


def _seen(task: "asyncio.Future[str]") -> None:
    if not task.cancelled():
        task.exception()


# Actions


def _action(step: Step, stage: Stage) -> Action[str, str]:
    handlers = _Plain(step, stage) if step.plain else _Async(step, stage)
    action: Action[str, str] = _CheckedOnce(
        step.name,
        do=handlers.do,
        probe=handlers.probe if step.probe else None,
        irreversible=step.undo is None,
        timeout=TIMEOUT_SECONDS,
        stop=stop_after_attempt(step.attempts),
        wait=wait_fixed(step.wait_seconds),
        on_unknown=step.on_unknown,
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
    def __init__(self, step: Step, stage: Stage) -> None:
        self._step = step
        self._stage = stage

    def _play(self, kind: Kind, attempt: int) -> Play:
        plays = self._step.do if kind is Kind.DO else self._step.undo
        if isinstance(plays, Play):
            return plays
        return plays[attempt - 1] if plays and attempt <= len(plays) else Play.OK

    def _landed(self, kind: Kind, call: Call) -> None:
        self._stage.ledger.landed(kind, self._step.name, call)

    def _result(self, value: str) -> str:
        return f"{value}>{self._step.name}"

    def _probed(self, value: str, call: Call) -> str | None:
        ledger = self._stage.ledger
        ledger.entered(Kind.PROBE, self._step.name, call)
        ledger.left(Kind.PROBE, self._step.name, call)
        return self._result(value) if ledger.stands(call.idempotency_key) else None

    def _act(self, kind: Kind, play: Play, call: Call) -> None:
        """Do what a play does in no time."""
        if play is Play.RAISES:
            raise Failure(f"{self._step.name} {kind} {call.attempt}")
        if play is Play.VANISHES:
            raise OutcomeUnknown("no answer, and nothing done")
        self._landed(kind, call)
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
        ledger = self._stage.ledger
        ledger.entered(kind, self._step.name, call)
        try:
            await self._take_time(kind, self._play(kind, call.attempt), call)
        finally:
            ledger.left(kind, self._step.name, call)

    async def _take_time(self, kind: Kind, play: Play, call: Call) -> None:
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
        self._stage.ledger.entered(kind, self._step.name, call)
        self._stage.threads.spend(self._step.seconds)
        play = self._play(kind, call.attempt)
        if play in (Play.HANGS, Play.LANDS_AND_HANGS, Play.LATE):
            self._stage.threads.spend(TIMEOUT_SECONDS + LATE_SECONDS)
        try:
            if play is not Play.HANGS:
                self._act(kind, play, call)
        finally:
            self._stage.ledger.left(kind, self._step.name, call)


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


def seq(*nodes: Node) -> Block:
    """Return one after the other."""
    return Block(How.SEQ, nodes)


def par(*nodes: Node) -> Block:
    """Return side by side, with `run.all`."""
    return Block(How.PAR, nodes)
