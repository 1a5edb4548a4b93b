"""How workers share the limit of an action: pure functions over what the log holds of it, the same for every log.

A worker *asks* from time to time. It says how many permits it has in use, which it keeps whatever the answer is, and
how many attempts wait; it is told how many may be under way there from now on. What the log counts for a worker is
never below what that worker believes, whichever replies are lost, so all of them together never exceed the limit. In
between a worker goes by what it was told, and asks nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...actions.rate import Rate

__all__ = ["UNBOUNDED", "Change", "Grant", "Held", "Need", "Sharing", "Worker", "answered", "fair_shares", "strictest"]

UNBOUNDED = 1 << 62
"""What a worker is allowed where only a rate is limited, as far as anybody knows."""

TURN_US = 1_000_000
"""How long a worker keeps what it got where there is less than one for each: then others come first."""

STALE_US = 5_000_000
"""A worker that has not asked for so long is not waited for: its loop is blocked. What it has in use counts on."""

RESERVED_SECONDS = 0.1
"""When it is worth asking again for tokens that are there, and are for others."""

SPAN_PARTS = 64
"""Into how many parts a rate's span is cut. Drawn tokens come back at the ends of parts, so that few are kept."""

CUT_US = 1_000
"""By how much a database's present may be early: SQLite's is cut to milliseconds."""


class Need(NamedTuple):
    """What a worker asks for.

    Attributes:
        limit: the action's name.
        worker: the worker's token.
        used: permits that are in use there; it keeps them in any case.
        waiting: attempts that wait there now.
        wanted: permits that it has use for, those in use included.
        size: how many attempts may be under way over all workers, as this one knows it; None: no bound.
        rate: how many may begin in a span of time, likewise.
        valid_seconds: how long after it has asked a token of the rate is good for beginning an attempt.
        token_count: how many such tokens it has left.
        is_certain: it was answered the last time, so that an ask that changes nothing need not be written down.
    """

    limit: str
    worker: str
    used: int
    waiting: int
    wanted: int
    size: int | None
    rate: Rate | None
    valid_seconds: float
    token_count: int = 0
    is_certain: bool = False


class Grant(NamedTuple):
    """What a worker is told.

    Attributes:
        allowed: how many attempts may be under way there, once those above that number have ended.
        taken: what the log counts for it: that, or what is in use there if that is more.
        tokens: how many attempts may begin by the rate; each token is for one.
        wait_seconds: when it is worth asking again for tokens; 0 where there were enough.
        is_rated: attempts need tokens, because this worker or another one knows a rate.
    """

    allowed: int
    taken: int
    tokens: int
    wait_seconds: float
    is_rated: bool


class Sharing(NamedTuple):
    """What one living worker has of one limit, for people to read.

    Attributes:
        limit: the action's name.
        worker: whose share it is.
        size: the bound of what is under way at once, as that worker knows it.
        rate: the bound of what begins, likewise.
        held: permits that are counted for it; where only the rate is limited, what is under way or may begin.
        waiting: attempts that waited there when it last said so.
    """

    limit: str
    worker: str
    size: int | None
    rate: Rate | None
    held: int
    waiting: int


class Worker(NamedTuple):
    """What the log keeps of one worker and one limit. Times are the database's, in microseconds since 1970."""

    worker: str
    size: int | None
    rate: Rate | None
    wanted: int
    waiting: int
    taken: int
    since_us: int
    """Since when it has something, or waits with nothing, or neither."""
    drew_us: int
    """When it last got tokens, or came."""
    asked_us: int


class Held(NamedTuple):
    """What the log holds of one limit.

    Attributes:
        now_us: the database's present.
        is_alive: whether the lease of the one who asks holds.
        workers: those whose leases hold, by their tokens.
        drawn: the tokens that count, by when they count no more.
    """

    now_us: int
    is_alive: bool
    workers: Mapping[str, Worker]
    drawn: Mapping[int, int]


class Change(NamedTuple):
    """What is to be written: the asking worker's row, and tokens that count until a time; none where that is 0."""

    worker: Worker
    until_us: int
    token_count: int


def fair_shares(size: int, wanted: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return the max-min fair shares: nobody has more than they want, and what is left over goes to those with less.

    Args:
        size: how many there are.
        wanted: who wants how many; the odd ones go to those who stand first.
    """
    shares = {worker: 0 for worker, _ in wanted}
    left, hungry = size, [(worker, count) for worker, count in wanted if count > 0]
    while left > 0 and hungry:
        each = left // len(hungry)
        if not each:
            for worker, _ in hungry[:left]:
                shares[worker] += 1
            break
        for worker, count in hungry:
            given = min(each, count - shares[worker])
            shares[worker] += given
            left -= given
        hungry = [(worker, count) for worker, count in hungry if shares[worker] < count]
    return shares


def answered(held: Held, need: Need) -> tuple[Grant, Change | None]:
    """Return what a worker is told, and what is to be written; None where nothing is.

    While workers know different limits, as in a deploy, the strictest of each counts for all, also for those who know
    none of that kind: every promise is kept, and nobody is kept waiting by those who may have more.
    """
    if not held.is_alive:
        return Grant(0, need.used, 0, 0.0, need.rate is not None), None
    now = held.now_us
    known = held.workers.get(need.worker)
    mine = _now(known, need, now)
    workers = [*(other for name, other in held.workers.items() if name != need.worker), mine]
    size = min((worker.size for worker in workers if worker.size is not None), default=None)
    rate = strictest(worker.rate for worker in workers if worker.rate is not None)
    allowed = UNBOUNDED if size is None else _allowed(workers, mine, size, now)
    # Twice as many as may be under way: an attempt that ends before the next ask lets another one begin.
    startable = min(need.waiting, 2 * allowed - need.used) - need.token_count
    tokens, wait_seconds = _tokens(held, workers, need.worker, rate, max(0, startable))
    # Without a bound, no more can be under way before the next ask than there are tokens for.
    taken = need.used + need.token_count + tokens if allowed == UNBOUNDED else max(need.used, allowed)
    row = mine._replace(
        taken=taken,
        waiting=need.waiting - tokens,
        since_us=mine.since_us if _kind(mine) == _kind(mine._replace(taken=taken)) else now,
        drew_us=now if tokens else mine.drew_us,
    )
    until_us = _until(rate, need.valid_seconds, now) if rate and tokens else 0
    grant = Grant(allowed, taken, tokens, wait_seconds, rate is not None)
    if need.is_certain and not tokens and known is not None and _says_the_same(row, known):
        return grant, None
    return grant, Change(row, until_us, tokens)


def _now(known: Worker | None, need: Need, now: int) -> Worker:
    """Return the worker's row with what it says now; what it has is still what it had."""
    taken = known.taken if known else 0
    fresh = Worker(need.worker, need.size, need.rate, need.wanted, need.waiting, taken, now, now, now)
    if known is None:
        return fresh
    since = known.since_us if _kind(known) == _kind(fresh) else now
    return fresh._replace(since_us=since, drew_us=known.drew_us if known.waiting else now)


def _kind(worker: Worker) -> int:
    """Whether it has something, waits with nothing, or neither."""
    return 2 if worker.taken else 1 if worker.wanted else 0


def _says_the_same(row: Worker, known: Worker) -> bool:
    is_fresh = row.asked_us - known.asked_us < STALE_US // 4
    return is_fresh and row._replace(asked_us=0, drew_us=0, since_us=0) == known._replace(
        asked_us=0, drew_us=0, since_us=0
    )


def _allowed(workers: Sequence[Worker], mine: Worker, size: int, now: int) -> int:
    in_order = sorted(workers, key=lambda worker: _precedence(worker, now))
    fair = fair_shares(size, [(worker.worker, _use(worker, now)) for worker in in_order])
    free = size - sum(worker.taken for worker in workers if worker is not mine)
    return max(0, min(fair[mine.worker], free))


def _use(worker: Worker, now: int) -> int:
    """How many permits it has use for; one that asks no more has use for those only that it has."""
    return worker.wanted if now - worker.asked_us < STALE_US else min(worker.wanted, worker.taken)


def _precedence(worker: Worker, now: int) -> tuple[int, int, str]:
    """Who comes first where there is not one for each: whose turn has just begun, who has none, who has had theirs."""
    if not worker.taken:
        return 1, worker.since_us, worker.worker
    return 0 if now - worker.since_us < TURN_US else 2, worker.since_us, worker.worker


def _tokens(held: Held, workers: Sequence[Worker], mine: str, rate: Rate | None, startable: int) -> tuple[int, float]:
    if rate is None or not startable:
        return 0, 0.0
    now = held.now_us
    waiting = [worker for worker in workers if worker.waiting and now - worker.asked_us < STALE_US]
    counting = {until: count for until, count in held.drawn.items() if until > now}
    available = max(0, rate.count - sum(counting.values()))
    in_order = sorted(waiting, key=lambda worker: (worker.drew_us, worker.worker))
    fair = fair_shares(available, [(worker.worker, worker.waiting) for worker in in_order])
    tokens = min(startable, fair[mine])
    if tokens == startable:
        return tokens, 0.0
    return tokens, RESERVED_SECONDS if available or not counting else (min(counting) - now) / 1e6


def strictest(rates: Iterable[Rate]) -> Rate | None:
    """Return the rate within which all of them are kept: the smallest count in the longest span; None if there is none.

    The one that lets the fewest begin in the long run would not do: 100 in a minute may all begin at once, where
    another worker knows 10 in a second.
    """
    known = list(rates)
    if not known:
        return None
    return Rate(min(rate.count for rate in known), per_seconds=max(rate.per_seconds for rate in known))


def _until(rate: Rate, valid_seconds: float, now: int) -> int:
    """Return until when a token counts: whoever begins with it, as late as it is good, does so a whole span before."""
    span = round(rate.per_seconds * 1e6)
    part = max(1, span // SPAN_PARTS)
    until = now + round(valid_seconds * 1e6) + CUT_US + span
    return -(-until // part) * part
