"""Which of the runs that may have killed their workers is tried again now: one at a time.

A run that ends its process takes all the others of that process with it, and they all count one more lapse. Tried
again together they would go on dying together, and be parked together. So a run over which workers fell silent again
and again is a suspect, and a worker has one suspect on trial at a time: what dies then is guilty, the others innocent.
"""

import asyncio
from collections.abc import Iterable, Mapping

from .driver import Driver
from .state import RunState

SUSPECT_LAPSES = 1
"""A run over which one worker fell silent, and that is free because another did, may be what kills them."""


class Suspects:
    """The suspects of one worker.

    Args:
        drivers: of the runs that it hosts, by run id.
        trial_seconds: how long a suspect is watched at most, if it gets nothing done and does not end.
    """

    def __init__(self, drivers: Mapping[str, Driver], trial_seconds: float) -> None:
        self._drivers = drivers
        self._trial_seconds = trial_seconds
        self._on_trial: str | None = None
        self._trial_ends_at = 0.0
        self._waiting: set[str] = set()

    def in_turn(self, states: Iterable[RunState]) -> list[RunState]:
        """Return what may be claimed now: the innocent, and a suspect if none is on trial."""
        is_free = not self.held_back()
        turns = []
        for state in states:
            if state.lapses < SUSPECT_LAPSES:
                turns.append(state)
            elif is_free and self._on_trial is None:
                self._on_trial = state.run_id
                self._trial_ends_at = asyncio.get_running_loop().time() + self._trial_seconds
                turns.append(state)
            else:
                self._waiting.add(state.run_id)
        return turns

    def held_back(self) -> set[str]:
        """Return the suspects that wait while another is on trial: until it got something done, ended, or had time."""
        driver = self._drivers.get(self._on_trial or "")
        is_over = asyncio.get_running_loop().time() > self._trial_ends_at
        if driver is None or not driver.state.lapses or is_over:
            self._on_trial = None
            self._waiting.clear()
        return self._waiting
