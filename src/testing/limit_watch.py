"""Watches whether the limits of actions are kept over all processes of a simulation, as seen from outside.

Counted are attempts by processes whose lease has held since they were entered: one that was declared dead may still be
at it, and nobody knows. What goes on past its time limit is counted for as long again.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ..actions.action import Action
from ..actions.call import Call
from ..actions.entering import CANCEL_GRACE_SECONDS
from .journal import Journal
from .ledger import Kind
from .virtual_time import VirtualClock

__all__ = ["LimitWatch"]

Attempt = tuple[str, str, str, int, bool]
"""The process, the run, the step, which attempt, and whether it undoes."""

TOLERANCE_SECONDS = 1e-5
"""The log counts in whole microseconds."""


class LimitWatch:
    """Looks at every entry into a handler of a limited action, and at every end.

    Args:
        actions: those of the simulation.
        journal: knows the leases; where it is noted what is wrong.
        clock: of the simulation.
    """

    def __init__(self, actions: Iterable[Action[Any, Any]], journal: Journal, clock: VirtualClock) -> None:
        self._limited = {action.name: action for action in actions if action.is_limited}
        self._journal = journal
        self._clock = clock
        self._entered: dict[str, dict[Attempt, tuple[int, float]]] = defaultdict(dict)
        """The attempts that are in a handler, by action: with the lease of the process by then, and until when."""
        self._begun: dict[str, dict[Attempt, float]] = defaultdict(dict)
        """When each attempt began, by action."""

    def entered(self, worker: str, kind: Kind, action: str, call: Call) -> None:
        """Look at an entry into a handler."""
        limited = self._limited.get(action)
        if limited is None:
            return
        attempt = _attempt(worker, kind, call)
        now = self._clock.seconds
        seconds = max(part.timeout_seconds or 1e9 for part in (limited.work, limited.compensation) if part)
        until = now + 2 * seconds + CANCEL_GRACE_SECONDS
        self._entered[action][attempt] = (self._journal.lease(worker, now), until)
        under_way = [
            a for a, (lease, end) in self._entered[action].items() if lease and lease == self._lease(a) and now < end
        ]
        if limited.concurrency is not None and len(under_way) > limited.concurrency:
            of = f"of {limited.concurrency}: {under_way}"
            self._say(call, f"{len(under_way)} attempts of {action} are under way, {of}")
        if attempt not in self._begun[action]:
            self._begin(limited, attempt, call)

    def left(self, worker: str, kind: Kind, action: str, call: Call) -> None:
        """Note that a handler has ended."""
        if action in self._limited:
            self._entered[action].pop(_attempt(worker, kind, call), None)

    def _begin(self, limited: Action[Any, Any], attempt: Attempt, call: Call) -> None:
        begun, now, rate = self._begun[limited.name], self._clock.seconds, limited.rate
        begun[attempt] = now
        if rate is None:
            return
        lately = [at for at in begun.values() if at > now - rate.per_seconds + TOLERANCE_SECONDS]
        if len(lately) > rate.count:
            self._say(call, f"{len(lately)} attempts of {limited.name} began since {min(lately):.6f}: {rate}")

    def _lease(self, attempt: Attempt) -> int:
        return self._journal.lease(attempt[0], self._clock.seconds)

    def _say(self, call: Call, what: str) -> None:
        self._journal.over_limits.append((call.run_id, f"{what}, at {self._clock.seconds:.6f}"))


def _attempt(worker: str, kind: Kind, call: Call) -> Attempt:
    return worker, call.run_id, call.step, call.attempt, kind is Kind.UNDO or call.outcome is not None
