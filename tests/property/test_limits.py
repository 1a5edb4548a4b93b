"""Limits of actions: shares are fair, and no workers together ever exceed one, whatever is lost and whoever dies."""

from collections import deque

from hypothesis import given, settings
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


class World:
    """Workers that share one limit, by a clock that the test turns."""

    def __init__(self, size: int | None, rate: Rate | None) -> None:
        self.size, self.rate, self.now = size, rate, 0.0
        self.limits = MemoryLimits(lambda: self.now, lambda name: self.workers[name].until > self.now)
        self.workers = {name: Worker(name, size, rate) for name in WORKERS}
        self.begun: list[float] = []

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
            self.begun.append(self.now)
            self.check()
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
            worker.asked = worker.pool.ask(worker.name, self.now)

    def answer(self, worker: Worker, *, how: str) -> None:
        need, worker.asked = worker.asked, None
        if need is None:
            return
        if how != "lost before":
            grant = self.limits.share(need)
        if how == "answered":
            worker.pool.answered(grant, self.lapses(worker))
        else:
            worker.pool.unanswered()
        self.serve(worker)

    def serve(self, worker: Worker) -> None:
        for waiter, permit in worker.pool.served(self.lapses(worker), self.now):
            worker.waiting.remove(waiter)
            assert permit.is_good(self.lapses(worker), self.now)
            worker.at_the_door.append(permit)
        self.check()

    def check(self) -> None:
        held = sum(
            permit.lapses == worker.leases and worker.until > self.now
            for worker in self.workers.values()
            for permit in (*worker.at_the_door, *worker.running)
        )
        assert self.size is None or held <= self.size
        if self.rate is not None:
            lately = [at for at in self.begun if at > self.now - self.rate.per_seconds + 1e-5]
            assert len(lately) <= self.rate.count


WHAT = ("come", "come", "leave", "enter", "end", "ask", "answered", "answered", "lost", "lost before", "beat", "time")
steps = st.lists(
    st.tuples(
        st.sampled_from(WORKERS),
        st.sampled_from(WHAT),
        st.sampled_from((0.01, 0.1, 0.5, 1.1)),
    ),
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.none(), st.integers(1, 4)), st.one_of(st.none(), st.just(Rate(2, per_seconds=1.0))), steps)
def test_workers_never_exceed_a_limit_and_all_get_on(
    size: int | None, rate: Rate | None, taken: list[tuple[str, str, float]]
) -> None:
    """Replies are lost after or before the log has them, leases lapse and come back; in the end nothing has leaked."""
    world = World(size, rate)
    for name, what, seconds in taken:
        worker = world.workers[name]
        match what:
            case "come" | "leave" | "enter" | "end" | "ask" | "beat":
                getattr(world, what)(worker)
            case "time":
                world.now += seconds
            case _:
                world.answer(worker, how=what)
    for worker in world.workers.values():
        world.answer(worker, how="answered")
    for _ in range(400):
        world.now += 0.25
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


def test_a_token_is_good_no_longer_than_the_log_was_told() -> None:
    """A worker learns that it is slow to begin; what it got before and did not need is not good for longer by that."""
    world = World(None, Rate(2, per_seconds=1.0))
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


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 2), st.integers(1, 8))
def test_nobody_starves_beside_workers_that_are_busy_for_hours(size: int, attempt_rounds: int) -> None:
    """More workers than permits, each with more to do than it ever will: each has its turns."""
    world = World(size, None)
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
