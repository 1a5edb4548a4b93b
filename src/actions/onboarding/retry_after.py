"""Waits at least as long as the other side asks for."""

from tenacity import RetryCallState

from ..retrying import Policy

MAX_SECONDS = 60.0
"""Whoever asks for more is asked again after this."""


def wait_as_asked(otherwise: Policy) -> Policy:
    """Return a tenacity `wait`: the error's `retry_after_seconds`, or what `otherwise` says if that is longer."""

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        return max(min(asked, MAX_SECONDS), float(otherwise(state)))

    return wait
