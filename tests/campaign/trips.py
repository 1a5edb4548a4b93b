"""Sagas of several shapes whose handlers act on a ledger: quick to do, slower to undo, failing as their input says.

How a run goes follows from its input alone, so that any worker can take it over.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Self

from pydantic import BaseModel
from tenacity import stop_after_attempt, wait_fixed

from amends import Action, ActionError, Call, Coordinator, Run, Saga, SignalTimedOut
from tests.campaign.ledger import At, Ledger

__all__ = ["SHAPES", "Agency", "Leg", "Ticket", "Trip"]


NAP_SECONDS = 1.2
"""So long that a worker lets go of a run that only waits."""


class Leg(BaseModel):
    """What one step does: how long it takes, and how many of its first attempts fail before they have an effect.

    `hold_seconds` is what the first attempt takes besides.
    """

    seconds: float = 0.002
    hold_seconds: float = 0.0
    undo_seconds: float = 0.01
    fails: int = 0
    undo_fails: int = 0


class Ticket(BaseModel):
    """The output of a step: which worker got it, in which attempt."""

    worker: str
    attempt: int


class Trip(BaseModel):
    """The input of a run. `fails` makes its last step fail for good, so that it is undone."""

    seed: int = 0
    fails: bool = False
    steps: int = 0
    """Of a march."""


class Refused(Exception):
    """What handlers raise."""


class Agency:
    """The actions and sagas of one process, and the ledger that they act on."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._wait = wait_fixed(0.005)
        self.book = self._action("book")
        self.rent = self._action("rent", do=self._plain_do("rent"))
        self.pay = self._action("pay", probe=True)
        self.insure = self._action("insure", on_unknown="undo")
        self.visa = self._action("visa", on_unknown="park")
        self.mail = self._action("mail", irreversible=True)
        self.grumble = self._action("grumble", undo_attempts=2)
        self.reject = self._action("reject", retry=lambda state: False)
        self.poison = self._action("poison", do=self._die)
        self.desk = self._action("desk", concurrency=2)
        shapes: list[Callable[[Run, Trip], Awaitable[None]]] = [
            self._chain,
            self._wide,
            self._nested,
            self._early,
            self._detour,
            self._papers,
            self._stubborn,
            self._naps,
            self._asks,
            self._locks,
            self._march,
        ]
        self.sagas = [*map(_saga, shapes), _saga(self._queues, concurrency=3)]

    @property
    def actions(self) -> list[Action[Any, Any]]:
        """All actions."""
        return [value for value in vars(self).values() if isinstance(value, Action)]

    def path(self, names: Sequence[str], version: int = 1) -> Saga[Leg, None]:
        """Return a version of the saga `path`, which does these actions; its input is what `pay` gets."""
        known = {action.name: action for action in self.actions}

        async def path(run: Run, payment: Leg) -> None:
            for name in names:
                await run.do(known[name], payment if name == "pay" else Leg())

        return Saga("path", version=version, function=path)

    def coordinator(self, log: Any, sagas: Sequence[Saga[Any, Any]] = (), **keywords: Any) -> Coordinator:
        """Return a coordinator that knows all of it, and these sagas besides."""
        return Coordinator(log, sagas=[*self.sagas, *sagas], actions=self.actions, **keywords)

    # Actions

    def _action(
        self, name: str, *, do: Any = None, probe: bool = False, undo_attempts: int = 60, **keywords: Any
    ) -> Action[Leg, Ticket]:
        keywords = {"stop": stop_after_attempt(8), "wait": self._wait} | keywords
        made: Action[Leg, Ticket] = Action(name, do=do or self._async_do(name), **keywords)
        if not made.irreversible:
            made.undo(stop=stop_after_attempt(undo_attempts), wait=self._wait)(self._undo(name))
        if probe:
            made.probe(self._probe(name))
        return made

    def _async_do(self, name: str) -> Callable[[Leg, Call], Awaitable[Ticket]]:
        async def do(leg: Leg, call: Call) -> Ticket:
            with _Entry(self.ledger, "do", name, call) as entry:
                await asyncio.sleep(leg.seconds + (leg.hold_seconds if call.attempt == 1 else 0))
                entry.land(leg.fails, call.idempotency_key)
                await asyncio.sleep(leg.seconds / 2)
                return Ticket(worker=self.ledger.worker, attempt=call.attempt)

        return do

    def _plain_do(self, name: str) -> Callable[[Leg, Call], Ticket]:
        def do(leg: Leg, call: Call) -> Ticket:
            with _Entry(self.ledger, "do", name, call) as entry:
                time.sleep(leg.seconds)
                entry.land(leg.fails, call.idempotency_key)
                time.sleep(leg.seconds / 2)
                return Ticket(worker=self.ledger.worker, attempt=call.attempt)

        return do

    async def _die(self, leg: Leg, call: Call) -> Ticket:
        with _Entry(self.ledger, "do", "poison", call):
            os._exit(9)

    def _undo(self, name: str) -> Callable[[Leg, Ticket | None, Call], Awaitable[None]]:
        async def undo(leg: Leg, ticket: Ticket | None, call: Call) -> None:
            with _Entry(self.ledger, "undo", name, call) as entry:
                await asyncio.sleep(leg.undo_seconds)
                entry.land(leg.undo_fails, call.undoes or "")
                await asyncio.sleep(leg.undo_seconds / 2)

        return undo

    def _probe(self, name: str) -> Callable[[Leg, Call], Awaitable[Ticket | None]]:
        async def probe(leg: Leg, call: Call) -> Ticket | None:
            with _Entry(self.ledger, "probe", name, call) as entry:
                if self.ledger.has_landed(call.idempotency_key):
                    return Ticket(worker=self.ledger.worker, attempt=call.attempt)
                if call.outcome is not None:
                    # Asked for an undo. None is entered when nothing is there, so it is here that the key is voided.
                    entry.land(0, call.idempotency_key)
                return None

        return probe

    # Sagas

    async def _chain(self, run: Run, trip: Trip) -> None:
        legs = _legs(trip)
        for action in (self.book, self.rent, self.pay, self.insure, self.book):
            await run.do(action, next(legs))
        await self._end(run, trip)

    async def _wide(self, run: Run, trip: Trip) -> None:
        legs = _legs(trip)
        await run.do(self.book, next(legs))
        await run.all(*(run.do(action, next(legs)) for action in (self.book, self.rent, self.pay, self.book)))
        await run.do(self.mail, Leg())
        await run.all(*(run.do(action, next(legs)) for action in (self.rent, self.insure)))
        await self._end(run, trip)

    async def _nested(self, run: Run, trip: Trip) -> None:
        async def branch(number: int) -> None:
            legs = _legs(trip, number)
            await run.do(self.book, next(legs))
            await run.all(run.do(self.pay, next(legs)), run.do(self.rent, next(legs)))
            await run.do(self.book, next(legs))

        await run.all(branch(1), branch(2), branch(3))
        await self._end(run, trip)

    async def _early(self, run: Run, trip: Trip) -> None:
        """Fails, if it does, while siblings are under way."""
        legs = _legs(trip)
        await run.do(self.pay, next(legs))
        slow = [run.do(action, next(legs).model_copy(update={"seconds": 0.03})) for action in (self.book, self.rent)]
        await run.all(*slow, self._end(run, trip))

    async def _detour(self, run: Run, trip: Trip) -> None:
        legs = _legs(trip)
        await run.do(self.book, next(legs))
        try:
            await run.do(self.reject, Leg(fails=1_000))
        except ActionError:
            await run.do(self.rent, next(legs))
        await run.do(self.pay, next(legs))
        await self._end(run, trip)

    async def _papers(self, run: Run, trip: Trip) -> None:
        """Is parked when its visa is in doubt."""
        legs = _legs(trip)
        await run.do(self.book, next(legs))
        await run.do(self.visa, next(legs).model_copy(update={"fails": 0}))
        await run.do(self.pay, next(legs))
        await self._end(run, trip)

    async def _stubborn(self, run: Run, trip: Trip) -> None:
        """If it fails, one of its undos does too, for good, and holds back one of the others."""
        legs = _legs(trip)
        await run.do(self.book, next(legs))
        await run.do(self.grumble, next(legs).model_copy(update={"undo_fails": 1_000}))
        await run.do(self.book, next(legs))
        await self._end(run, trip)

    async def _naps(self, run: Run, trip: Trip) -> None:
        """Sleeps so long that its worker lets go of it, beside a branch that goes on."""
        legs = _legs(trip)
        await run.do(self.book, next(legs))

        async def branch() -> None:
            await run.sleep(0.1)
            await run.do(self.rent, next(legs))

        await run.all(run.sleep(NAP_SECONDS), branch())
        await run.do(self.pay, next(legs))
        await self._end(run, trip)

    async def _asks(self, run: Run, trip: Trip) -> None:
        """Waits for an answer for as long as it takes, and for another one a while; which comes first, nobody knows."""
        legs = _legs(trip)
        await run.do(self.book, next(legs))
        await run.wait_for("answer", int)
        await run.do(self.pay, next(legs))
        with contextlib.suppress(SignalTimedOut):
            await run.wait_for("answer", int, timeout_seconds=NAP_SECONDS)
            await run.do(self.rent, next(legs))
        await self._end(run, trip)

    async def _locks(self, run: Run, trip: Trip) -> None:
        """Takes a lock that a third of its like want, and later one that a fifth of them do."""
        legs = _legs(trip)
        await run.lock(f"desk {trip.seed % 3}")
        await run.do(self.book, next(legs))
        await run.lock(f"room {trip.seed % 5}")
        await run.do(self.pay, next(legs))
        await self._end(run, trip)

    async def _queues(self, run: Run, trip: Trip) -> None:
        """Few of them are under way at once, and of one of its actions few attempts."""
        legs = _legs(trip)
        await run.all(*(run.do(self.desk, next(legs)) for _ in range(3)))
        await run.do(self.pay, next(legs))
        await self._end(run, trip)

    async def _march(self, run: Run, trip: Trip) -> None:
        for _ in range(trip.steps):
            await run.do(self.book, Leg(seconds=0.01))
        await self._end(run, trip)

    async def _end(self, run: Run, trip: Trip) -> None:
        if trip.fails:
            await run.do(self.reject, Leg(fails=1_000))


SHAPES = ("chain", "wide", "nested", "early", "detour", "papers", "stubborn", "naps", "asks", "locks", "queues")
"""The names of the sagas."""


class _Entry:
    """Notes that a handler was entered, what it did and how it ended."""

    def __init__(self, ledger: Ledger, kind: str, action: str, call: Call) -> None:
        self._ledger = ledger
        self._kind = kind
        self._action = action
        self._call = call

    def __enter__(self) -> Self:
        self._note(At.ENTER)
        return self

    def land(self, fails: int, key: str) -> None:
        """Have the effect, unless this is one of the attempts that fail."""
        if self._call.attempt <= fails:
            raise Refused(f"attempt {self._call.attempt} of {fails}")
        self._note(At.LAND, key)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._note(At.EXIT if error is None else At.RAISE)

    def _note(self, at: At, key: str | None = None) -> None:
        self._ledger.note(at, self._kind, self._action, self._call, key)


def _legs(trip: Trip, branch: int = 0) -> Iterator[Leg]:
    """Return the legs of a trip, always the same."""
    chance = random.Random(f"{trip.seed} {branch}")
    while True:
        yield Leg(
            seconds=chance.uniform(0.001, 0.006),
            undo_seconds=chance.uniform(0.005, 0.04),
            fails=chance.choice((0, 0, 0, 1, 2)),
            undo_fails=chance.choice((0, 0, 0, 1)),
        )


def _saga(shape: Callable[[Run, Trip], Awaitable[None]], concurrency: int | None = None) -> Saga[Trip, None]:
    async def body(run: Run, trip: Trip) -> None:
        await shape(run, trip)

    return Saga(getattr(shape, "__name__", "").lstrip("_"), version=1, function=body, concurrency=concurrency)
