"""What is simulated: a saga, its input, its actions, and the world that they act upon."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ..actions.action import Action, checked_name
from ..actions.handlers import Handler
from ..errors import DefinitionError
from ..saga.definition import Saga
from ..saga.events import RunStatus
from ..saga.log.memory import MemoryLog
from ..saga.registry import Registry
from ..saga.transacting import check_transactional
from .ledger import Kind
from .plan import HandlerFault, Plan
from .world import World

if TYPE_CHECKING:
    from .simulation import Simulation

__all__ = ["Entrance", "Scenario"]

_ORDER = re.compile(r"retry|resume|cancel|abandon|waive [0-9]+(\.[0-9]+)*")


class Entrance(NamedTuple):
    """A handler of an action, as a simulation enters it.

    Attributes:
        kind: which of the action's.
        action: the action's name.
        handler: what is entered: the action's own, or its stand-in's.
        timeout_seconds: how long an entry may take; None where it has no limit.
    """

    kind: Kind
    action: str
    handler: Handler
    timeout_seconds: float | None


@dataclass(frozen=True)
class Scenario:
    """What is simulated.

    Attributes:
        saga: the saga.
        value: its input.
        actions: every action that it uses, as a coordinator gets them.
        world: what the handlers act upon, if they act upon a `World`; it is emptied before each simulation.
        set_up: called before each simulation, after the world is emptied; for fakes of your own.
        stand_ins: actions whose handlers are entered in the place of those of the action of the same name. Policies
            and time limits stay those of the action itself.
        errors: by an action's name, what its handlers raise where a plan says `raises`, an exception or its class; for
            retry policies that look.
        when_parked: what a person says when the run is parked, one after the other: `"retry"`, `"resume"`, `"cancel"`,
            `"abandon"`, or `"waive PATH"`.
        signals: what somebody tells the run, as names and payloads, each when the run waits for a signal of its name;
            the n-th of a name under the key `NAME-n`.
        tags: those of the run.
        run_id: its id.
        lease_seconds: how long a dead process keeps the run, in virtual seconds.
        limit_seconds: virtual seconds after which a run that is neither ended nor parked counts as stuck.
        settle_seconds: how long after the run's end the world is still watched.
        ends: how the run ends when nothing goes wrong; None where anything will do. So a saga that never gets anywhere
            does not pass for one that cleans up.
        undos_may_fail: an undo that fails for good, without a fault in the plan that makes it, is as it should be.
        holds: your own property: gets each `Simulation`, and raises, or returns False, where something is wrong.

    Raises:
        DefinitionError: an action or the saga is incomplete, an action is transactional (a simulation has no database
            to lend a transaction of), or a keyword does not fit.
        InvalidValue: the input does not fit the saga.
    """

    saga: Saga[Any, Any]
    value: Any = None
    _: KW_ONLY
    actions: Iterable[Action[Any, Any]]
    world: World | None = None
    set_up: Callable[[], object] | None = None
    stand_ins: Iterable[Action[Any, Any]] = ()
    errors: Mapping[str, BaseException | type[BaseException]] = field(default_factory=dict)
    when_parked: tuple[str, ...] = ()
    signals: tuple[tuple[str, Any], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    run_id: str = "simulated"
    lease_seconds: float = 15.0
    limit_seconds: float = 100_000.0
    settle_seconds: float = 0.0
    ends: RunStatus | None = RunStatus.COMPLETED
    undos_may_fail: bool = False
    holds: "Callable[[Simulation], object] | None" = None

    def __post_init__(self) -> None:
        actions = tuple(self.actions)
        object.__setattr__(self, "actions", actions)
        object.__setattr__(self, "stand_ins", tuple(self.stand_ins))
        names = set(Registry(actions, [self.saga]).actions)
        check_transactional(actions, MemoryLog())
        self.saga.input.encode(self.value)
        object.__setattr__(self, "errors", {name: _error(name, error) for name, error in self.errors.items()})
        object.__setattr__(self, "when_parked", _orders(self.when_parked))
        object.__setattr__(self, "signals", _signals(self.signals))
        for what, given in (("stand_ins", [action.name for action in self.stand_ins]), ("errors", list(self.errors))):
            if unknown := sorted(set(given) - names):
                raise DefinitionError(f"{what}: no action {unknown[0]!r} here; there are {', '.join(sorted(names))}")

    def __repr__(self) -> str:
        return f"<Scenario {self.saga.name}>"

    @cached_property
    def entrances(self) -> dict[int, Entrance]:
        """Every handler of every action, by the `id` of the handler that the engine would enter."""
        stand_ins = {action.name: action for action in self.stand_ins}
        found = {}
        for action in self.actions:
            entered = _parts(stand_ins.get(action.name, action))
            for kind, part in _parts(action).items():
                handler = entered[kind].handler if kind in entered else part.handler
                found[id(part.handler)] = Entrance(kind, action.name, handler, part.timeout_seconds)
        return found

    def begin(self) -> None:
        """Begin anew: empty the world, and set up whatever else there is."""
        if self.world is not None:
            self.world.reset()
        if self.set_up is not None:
            self.set_up()

    def check(self, plan: Plan) -> None:
        """Refuse a plan that names what is not here.

        Raises:
            DefinitionError: no such action, or it has no such handler.
        """
        handlers = {(entrance.action, entrance.kind) for entrance in self.entrances.values()}
        for fault in plan:
            if isinstance(fault, HandlerFault) and (fault.action, fault.kind) not in handlers:
                known = ", ".join(sorted(f"{kind} of {action}" for action, kind in handlers))
                raise DefinitionError(f"{fault}: no such handler here; there are {known}")


def _error(name: str, error: object) -> BaseException:
    made = error() if isinstance(error, type) and issubclass(error, BaseException) else error
    if not isinstance(made, BaseException):
        raise DefinitionError(f"errors: {error!r}, for {name}, is no exception")
    return made


def _orders(orders: object) -> tuple[str, ...]:
    orders = (orders,) if isinstance(orders, str) else orders
    if not isinstance(orders, tuple | list) or not all(_ORDER.fullmatch(str(order)) for order in orders):
        raise DefinitionError(
            f"when_parked={orders!r}; use 'retry', 'resume', 'cancel', 'abandon' and 'waive PATH', in a tuple"
        )
    return tuple(orders)


def _signals(signals: object) -> tuple[tuple[str, Any], ...]:
    if not isinstance(signals, tuple | list) or not all(isinstance(one, tuple) and len(one) == 2 for one in signals):
        raise DefinitionError(f"signals={signals!r}; use (name, payload), (name, payload), in a tuple")
    for name, _ in signals:
        checked_name("signal", name)
    return tuple(signals)


def _parts(action: Action[Any, Any]) -> dict[Kind, Any]:
    parts = {Kind.DO: action.work, Kind.UNDO: action.compensation, Kind.PROBE: action.prober}
    return {kind: part for kind, part in parts.items() if part is not None}
