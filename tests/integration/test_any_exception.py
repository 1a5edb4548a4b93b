"""Whatever a handler raises is a failure of that attempt: the process, and the runs beside it, live on."""

import asyncio
from typing import Any

import pytest
from tenacity import retry_always, stop_after_attempt, wait_none

from amends import Action, Call, OutcomeUnknown, Run, RunStatus
from amends.saga import events as e
from tests.worlds import World, a_saga, after


class OwnBase(BaseException):
    """A user's own kind that is no Exception."""


class Mute(Exception):
    """An error that cannot even be printed."""

    def __str__(self) -> str:
        raise OwnBase("no text for you")


class MuteBase(BaseException):
    def __str__(self) -> str:
        raise SystemExit(3)


NEVER_RETRIED: list[BaseException] = [
    KeyboardInterrupt("stop"),
    SystemExit(1),
    GeneratorExit("gone"),
    asyncio.CancelledError("nobody cancelled"),
    BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("one of them")]),
    OwnBase("own"),
    MuteBase(),
]
RETRIED: list[BaseException] = [
    StopIteration("over"),
    StopAsyncIteration("over"),
    RecursionError("too deep"),
    Mute(),
    ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
    MemoryError(),
    AssertionError("wrong"),
]


def anew(error: BaseException) -> BaseException:
    """Return another one like it, so that no test meets the traceback of the one before."""
    return type(error)(*error.args)


def kind(error: object) -> str:
    return type(error).__name__


KINDS = [(error, False) for error in NEVER_RETRIED] + [(error, True) for error in RETRIED]
every_kind = pytest.mark.parametrize(("error", "retried"), KINDS, ids=[kind(error) for error, _ in KINDS])
either = pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])


def an_action(name: str, error: BaseException, part: str, *, plain: bool, entered: list[str]) -> Action[str, str]:
    """Return an action of which one part raises, and whose policies would retry everything."""

    def enter(now: str) -> None:
        entered.append(now)
        if now == part:
            raise anew(error)

    async def do(value: str) -> str:
        enter("do")
        return value

    async def undo(value: str, output: str | None) -> None:
        enter("undo")

    def plain_do(value: str) -> str:
        enter("do")
        return value

    def plain_undo(value: str, output: str | None) -> None:
        enter("undo")

    keywords: dict[str, Any] = {"stop": stop_after_attempt(3), "wait": wait_none(), "retry": retry_always}
    action: Action[str, str] = Action(name, do=plain_do if plain else do, **keywords)
    action.undo(**keywords)(plain_undo if plain else undo)
    return action


async def _run_beside(world: World, action: Action[str, str], ended: asyncio.Event) -> tuple[Any, Any]:
    """Run a saga of that one action, and beside it one that goes on when the first has come to rest."""
    sibling = world.action("sibling", do=after(ended))
    world.actions.append(action)

    async def body(run: Run) -> None:
        await run.do(action if run.run_id == "run" else sibling, "x")
        if run.run_id == "run":
            raise RuntimeError("undo it")

    saga = a_saga(body)
    async with world.coordinator("memory://", saga) as coordinator:
        beside = await coordinator.start(saga, run_id="beside")
        ran = await world.rest(await coordinator.start(saga, run_id="run"))
        ended.set()
        return ran, await world.rest(beside)


@every_kind
@either
def test_whatever_do_raises_is_a_failed_attempt(error: BaseException, retried: bool, plain: bool) -> None:
    """It fails the step, is retried only if it is an `Exception`, and the run beside it completes."""
    entered: list[str] = []
    action = an_action("raising", error, "do", plain=plain, entered=entered)
    ran, beside = asyncio.run(_run_beside(World(), action, asyncio.Event()))
    assert ran.status is RunStatus.COMPENSATED
    assert beside.status is RunStatus.COMPLETED
    assert entered == ["do"] * (3 if retried else 1)
    failures = ran.all_of(e.ActionFailed)
    turned = isinstance(error, StopIteration) and not plain  # Python turns it into a RuntimeError (PEP 479).
    assert all(failure.error.type.endswith("RuntimeError" if turned else type(error).__name__) for failure in failures)


@every_kind
@either
def test_whatever_undo_raises_is_a_failed_attempt(error: BaseException, retried: bool, plain: bool) -> None:
    """The run parks, and the run beside it completes."""
    entered: list[str] = []
    action = an_action("raising", error, "undo", plain=plain, entered=entered)
    ran, beside = asyncio.run(_run_beside(World(), action, asyncio.Event()))
    assert ran.status is RunStatus.PARKED
    assert beside.status is RunStatus.COMPLETED
    assert entered == ["do"] + ["undo"] * (3 if retried else 1)
    assert ran.remaining == {"1": "undo_failed"}


@pytest.mark.parametrize("error", [*NEVER_RETRIED, *RETRIED], ids=kind)
@pytest.mark.parametrize("where", ["body", "branch"])
def test_whatever_a_saga_raises_undoes_its_run(error: BaseException, where: str) -> None:
    """In its own body and in a branch of `run.all`; the process lives on."""
    world = World()
    a = world.action("a")

    async def fail() -> None:
        raise anew(error)

    async def body(run: Run) -> None:
        await run.do(a, "x")
        if where == "branch":
            await run.all(fail(), run.do(a, "y"))
        await fail()

    ran = asyncio.run(world.run("memory://", body))
    assert ran.status is RunStatus.COMPENSATED
    assert world.effects == set()


@pytest.mark.parametrize("error", [Mute(), MuteBase(), SystemExit(1), asyncio.CancelledError()], ids=kind)
def test_whatever_a_probe_raises_leaves_the_step_unknown(error: BaseException) -> None:
    """A probe that cannot say is no answer."""
    world = World()

    async def probe(call: Call) -> str | None:
        raise anew(error)

    a = world.action("a", do=OutcomeUnknown("lost"), probe=probe)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run("memory://", body))
    assert ran.status is RunStatus.PARKED
    assert len(ran.all_of(e.ActionUnknown)) == 3
    assert ran.remaining == {"1": "undo_failed"}
