"""When to try again, and after how long: tenacity's own policies, asked about attempts that the log counts.

tenacity's loop is not used, because an attempt here may begin in one process and the next one in another. Only its
policy objects are: each is a function of a `RetryCallState`, and that is made anew from recorded facts each time.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenacity import Future, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from ..errors import DefinitionError

Policy = Callable[[RetryCallState], Any]
"""What `tenacity.stop_*`, `wait_*` and `retry_*` objects are."""

_NO_LOOP: Any = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Whether a failed attempt is followed by another.

    Attributes:
        stop: true ends the step (tenacity's `stop`).
        wait: seconds until the next attempt (tenacity's `wait`).
        retry: true where the error is worth another attempt (tenacity's `retry`). Whatever it says, only an
            `Exception` is ever retried: `retry_if_not_exception_type` alone would retry a `CancelledError`.
    """

    stop: Policy
    wait: Policy
    retry: Policy = retry_if_exception_type(Exception)

    def __post_init__(self) -> None:
        for name in ("stop", "wait", "retry"):
            policy = getattr(self, name)
            if not callable(policy):
                raise DefinitionError(f"{name}={policy!r} is not a tenacity policy, such as stop_after_attempt(3)")
            if inspect.iscoroutinefunction(policy) or inspect.iscoroutinefunction(type(policy).__call__):
                raise DefinitionError(f"{name}={policy!r} is asynchronous; policies must be plain functions")

    def wait_after_failure(self, attempt: int, error: BaseException, elapsed_seconds: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is to be none.

        Args:
            attempt: the attempt that failed, from 1.
            error: what it raised.
            elapsed_seconds: from the start of the first attempt to now.
        """
        state = _facts(attempt, error, elapsed_seconds)
        if not isinstance(error, Exception) or not self.retry(state):
            return None
        return self._wait(state)

    def wait_after_unknown(self, attempt: int, error: BaseException, elapsed_seconds: float) -> float | None:
        """Return the same for an attempt whose outcome is unknown: `on_unknown` has decided for `retry` already."""
        return self._wait(_facts(attempt, error, elapsed_seconds))

    def no_shorter_than(self, other: "RetryPolicy") -> "RetryPolicy":
        """Return this policy, but giving up only when `other` would, too."""
        return RetryPolicy(lambda state: self.stop(state) and other.stop(state), self.wait, self.retry)

    def _wait(self, state: RetryCallState) -> float | None:
        state.upcoming_sleep = max(0.0, float(self.wait(state)))
        return None if self.stop(state) else state.upcoming_sleep


def _facts(attempt: int, error: BaseException, elapsed_seconds: float) -> RetryCallState:
    state = RetryCallState(_NO_LOOP, None, (), {})
    state.start_time = 0.0
    state.attempt_number = attempt
    state.outcome = Future(attempt)
    state.outcome.set_exception(error)
    state.outcome_timestamp = elapsed_seconds
    return state


DO_POLICY = RetryPolicy(stop=stop_after_attempt(3), wait=wait_exponential_jitter(multiplier=0.2, max=10.0))
"""An action's default: 3 attempts."""

UNDO_POLICY = RetryPolicy(stop=stop_after_attempt(10), wait=wait_exponential_jitter(multiplier=0.2, max=30.0))
"""An undo's default: 10 attempts. Giving up on an undo means a parked run, so it is tried for longer."""
