"""Limits of actions: shares are fair, and no workers together ever exceed one, whatever is lost and whoever dies."""

import math
from collections import deque

from hypothesis import example, given, settings
from hypothesis import strategies as st

from amends import Rate
from amends.saga.log.limits import Need, fair_shares
from amends.saga.log.memory_limits import MemoryLimits
from amends.saga.pool import Permit, Pool, Waiter

WORKERS = ("ada", "bob", "eve")
wants = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 50), max_size=8).map(lambda d: list(d.items()))


@given(st.integers(0, 60), wants)
def test_shares_are_max_min_fair(size: int, wanted: list[tuple[str, int]]) -> None:
    """All is given that anybody wants; who gets less than they want has at most one less than anybody else."""
    shares = fair_shares(size, wanted)
    assert sum(shares.values()) == min(size, sum(count for _, count in wanted))
    for worker, count in wanted:
        assert 0 <= shares[worker] <= count
        if shares[worker] < count:
            assert max(shares.values()) <= shares[worker] + 1


@given(st.integers(1, 5), st.integers(6, 12))
def test_the_odd_ones_go_to_those_who_stand_first(size: int, count: int) -> None:
    shares = fair_shares(size, [(str(number), 3) for number in range(count)])
    assert list(shares.values()) == [1] * size + [0] * (count - size)


class Worker:
    """A pool, with what has a permit, what is under way, and what the log was asked and has not answered."""

    def __init__(self, name: str, size: int | None, rate: Rate | None) -> None:
        self.name = name
        self.pool = Pool("mail", size, rate)
        self.waiting: deque[Waiter] = deque()
        self.at_the_door: deque[Permit] = deque()
        self.running: deque[Permit] = deque()
        self.leases = 1
        self.until = 0.0
        self.asked: Need | None = None
        self.asked_at: float | None = None
        self.answered_turn = -1
        self.drew_turns: dict[float | None, int] = {}
        """In which turn the log gave the first tokens, by when it was asked for them."""


class World:
    """Workers that share one limit, by a clock that the test turns; the log's is cut to milliseconds.

    Args:
        known: the limits as the workers know them, in turn.
    """

    def __init__(self, *known: tuple[int | None, Rate | None]) -> None:
        self.now, self.turn = 0.0, 0
        self.limits = MemoryLimits(self._cut, lambda name: self.workers[name].until > self.now)
        self.workers = {name: Worker(name, *known[n % len(known)]) for n, name in enumerate(WORKERS)}
        self.begun: list[tuple[float, int]] = []
        """When each attempt began, and in which turn the log gave its token."""
        self._is_one = len(known) == 1
        self._known: dict[str, int] = {}
        """Since which turn the log knows the limits of each worker that it knows."""

    def _cut(self) -> float:
        return math.floor(self.now * 1e3) / 1e3

    def look(self) -> None:
        """End a turn: see whose limits the log knows by now."""
        rows = {sharing.worker for sharing in self.limits.shares()}
        self._known = {name: self._known.get(name, self.turn) for name in rows}
        self.turn += 1

    def known(self) -> list[tuple[Pool, int]]:
        """Return the limits that hold, and since which turn: where all are the same, since ever."""
        if self._is_one:
            return [(self.workers[WORKERS[0]].pool, -1)]
        return [(self.workers[name].pool, since) for name, since in self._known.items()]

    def lapses(self, worker: Worker) -> int | None:
        return worker.leases if worker.until > self.now else None

    def beat(self, worker: Worker) -> None:
        worker.leases += worker.until <= self.now
        worker.until = self.now + 2.0

    def come(self, worker: Worker, *, again: bool = False) -> None:
        waiter = Waiter(lambda _: None)
        worker.waiting.append(waiter)
        worker.pool.join(waiter, first=again)
        self.serve(worker)

    def leave(self, worker: Worker) -> None:
        """Whoever came first waits no more; what was asked for on their behalf may still be given."""
        if worker.waiting:
            worker.pool.leave(worker.waiting.popleft())
            self.serve(worker)

    def enter(self, worker: Worker) -> None:
        """Enter a handler with a permit, which may be long after it was given; wait again if that was too long ago."""
        if not worker.at_the_door:
            return
        permit = worker.at_the_door.popleft()
        worker.pool.began(permit, self.now)
        if permit.is_good(self.lapses(worker), self.now):
            permit.has_begun = True
            worker.running.append(permit)
            if permit.asked_at is not None:
                self.begun.append((self.now, worker.drew_turns[permit.asked_at]))
            self.check_rates()
        else:
            worker.pool.given_back()
            self.come(worker, again=True)

    def end(self, worker: Worker) -> None:
        if worker.running:
            worker.running.popleft()
            worker.pool.given_back()
            self.serve(worker)

    def ask(self, worker: Worker) -> None:
        if worker.asked is None:
            worker.pool.look(self.lapses(worker))
            worker.asked, worker.asked_at = worker.pool.ask(worker.name, self.now), self.now

    def answer(self, worker: Worker, *, how: str) -> None:
        need, worker.asked = worker.asked, None
        if need is None:
            return
        if how != "lost before":
            grant = self.limits.share(need)
        if how == "answered":
            worker.answered_turn = self.turn
            worker.drew_turns.setdefault(worker.asked_at, self.turn)
            worker.pool.answered(grant, self.lapses(worker))
        else:
            worker.pool.unanswered()
        self.look()
        self.serve(worker)

    def serve(self, worker: Worker) -> None:
        for waiter, permit in worker.pool.served(self.lapses(worker), self.now):
            worker.waiting.remove(waiter)
            assert permit.is_good(self.lapses(worker), self.now)
            worker.at_the_door.append(permit)
            self.check_permit(worker, permit)

    def check_permit(self, worker: Worker, permit: Permit) -> None:
        """Whoever has asked since the log knows a limit gets nothing beyond it."""
        held = sum(
            permit.lapses == worker.leases and worker.until > self.now
            for worker in self.workers.values()
            for permit in (*worker.at_the_door, *worker.running)
        )
        for pool, since in self.known():
            if since <= worker.answered_turn:
                assert pool.size is None or held <= pool.size
                assert pool.rate is None or permit.asked_at is not None

    def check_rates(self) -> None:
        """No more tokens than a rate allows are good in any span, of those that are given while the log knows it."""
        for pool, since in self.known():
            if pool.rate is not None:
                after = self.now - pool.rate.per_seconds + 1e-5
                lately = [at for at, drew_turn in self.begun if at > after and drew_turn >= since]
                assert len(lately) <= pool.rate.count


WHAT = ("come", "come", "leave", "enter", "end", "ask", "answered", "answered", "lost", "lost before", "beat", "time")
SIZES = st.one_of(st.none(), st.integers(1, 4))
RATES = st.sampled_from((None, Rate(2, per_seconds=1.0), Rate(3, per_seconds=0.5), Rate(4, per_seconds=1.0)))
limits = st.tuples(SIZES, RATES)
known_limits = st.one_of(st.tuples(limits), st.tuples(*(limits.filter(any),) * len(WORKERS)))
steps = st.lists(
    st.tuples(
        st.sampled_from(WORKERS),
        st.sampled_from(WHAT),
        st.sampled_from((0.0007, 0.01, 0.1, 0.5, 1.1)),
    ),
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(known_limits, steps)
def test_workers_never_exceed_a_limit_and_all_get_on(
    known: tuple[tuple[int | None, Rate | None], ...], taken: list[tuple[str, str, float]]
) -> None:
    """Replies are lost after or before the log has them, leases lapse and come back; in the end nothing has leaked.

    All know the same limits, or each others, as in a deploy.
    """
    world = World(*known)
    for name, what, seconds in taken:
        worker = world.workers[name]
        match what:
            case "come" | "leave" | "enter" | "end" | "ask" | "beat":
                getattr(world, what)(worker)
            case "time":
                world.now += seconds
                world.look()
            case _:
                world.answer(worker, how=what)
    for worker in world.workers.values():
        world.answer(worker, how="answered")
    for _ in range(400):
        world.now += 0.25
        world.look()
        for worker in world.workers.values():
            world.beat(worker)
            world.enter(worker)
            world.end(worker)
            due_at = worker.pool.due_at()
            if due_at is not None and due_at <= world.now:
                world.ask(worker)
                world.answer(worker, how="answered")
    for worker in world.workers.values():
        assert (worker.pool.used, worker.pool.waiting, worker.pool.due_at()) == (0, 0, None)
    assert sum(sharing.held for sharing in world.limits.shares()) == 0


rounds = st.lists(
    st.tuples(st.sampled_from(WORKERS), st.integers(0, 3), st.integers(0, 3), st.sampled_from((0.0007, 0.1, 0.3))),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(st.tuples(*(limits.filter(any),) * len(WORKERS)), rounds)
@example(((None, Rate(4, per_seconds=1.0)), (2, None), (2, None)), [("ada", 3, 0, 0.1), ("bob", 1, 0, 0.1)])
def test_each_limit_holds_for_all_from_when_somebody_asks_who_knows_it(
    known: tuple[tuple[int | None, Rate | None], ...], taken: list[tuple[str, int, int, float]]
) -> None:
    """As in a deploy: workers that know each other limits come one after another, and nothing goes wrong."""
    world = World(*known)
    for name, come_count, end_count, seconds in taken:
        world.now += seconds
        for worker in world.workers.values():
            world.beat(worker)
        worker = world.workers[name]
        for _ in range(come_count):
            world.come(worker)
        world.ask(worker)
        world.answer(worker, how="answered")
        while worker.at_the_door:
            world.enter(worker)
        for _ in range(end_count):
            world.end(worker)


def test_a_token_is_good_no_longer_than_the_log_was_told() -> None:
    """A worker learns that it is slow to begin; what it got before and did not need is not good for longer by that."""
    world = World((None, Rate(2, per_seconds=1.0)))
    slow, other = world.workers["ada"], world.workers["bob"]
    for worker in (slow, other):
        world.beat(worker)
    world.come(slow)
    world.come(slow)
    world.ask(slow)
    world.leave(slow)
    world.answer(slow, how="answered")
    assert (len(slow.at_the_door), slow.pool.waiting) == (1, 0)
    world.now += 1.1
    world.enter(slow)
    assert not slow.running, "it came far too late"
    world.now += 0.1
    for _ in range(2):
        world.come(other)
    world.ask(other)
    world.answer(other, how="answered")
    for worker in (other, other, slow):
        world.enter(worker)
    assert (len(other.running), len(slow.running)) == (2, 0)


def test_a_clock_that_is_cut_to_milliseconds_makes_no_span_shorter() -> None:
    """As SQLite's is: a token may have been given up to a millisecond later than the log says."""
    world = World((None, Rate(1, per_seconds=1.0)))
    one, other = world.workers["ada"], world.workers["bob"]
    world.now = 0.0259  # By the log's clock, what is given now counts until the end of a part, to the microsecond.
    for worker in (one, other):
        world.beat(worker)
        world.come(worker)
    world.ask(one)
    world.answer(one, how="answered")
    world.now += 0.1  # As late as it is good.
    world.enter(one)
    assert len(one.running) == 1
    world.now = 1.125
    world.ask(other)
    world.answer(other, how="answered")
    world.enter(other)
    assert not other.running


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 2), st.integers(1, 8))
def test_nobody_starves_beside_workers_that_are_busy_for_hours(size: int, attempt_rounds: int) -> None:
    """More workers than permits, each with more to do than it ever will: each has its turns."""
    world = World((size, None))
    began = dict.fromkeys(WORKERS, 0)
    since: dict[int, int] = {}
    for turn in range(3_000):
        world.now += 0.05
        for worker in world.workers.values():
            world.beat(worker)
            if worker.pool.waiting < 5:
                world.come(worker)
            world.enter(worker)
            if worker.running and turn - since.setdefault(id(worker.running[0]), turn) >= attempt_rounds:
                began[worker.name] += 1
                world.end(worker)
            due_at = worker.pool.due_at()
            if due_at is not None and due_at <= world.now:
                world.ask(worker)
                world.answer(worker, how="answered")
    assert min(began.values()) > max(began.values()) / 3, began
    assert sum(began.values()) * attempt_rounds * 1.0 > 3_000 * size * 0.3
