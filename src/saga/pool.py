"""What a worker has of the limit of one action, who waits for it here, and when to ask the log again: decisions only.

A worker goes by what it was told until it is told something else: a permit that comes back goes to the next who waits
here, and nobody is asked. While an ask is under way no more permits are in use than it says are, so whatever the log
counts for this worker, and whether or not the reply arrives, what is in use is counted.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..actions.rate import Rate
from .log.limits import Grant, Need

__all__ = ["Permit", "Pool", "Waiter"]

ASK_SECONDS = 0.1
"""How often a worker asks while attempts wait there, and it has no permit."""

SOON_SECONDS = 0.02
"""How soon a worker asks again when it has something to give back that others wait for, or when somebody comes."""

KEEP_SECONDS = 0.25
"""How long a worker keeps permits for which it has no use at the moment; and how often it asks for more."""

LONGEST_WAIT_SECONDS = 1.0
"""How seldom a worker asks that waits for the tokens of a rate, so that it is still counted among those who wait."""

LONGEST_VALID_SECONDS = 30.0


@dataclass(eq=False, slots=True)
class Permit:
    """Leave for one attempt.

    Attributes:
        pool: where it came from.
        lapses: how often the worker's lease had lapsed by then: a permit does not outlive the lease.
        asked_at: when the token of the rate was asked for; None where no rate is limited.
        good_until: until when the attempt may begin by the rate.
        has_begun: the attempt has entered a handler.
    """

    pool: "Pool"
    lapses: int
    asked_at: float | None = None
    good_until: float = float("inf")
    has_begun: bool = False

    def is_good(self, lapses: int | None, now: float) -> bool:
        """Whether a handler may be entered with it."""
        return self.lapses == lapses and (self.has_begun or now <= self.good_until)


@dataclass(eq=False, slots=True)
class Waiter:
    """Who waits for a permit, and is called with it."""

    given: Callable[[Permit], None]


@dataclass(slots=True)
class Pool:
    """What one worker has of one limit.

    Attributes:
        name: the action's.
        size: how many attempts may be under way over all workers, as is known here; None: no bound.
        rate: how many may begin, likewise.
        used: permits that are in use here.
        allowed: up to how many may be.
        taken: how many the log counts for this worker, as far as is known.
    """

    name: str
    size: int | None
    rate: Rate | None
    used: int = 0
    allowed: int = 0
    taken: int = 0
    _tokens: list[tuple[float, float]] = field(default_factory=list)
    """When each was asked for, and until when it is good: as long as the log was told, whatever was learned since."""
    _valid_seconds: float = 0.0
    _delay_seconds: float = 0.0
    _first: "OrderedDict[Waiter, None]" = field(default_factory=OrderedDict)
    _then: "OrderedDict[Waiter, None]" = field(default_factory=OrderedDict)
    _lapses: int | None = None
    _asked_at: float = float("-inf")
    _under_way: Need | None = None
    _told: Need | None = None
    """The last need that was answered; None before the first, and where nobody knows what became of one."""
    _is_rated: bool = False
    """Attempts need tokens: a rate is known here, or to another worker, as was said the last time."""
    _wait_seconds: float = 0.0
    _most_used: int = 0

    def __post_init__(self) -> None:
        self._valid_seconds = self._least_valid_seconds
        self._is_rated = self.rate is not None

    @property
    def waiting(self) -> int:
        """How many wait here."""
        return len(self._first) + len(self._then)

    # Those who wait

    def join(self, waiter: Waiter, *, first: bool) -> None:
        """Wait: behind those who came before, and behind all whose attempts are on record already."""
        (self._first if first else self._then)[waiter] = None

    def leave(self, waiter: Waiter) -> bool:
        """Wait no more; returns whether it had waited still."""
        for queue in (self._first, self._then):
            if waiter in queue:
                del queue[waiter]
                return True
        return False

    def served(self, lapses: int | None, now: float) -> Iterator[tuple[Waiter, Permit]]:
        """Yield those who get a permit now, each with it.

        Args:
            lapses: how often the worker's lease has lapsed; None while it does not hold.
            now: monotonic seconds.
        """
        self.look(lapses)
        while lapses is not None and self.waiting and self._may_begin(now):
            waiter, _ = (self._first or self._then).popitem(last=False)
            permit = Permit(self, lapses)
            if self._is_rated:
                permit.asked_at, permit.good_until = self._tokens.pop(0)
            self.used += 1
            self._most_used = max(self._most_used, self.used)
            yield waiter, permit

    def given_back(self) -> None:
        """Note that an attempt has ended, or was not made after all."""
        self.used -= 1

    def _may_begin(self, now: float) -> bool:
        most = self.allowed if self._under_way is None else min(self.allowed, self._under_way.used)
        if self.used >= most:
            return False
        self._forget_stale(now)
        return bool(self._tokens) or not self._is_rated

    def _forget_stale(self, now: float) -> None:
        self._tokens = [token for token in self._tokens if now <= token[1]]

    def look(self, lapses: int | None) -> None:
        """Forget what this worker was given if its lease has lapsed since: others may have it."""
        if lapses is not None and lapses != self._lapses:
            self._lapses = lapses
            self.allowed = 0
            self._tokens.clear()
            self._told = None
            self._asked_at = float("-inf")

    def began(self, permit: Permit, now: float) -> None:
        """Note how long it took from the ask for a token to the attempt, or to where it was too late for it."""
        if permit.asked_at is not None:
            self._delay_seconds = max(now - permit.asked_at, 0.9 * self._delay_seconds)
            longest = max(self._least_valid_seconds, 2 * self._delay_seconds)
            self._valid_seconds = min(longest, LONGEST_VALID_SECONDS)

    @property
    def _least_valid_seconds(self) -> float:
        return 0.1 if self.rate is None else min(5.0, max(0.1, self.rate.per_seconds / 20))

    # Asking the log

    def due_at(self) -> float | None:
        """Return when the log is to be asked, in monotonic seconds; None while there is nothing to ask."""
        told = self._told
        if told is None:
            has_any = self.used or self.waiting or self.taken
            return self._asked_at + KEEP_SECONDS if has_any else None
        if self.waiting:
            return self._asked_at + self._pause_seconds(told)
        if self.used < self.taken:
            return self._asked_at + (SOON_SECONDS if self.taken > self.allowed else KEEP_SECONDS)
        return self._asked_at + KEEP_SECONDS if told.waiting else None

    def _pause_seconds(self, told: Need) -> float:
        """How long to wait between two asks while attempts wait here."""
        if told.wanted <= told.used:
            return SOON_SECONDS
        if self._is_rated and self.used < self.allowed:
            return min(max(self._wait_seconds, SOON_SECONDS), LONGEST_WAIT_SECONDS)
        return KEEP_SECONDS if self.used else ASK_SECONDS

    def ask(self, worker: str, now: float) -> Need:
        """Return what to ask for, and go by it until it is answered."""
        wanted = max(self.used + self.waiting, self._most_used)
        self._most_used = self.used
        is_certain = self._told is not None
        self._forget_stale(now)
        self._under_way = Need(
            limit=self.name,
            worker=worker,
            used=self.used,
            waiting=self.waiting,
            wanted=wanted,
            size=self.size,
            rate=self.rate,
            valid_seconds=self._valid_seconds,
            token_count=len(self._tokens),
            is_certain=is_certain,
        )
        self._asked_at = now
        return self._under_way

    def answered(self, grant: Grant, lapses: int | None) -> None:
        """Take what the log says to what was asked, if the lease has held meanwhile."""
        need, self._under_way = self._under_way, None
        assert need is not None, "there is no answer without a question"
        if lapses is None or lapses != self._lapses:
            self.look(lapses)
            return
        self._told = need
        self.allowed, self.taken = grant.allowed, grant.taken
        self._is_rated = grant.is_rated
        self._wait_seconds = grant.wait_seconds
        self._tokens += [(self._asked_at, self._asked_at + need.valid_seconds)] * grant.tokens

    def unanswered(self) -> None:
        """Note that nobody knows what the log counts: this worker gets nothing more until it is told."""
        need, self._under_way = self._under_way, None
        if need is not None:
            self.allowed = min(self.allowed, need.used)
            self.taken = max(self.taken, 1)
            self._told = None
