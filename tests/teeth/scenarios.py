"""What is simulated beside the shapes: a world whose effects are counted, code that changes, properties of a saga."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from typing import Any

from tenacity import stop_after_attempt, wait_fixed

from amends import Action, Call, Run, Saga
from amends.saga import events as e
from amends.saga.events import ParkReason, RunClaimed, RunStatus
from amends.testing import Cancel, HandlerFault, Kind, Scenario, Simulation, World, simulate
from amends.testing.ledger import Act
from amends.testing.plays import RAISES, Step
from amends.testing.scenario_checks import replays_ask_the_same
from amends.testing.shape_list import shape
from amends.testing.shapes import Block, Hear, How, Node, Shape, Sleep, par, seq
from tests.teeth.shared_limits import begins_all, goes_on_beside_a_sleep, shares_its_limit

__all__ = ["SCENARIOS", "scenario", "wrong"]

LEASE_SECONDS = 2.0
LIMIT_SECONDS = 600.0


def scenario(name: str) -> Scenario:
    """Return a scenario of this module, or that of a shape.

    Raises:
        KeyError: there is neither.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    try:
        return shape(name).scenario
    except StopIteration:
        raise KeyError(name) from None


def wrong(simulations: Iterable[Simulation]) -> Iterator[Simulation]:
    """Yield those in which something is wrong, with no word of what is meant to be.

    A saga whose code changes between two runs of it asks for other steps; what the engine makes of that is the point.
    """
    for simulation in simulations:
        meant = {replays_ask_the_same.__name__} if simulation.scenario in _CHANGED else set()
        if left := tuple(violation for violation in simulation.violations if violation.invariant not in meant):
            yield replace(simulation, violations=left)


def _scenario(
    name: str, function: Callable[..., Any], actions: list[Action[Any, Any]], value: Any = None, **more: Any
) -> Scenario:
    return Scenario(
        Saga(name, version=1, function=function),
        value,
        actions=actions,
        run_id=name,
        lease_seconds=LEASE_SECONDS,
        limit_seconds=LIMIT_SECONDS,
        **more,
    )


# A world whose accounts are counted: what is opened twice is there twice

WORLD = World()
NAME = "ada"


async def open_account(name: str) -> str:
    WORLD.do("account", name)
    return f"account of {name}"


async def close_account(name: str, account: str, call: Call) -> None:
    """It has a probe, so it is never entered without knowing what there is."""
    assert account == f"account of {name}", f"asked to close {account!r}"
    WORLD.undo("account", name, key=call.idempotency_key)


async def find_account(name: str) -> str | None:
    return f"account of {name}" if WORLD.has("account", name) else None


def _account(on_unknown: str) -> Action[str, str]:
    found: Action[str, str] = Action(
        "account", do=open_account, probe=find_account, timeout=5.0, wait=wait_fixed(1.0), on_unknown=on_unknown
    )
    found.undo(timeout=5.0, wait=wait_fixed(1.0))(close_account)
    return found


async def refuse(name: str) -> None:
    raise PermissionError(name)


async def nothing(name: str, output: None) -> None:
    pass


REFUSED: Action[str, None] = Action("refused", do=refuse, undo=nothing, stop=stop_after_attempt(1))
ACCOUNT, DOUBTFUL_ACCOUNT = _account("retry"), _account("undo")


async def opens(run: Run, name: str) -> str:
    return await run.do(ACCOUNT, name)


async def opens_and_fails(run: Run, name: str) -> None:
    await run.do(ACCOUNT, name)
    await run.do(REFUSED, name)


async def opens_or_not(run: Run, name: str) -> str:
    return await run.do(DOUBTFUL_ACCOUNT, name)


_ACCOUNTS = (
    _scenario("account", opens, [ACCOUNT], NAME, world=WORLD),
    _scenario("account-undone", opens_and_fails, [ACCOUNT, REFUSED], NAME, world=WORLD, ends=RunStatus.COMPENSATED),
    _scenario("account-in-doubt", opens_or_not, [DOUBTFUL_ACCOUNT], NAME, world=WORLD),
)

# Code that asks for something else when it is run again

_calls = itertools.count()


def _begin_anew() -> None:
    global _calls  # noqa: PLW0603 - the saga has no other way to know
    _calls = itertools.count()


async def echo(value: str) -> str:
    return value


async def forget(value: str, output: str | None) -> None:
    pass


def _echo(name: str) -> Action[str, str]:
    return Action(name, do=echo, undo=forget, wait=wait_fixed(1.0))


FIRST, SECOND, OTHER = _echo("a"), _echo("b"), _echo("c")


async def another_action(run: Run, value: str) -> None:
    again = next(_calls) > 0
    await run.do(OTHER if again else FIRST, value)
    await run.do(SECOND, value)


async def another_action_after_a_while(run: Run, value: str) -> None:
    again = next(_calls) > 0
    await asyncio.sleep(5.0 * again)
    await run.do(OTHER if again else FIRST, value)
    await run.do(SECOND, value)


async def another_input(run: Run, value: str) -> None:
    again = next(_calls) > 0
    await run.do(FIRST, f"{value} again" if again else value)
    await run.do(SECOND, value)


async def ends_early(run: Run, value: str) -> None:
    if not next(_calls):
        await run.do(FIRST, value)
        await run.do(SECOND, value)


def _enters_nothing_after_a_change(simulation: Simulation) -> None:
    """A worker whose code has changed finds that out before it enters a handler, and parks the run."""
    events = simulation.events
    claimed = next((place for place, e in enumerate(events) if isinstance(e, RunClaimed) and e.epoch > 1), 0)
    if simulation.state.failing or not any(hasattr(event, "step") for event in events[:claimed]):
        return  # It is undone, whatever the code is now; or nothing was recorded that the code could differ from.
    entered = {f"{note.kind} of {note.action}" for note in simulation.notes if note.worker not in ("", "worker-1")}
    assert not entered, f"the code has changed, and {', '.join(entered)} was entered"
    assert simulation.state.parked, f"the code has changed, and the run is {simulation.status}"
    assert simulation.state.parked.reason is ParkReason.DIVERGED


_CHANGED = tuple(
    _scenario(name, function, actions, "in", set_up=_begin_anew, holds=_enters_nothing_after_a_change)
    for name, function, actions in (
        ("another-action", another_action, [FIRST, SECOND, OTHER]),
        ("another-action-after-a-while", another_action_after_a_while, [FIRST, SECOND, OTHER]),
        ("another-input", another_input, [FIRST, SECOND]),
        ("ends-early", ends_early, [FIRST, SECOND]),
    )
)

# Steps that are called at once and awaited as others end


async def take_time(value: str) -> str:
    await asyncio.sleep(1.0)
    return value


SLOW: Action[str, str] = Action("slow", do=take_time, undo=forget, wait=wait_fixed(1.0))


async def chains(run: Run, value: str) -> None:
    """Four calls, one after the other; which of the last two is awaited first depends on time."""
    slow, quick = run.do(SLOW, value), run.do(FIRST, value)
    await asyncio.gather(_after(slow, run.do(SECOND, value)), _after(quick, run.do(OTHER, value)))


async def _after(first: Coroutine[Any, Any, str], then: Coroutine[Any, Any, str]) -> None:
    try:
        await first
        await then
    finally:
        then.close()


# A value that JSON brings back changed


async def a_pair(value: str) -> Any:
    return (value, value)


async def one_pair(run: Run, value: str) -> Any:
    return await run.do(PAIR, value)


async def forget_pair(value: str, output: Any) -> None:
    pass


PAIR: Action[str, Any] = Action("pair", do=a_pair, timeout=5.0, wait=wait_fixed(1.0))
PAIR.undo(timeout=5.0, wait=wait_fixed(1.0))(forget_pair)


def _keeps_no_pair(simulation: Simulation) -> None:
    assert simulation.status is not RunStatus.COMPLETED, "a tuple was stored as a list"


# Shapes with a property of their own


def _at_once(simulation: Simulation, kind: Kind = Kind.DO) -> int:
    """Return how many attempts were acting at once in one process, at most."""
    acting: dict[str, int] = {}
    most = 0
    for note in simulation.notes:
        if note.kind is kind and note.act is not Act.LANDED:
            acting[note.worker] = acting.get(note.worker, 0) + (1 if note.act is Act.ENTERED else -1)
            most = max(most, acting[note.worker])
    return most


def _keeps_its_limit(simulation: Simulation) -> None:
    assert _at_once(simulation) <= 2, f"{_at_once(simulation)} attempts at once, and the limit is 2"


def _acts_once_at_a_time(simulation: Simulation) -> None:
    """The next attempt waits for a straggler as long as an attempt may take; one that a plan hangs goes on for ever."""
    if any(isinstance(fault, HandlerFault) for fault in simulation.plan):
        return
    assert _at_once(simulation) <= 1, "an attempt began while the one before was still acting"


def _waits_for_all(simulation: Simulation) -> None:
    steps = simulation.state.steps
    if "c" in (names := {step.action: step for step in steps.values()}):
        before = [step for step in steps.values() if step.action != "c"]
        early = [step.action for step in before if not 0 < step.settled_version < names["c"].started_version]
        assert not early, f"run.all has returned, and {', '.join(early)} had not settled"


def _has_keys_of_its_own(simulation: Simulation) -> None:
    other = simulate(replace(simulation.scenario, run_id="another", holds=None), simulation.plan)
    shared = {note.key for note in simulation.notes} & {note.key for note in other.notes}
    assert not shared, "two runs share a key"


# Waits


async def hears_two(run: Run, value: str) -> None:
    """What it asks for shows which signal it was given; the sleep has it called anew, over what is on record."""
    await run.do(FIRST, await run.wait_for("x", str, timeout_seconds=0.9))
    await run.do(SECOND, await run.wait_for("x", str, timeout_seconds=0.9))
    await run.sleep(5.0)


def _deep(levels: int) -> Node:
    return par(_deep(levels - 1)) if levels else seq(Hear("x"), Sleep(0.1))


_DEEP = Shape(
    "deep-branches",
    par(seq(_deep(8), Step("a")), seq(Sleep(20.0), Step("b"))),
    RunStatus.COMPLETED,
    signals=(("x", "1"),),
)


def _goes_on_at_once(simulation: Simulation) -> None:
    """A branch does not wait for what another one waits for."""
    began = [event.occurred_at for event in simulation.events if isinstance(event, e.ActionStarted)]
    if not simulation.fired and began:
        late = (began[0] - simulation.events[0].occurred_at).total_seconds()
        assert late < 10.0, f"the first step began after {late} s"


def _is_called_off_at_once(simulation: Simulation) -> None:
    events = simulation.events
    place = next((place for place, event in enumerate(events) if isinstance(event, e.RunFailing)), None)
    if place is not None and place + 1 < len(events) and all(isinstance(fault, Cancel) for fault in simulation.fired):
        late = (events[place + 1].occurred_at - events[place].occurred_at).total_seconds()
        assert late < 3.0, f"its owner took {late} s to hear that it is called off"


def _serves_the_first_first(simulation: Simulation) -> None:
    for step in simulation.state.steps.values():
        expected = {"a": "1", "b": "2"}[step.action]
        assert f"<{expected}" in step.input, f"{step.action} got {step.input}"


def _with(of: Shape, holds: Callable[[Simulation], None]) -> Scenario:
    plain = of.scenario

    def both(simulation: Simulation) -> None:
        assert plain.holds is not None
        plain.holds(simulation)
        holds(simulation)

    return replace(plain, holds=both)


_FAILING_BRANCH, _SLOW_BRANCH = seq(Step("f", do=RAISES, attempts=1)), seq(Step("b", seconds=2.0))
_CAUGHT_BRANCHES = Shape(
    "caught-branches",
    seq(Block(How.CAUGHT, (par(_FAILING_BRANCH, _SLOW_BRANCH),)), Step("c")),
    RunStatus.COMPLETED,
)
_TWO_BRANCHES = Shape("two-branches-then-one", seq(par(seq(Step("a")), seq(Step("b"))), Step("c")), RunStatus.COMPLETED)

SCENARIOS: dict[str, Scenario] = {of.saga.name: of for of in (*_ACCOUNTS, *_CHANGED)} | {
    "pair": _scenario("pair", one_pair, [PAIR], "in", ends=RunStatus.COMPENSATED, holds=_keeps_no_pair),
    "chains": _scenario("chains", chains, [SLOW, FIRST, SECOND, OTHER], "in"),
    "the limit is kept": _with(shape("limited"), _keeps_its_limit),
    "one attempt at a time": _with(shape("late-and-retried"), _acts_once_at_a_time),
    "all branches are waited for": _with(_CAUGHT_BRANCHES, _waits_for_all),
    "two-branches-then-one": _TWO_BRANCHES.scenario,
    "all are waited for": _with(shape("caught-abreast"), _waits_for_all),
    "parked for a while": replace(shape("undo-fails").scenario, settle_seconds=5.0),
    "keys of two runs": _with(shape("one"), _has_keys_of_its_own),
    "two are told at once": _scenario("hears-two", hears_two, [FIRST, SECOND], "in", ends=None),
    "a limit is shared": _with(shape("permits-one-by-one"), shares_its_limit),
    "all that is asked for is begun": _with(shape("permits-detached"), begins_all),
    "what waits for a token goes on": _with(shape("rated-beside-a-sleep"), goes_on_beside_a_sleep),
    "deep branches": _with(_DEEP, _goes_on_at_once),
    "is called off at once": _with(shape("patient"), _is_called_off_at_once),
    "first come, first served": _with(shape("two-hear-one-name"), _serves_the_first_first),
}
