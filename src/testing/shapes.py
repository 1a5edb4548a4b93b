"""Shapes of sagas as data: which steps, in which order, and how each of their handlers behaves.

A shape is a tree (steps, `seq`, `par`, and blocks of other kinds) that one saga function walks, and an action for each
step whose handlers play what the step says. Nothing here knows of faults: what a shape's handlers do depends on the
attempt's number alone, so that it may be cut anywhere.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property

from ..actions.action import Action
from ..errors import ActionError, SignalTimedOut
from ..saga.definition import Saga
from ..saga.events import RunResumed, RunStatus
from ..saga.run import Run
from .plan import AppendFault, Fault, HandlerFault
from .plays import Failure, Step, action_of
from .scenario import Scenario
from .simulate import simulate
from .simulation import Simulation

__all__ = ["Block", "Commit", "Hear", "How", "Lock", "Node", "Shape", "Sleep", "par", "seq"]

LEASE_SECONDS = 2.0
LIMIT_SECONDS = 600.0
INPUT = "in"

FORWARD_ATTEMPTS = 10
MOST_FAULTS = 2
"""More crashes than that may use up a step's attempts, and so change how the run ends."""


@dataclass(frozen=True, repr=False)
class Block:
    """Several nodes, how they are put together, and for `How.PAR` how many run at once."""

    how: "How"
    nodes: "tuple[Node, ...]" = ()
    limit: int | None = None

    def __repr__(self) -> str:
        limit = f", {self.limit}" if self.limit else ""
        return f"Block({self.how}, {self.nodes!r}{limit})"


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


@dataclass(frozen=True)
class Sleep:
    """The saga sleeps."""

    seconds: float


@dataclass(frozen=True)
class Hear:
    """The saga waits for a signal, and what comes after it shows its payload."""

    signal: str
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class Commit:
    """The saga passes its point of no return."""


@dataclass(frozen=True)
class Lock:
    """The saga takes locks, which other shapes may take, too."""

    keys: tuple[str, ...]


Wait = Sleep | Hear | Commit | Lock
Node = Step | Block | Wait


@dataclass(frozen=True)
class Shape:
    """A saga as data.

    Attributes:
        name: unique; the saga's, too.
        root: its tree.
        end: how its runs stand in the end; None where nobody has said.
        or_else: how else they may stand under faults, which make the outcome of an attempt unknown.
        orders: what a person says when the run is parked, one after the other: `retry`, or `waive PATH`.
        settle_seconds: how long after the run's end the world may still move.
        signals: what it is told when it waits for that, as names and texts.
        concurrency: how many of its runs may be under way at once.
    """

    name: str
    root: Node
    end: RunStatus | None = None
    or_else: tuple[RunStatus, ...] = ()
    orders: tuple[str, ...] = ()
    settle_seconds: float = 0.0
    signals: tuple[tuple[str, str], ...] = ()
    concurrency: int | None = None

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All steps of the tree, each once."""
        return tuple({step.name: step for step in _steps(self.root)}.values())

    @cached_property
    def _by_name(self) -> dict[str, Action[str, str]]:
        return {step.name: action_of(step) for step in self.steps}

    @property
    def actions(self) -> list[Action[str, str]]:
        """An action for each step."""
        return list(self._by_name.values())

    @cached_property
    def saga(self) -> Saga[str, str]:
        """The saga that walks the tree."""

        async def walk(run: Run, value: str) -> str:
            return await _walk(run, self.root, value, self._by_name)

        return Saga(self.name, version=1, function=walk, concurrency=self.concurrency)

    @cached_property
    def scenario(self) -> Scenario:
        """The shape as something to simulate."""
        return Scenario(
            self.saga,
            INPUT,
            actions=self.actions,
            when_parked=self.orders,
            signals=self.signals,
            run_id=self.name,
            lease_seconds=LEASE_SECONDS,
            limit_seconds=LIMIT_SECONDS,
            settle_seconds=self.settle_seconds,
            ends=self.end,
            undos_may_fail=True,
            holds=self._holds,
        )

    @cached_property
    def among_others(self) -> Scenario:
        """The shape as one of several that a cluster runs: its actions bear its name, and its runs may end any way."""
        own = replace(self, root=_renamed(self.root, f"{self.name}."))
        return replace(own.scenario, holds=own._holds_among_others)  # noqa: SLF001 - it is the same class

    def _holds_among_others(self, simulation: Simulation) -> None:
        """Attempts are bounded unless a person asks for more, and every undo gets what its step returned."""
        allowed = {step.name: step for step in self.steps}
        resumed = any(isinstance(event, RunResumed) for event in simulation.events)
        for step in simulation.state.steps.values():
            limit = _limit(allowed[step.action], simulation)
            assert resumed or step.attempts <= limit, f"step {step.path}: {step.attempts} attempts of {limit}"
            message = step.undo_error.message if step.undo_error and step.undo_error.type == "AssertionError" else ""
            assert not message, f"step {step.path}: {message}"

    def _holds(self, simulation: Simulation) -> None:
        """Attempts are bounded, and what goes wrong with the log alone changes nothing about the end."""
        allowed = {step.name: step for step in self.steps}
        for step in simulation.state.steps.values() if not self.orders else ():
            limit = _limit(allowed[step.action], simulation)
            assert step.attempts <= limit, f"step {step.path}: {step.attempts} attempts of {limit}"
        if self.signals and simulation.state.output is not None and all(map(_keeps_the_output, simulation.plan)):
            expected = simulate(replace(self.scenario, holds=None)).output
            assert simulation.output == expected, f"it returned {simulation.output}, and not {expected}"
        if (
            self.end is not None
            and len(simulation.fired) <= MOST_FAULTS
            and all(isinstance(fault, AppendFault) for fault in simulation.plan)
        ):
            ends = {self.end, *(self.or_else if simulation.fired else ())}
            assert simulation.status in ends, f"{simulation.status}, and not {' or '.join(sorted(ends))}"


def _limit(step: Step, simulation: Simulation) -> int:
    """Return how many attempts a step has: past the point of no return as many as an undo would, if that is more."""
    return max(step.attempts, FORWARD_ATTEMPTS) if simulation.state.commits else step.attempts


def _keeps_the_output(fault: Fault) -> bool:
    return not isinstance(fault, HandlerFault)


def _steps(node: Node) -> Iterator[Step]:
    if isinstance(node, Step):
        yield node
    elif isinstance(node, Block):
        for inner in node.nodes:
            yield from _steps(inner)


def _renamed(node: Node, prefix: str) -> Node:
    if isinstance(node, Step):
        return replace(node, name=prefix + node.name)
    if not isinstance(node, Block):
        return node
    return replace(node, nodes=tuple(_renamed(inner, prefix) for inner in node.nodes))


async def _walk(run: Run, node: Node, value: str, actions: dict[str, Action[str, str]]) -> str:
    """Walk a tree; each step's input is what came before it, so that it shows what a replay was given."""
    if isinstance(node, Step):
        return await run.do(actions[node.name], value)
    if not isinstance(node, Block):
        return await _wait(run, node, value)
    match node.how:
        case How.SEQ | How.CAUGHT:
            for inner in node.nodes:
                try:
                    value = await _walk(run, inner, value, actions)
                except (ActionError, SignalTimedOut):
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
            return "+".join(await run.all(*branches, limit=node.limit))
        case How.RAISE:
            raise Failure("the saga raises")
        case _:
            return await _by_hand(run, node, value, actions)


async def _wait(run: Run, node: Wait, value: str) -> str:
    match node:
        case Sleep(seconds):
            await run.sleep(seconds)
        case Hear(signal, timeout_seconds):
            return f"{value}<{await run.wait_for(signal, str, timeout_seconds=timeout_seconds)}"
        case Commit():
            await run.commit()
        case Lock(keys):
            await run.lock(*keys)
    return value


async def _again(run: Run, nodes: tuple[Node, ...], value: str, actions: dict[str, Action[str, str]]) -> str:
    for inner in nodes[:-1]:
        try:
            return await _walk(run, inner, value, actions)
        except (ActionError, SignalTimedOut):
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


def seq(*nodes: Node) -> Block:
    """Return one after the other."""
    return Block(How.SEQ, nodes)


def par(*nodes: Node) -> Block:
    """Return side by side, with `run.all`."""
    return Block(How.PAR, nodes)
