"""Random sagas: their shapes, the fate of each step, and a world in which they run.

A shape is a tree of frozen values, drawn by Hypothesis, that one saga function walks through. What each attempt of a
step does, and how many turns of the event loop it takes, is drawn with it, so an example runs the same way each time.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel
from tenacity import stop_after_attempt, wait_none

from amends import Action, ActionError, Call, OutcomeUnknown, Run, Saga
from tests.checker import Entry

__all__ = [
    "KINDS",
    "TURNS",
    "Catch",
    "Group",
    "Ledger",
    "Sequence",
    "Shape",
    "Step",
    "a_saga",
    "actions",
    "shapes",
    "steps_in",
]

KINDS = ("plain", "irreversible", "doubtful", "parking", "probed")
"""The actions there are: `doubtful` is undone when unknown, `parking` waits for a person, `probed` can look."""

ATTEMPTS = 3


class Act(StrEnum):
    """What one attempt does."""

    LAND = "land"
    FAIL = "fail"
    FATAL = "fatal"
    """Raises what is never retried."""
    LOST = "lost"
    """Lands, and then nobody knows."""
    MISSED = "missed"
    """Does not land, and nobody knows."""


class Fate(BaseModel):
    """What becomes of a step; its input. Attempts beyond the acts that are given land. The mark tells steps apart."""

    mark: int = 0
    acts: tuple[Act, ...] = ()
    undo_acts: tuple[Act, ...] = ()


@dataclass(frozen=True)
class Step:
    """One call of an action."""

    kind: str
    fate: Fate


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    parts: tuple["Shape", ...]


@dataclass(frozen=True)
class Group:
    """Side by side: by `run.all`, by `asyncio.gather` or by a `TaskGroup` (the latter two of steps only)."""

    by: str
    parts: tuple["Shape", ...]
    limit: int | None = None


@dataclass(frozen=True)
class Catch:
    """Goes on when the part fails."""

    part: "Shape"


Shape = Step | Sequence | Group | Catch


def steps_in(shape: Shape) -> Iterator[Step]:
    """Yield the steps of a shape, in the order of its text."""
    match shape:
        case Step():
            yield shape
        case Sequence(parts) | Group(parts=parts):
            for part in parts:
                yield from steps_in(part)
        case Catch(part):
            yield from steps_in(part)


# Drawing

TURNS: st.SearchStrategy[tuple[int, ...]] = st.lists(st.integers(0, 9), min_size=1, max_size=12).map(tuple)
"""How many turns of the event loop the handlers take: the first one entered, the second, and so on, over and over."""

_MOSTLY_WELL = st.one_of(st.just(()), st.just(()), st.lists(st.sampled_from(Act), max_size=ATTEMPTS).map(tuple))
_UNDOS = st.one_of(
    st.just(()), st.just(()), st.lists(st.sampled_from([Act.FAIL, Act.FATAL, Act.MISSED]), max_size=ATTEMPTS).map(tuple)
)


def _fates(well: bool) -> st.SearchStrategy[Fate]:
    nothing: st.SearchStrategy[Any] = st.just(())
    return st.builds(
        Fate,
        acts=nothing if well else _MOSTLY_WELL,
        undo_acts=nothing if well else _UNDOS,
    )


def shapes(*, well: bool = False, kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[Shape]:
    """Draw shapes. With `well`, every attempt lands at once."""
    step = st.builds(Step, st.sampled_from(kinds), _fates(well))
    steps = st.lists(step, min_size=1, max_size=4).map(tuple)
    loose = st.builds(Group, st.sampled_from(["gather", "taskgroup"]), steps)

    def grow(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
        parts = st.lists(inner, min_size=1, max_size=4).map(tuple)
        limit = st.sampled_from([None, None, 1, 2])
        return st.one_of(
            st.builds(Sequence, parts),
            st.builds(Sequence, parts),
            st.builds(Group, st.just("all"), parts, limit),
            st.builds(Catch, inner),
        )

    return st.recursive(st.one_of(step, loose), grow, max_leaves=8).map(
        lambda shape: _marked(shape, itertools.count(1))
    )


def _marked(shape: Shape, marks: Iterator[int]) -> Shape:
    """Return the shape with a mark of its own in each step."""
    match shape:
        case Step(kind, fate):
            return Step(kind, fate.model_copy(update={"mark": next(marks)}))
        case Sequence(parts):
            return Sequence(tuple(_marked(part, marks) for part in parts))
        case Group(by, parts, limit):
            return Group(by, tuple(_marked(part, marks) for part in parts), limit)
        case Catch(part):
            return Catch(_marked(part, marks))


# Running


async def walk(run: Run, shape: Shape, known: dict[str, Action[Fate, int]]) -> None:
    """Do what a shape says."""
    match shape:
        case Step(kind, fate):
            await run.do(known[kind], fate)
        case Sequence(parts):
            for part in parts:
                await walk(run, part, known)
        case Group("all", parts, limit):
            await run.all(*(_branch(run, part, known) for part in parts), limit=limit)
        case Group("gather", parts):
            await asyncio.gather(*(_branch(run, part, known) for part in parts))
        case Group(parts=parts):
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(_branch(run, part, known))
        case Catch(part):
            try:
                await walk(run, part, known)
            except* ActionError:
                pass


def _branch(run: Run, part: Shape, known: dict[str, Action[Fate, int]]) -> Any:
    """Return what a group takes: a step as `run.do` makes it, anything else as a branch of its own."""
    return run.do(known[part.kind], part.fate) if isinstance(part, Step) else walk(run, part, known)


def a_saga(shape: Shape, known: dict[str, Action[Fate, int]], *, then_raise: bool = False) -> Saga[None, str]:
    """Return the saga that walks through a shape."""

    async def body(run: Run) -> str:
        await walk(run, shape, known)
        if then_raise:
            raise RuntimeError("changed its mind")
        return "done"

    return Saga("shape", version=1, function=body)


@dataclass
class Ledger:
    """What the handlers did: each entry, and the effects that stand, by step."""

    turns: tuple[int, ...] = (0,)
    entries: list[Entry] = field(default_factory=list)
    effects: set[str] = field(default_factory=set)

    async def note(self, kind: str, action: str, call: Call) -> None:
        """Note an entry, and take the turns that it is to take."""
        turns = self.turns[len(self.entries) % len(self.turns)]
        self.entries.append(Entry(kind, call.run_id, action, call.step, call.attempt, call.idempotency_key))
        for _ in range(turns):
            await asyncio.sleep(0)


class Fatal(BaseException):
    """What no policy retries."""


def actions(ledger: Ledger) -> dict[str, Action[Fate, int]]:
    """Return one action of each kind."""
    return {kind: _action(kind, ledger) for kind in KINDS}


def _action(kind: str, ledger: Ledger) -> Action[Fate, int]:
    async def do(fate: Fate, call: Call) -> int:
        await ledger.note("do", kind, call)
        act = _act(fate.acts, call.attempt)
        if act in (Act.LAND, Act.LOST):
            ledger.effects.add(call.step)
        _raise_for(act)
        return fate.mark

    async def undo(fate: Fate, mark: int | None, call: Call) -> None:
        await ledger.note("undo", kind, call)
        assert mark in (None, fate.mark)
        _raise_for(_act(fate.undo_acts, call.attempt))
        ledger.effects.discard(call.step)

    async def probe(fate: Fate, call: Call) -> int | None:
        await ledger.note("probe", kind, call)
        return fate.mark if call.step in ledger.effects else None

    on_unknown = {"doubtful": "undo", "parking": "park"}.get(kind, "retry")
    policy: dict[str, Any] = {"stop": stop_after_attempt(ATTEMPTS), "wait": wait_none()}
    made: Action[Fate, int] = Action(
        kind, do=do, irreversible=kind == "irreversible", on_unknown=on_unknown, timeout=None, **policy
    )
    if kind != "irreversible":
        made.undo(timeout=None, **policy)(undo)
    if kind == "probed":
        made.probe(probe)
    return made


def _act(acts: tuple[Act, ...], attempt: int) -> Act:
    return acts[attempt - 1] if attempt <= len(acts) else Act.LAND


def _raise_for(act: Act) -> None:
    match act:
        case Act.FAIL:
            raise ConnectionError("refused")
        case Act.FATAL:
            raise Fatal("for good")
        case Act.LOST | Act.MISSED:
            raise OutcomeUnknown("no answer")
