"""The first renewal of a lease is tried again: a connection may be cut at the very moment in which a worker opens."""

import asyncio

import pytest

from amends.errors import LogUnavailable, SchemaMismatch
from amends.saga.heart import FIRST_BEATS, ThreadHeart


class CutPulse:
    """Renews after so many beats that are not answered, or are answered with `error`."""

    def __init__(self, cuts: int, error: Exception) -> None:
        self.cuts, self.error, self.beats = cuts, error, 0

    def beat(self) -> None:
        self.beats += 1
        if self.beats <= self.cuts:
            raise self.error

    def close(self) -> None:
        """Nothing is open."""


def open_and_close(pulse: CutPulse) -> None:
    async def scenario() -> None:
        heart = ThreadHeart(pulse, 0.2)
        try:
            await heart.start()
            assert heart.alive
        finally:
            await heart.stop()

    asyncio.run(scenario())


def test_a_beat_that_is_not_answered_is_tried_again() -> None:
    open_and_close(CutPulse(FIRST_BEATS - 1, LogUnavailable("cut")))


def test_a_database_that_stays_silent_is_an_error() -> None:
    with pytest.raises(LogUnavailable):
        open_and_close(CutPulse(99, LogUnavailable("cut")))


def test_another_error_is_told_at_once() -> None:
    pulse = CutPulse(99, SchemaMismatch("no such table"))
    with pytest.raises(SchemaMismatch):
        open_and_close(pulse)
    assert pulse.beats == 1
