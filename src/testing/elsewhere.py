"""Somebody in a process of his own, who has no run: what he says to one is on record before anybody else has a turn."""

from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, cast

from ..errors import CommandRefused, InvalidValue, SignalConflict, UnknownName
from ..saga.coordinator import Coordinator
from ..saga.driver import Driver
from ..saga.handle import RunHandle
from ..saga.hosting import Hosting
from ..saga.runs import Runs
from .faulty_log import FaultyLog

__all__ = ["REFUSALS", "handle_elsewhere", "say_at_once"]

REFUSALS = (CommandRefused, InvalidValue, SignalConflict, UnknownName)
"""What a run that is not as somebody thought answers."""


class _Nowhere:
    """What a process hosts that hosts nothing."""

    drivers: Mapping[str, Driver] = {}


def handle_elsewhere(coordinator: Coordinator, run_id: str) -> RunHandle[Any]:
    """Return a handle of a process that has no run, but knows what `coordinator` knows."""
    host, _ = coordinator.runs.opened()
    return RunHandle(run_id, None, Runs(lambda: (host, cast("Hosting", _Nowhere()))))


def say_at_once(log: FaultyLog, saying: Coroutine[Any, Any, object]) -> bool:
    """Carry out a command of such a handle before anybody else has a turn; returns whether it was heard.

    A log in memory answers in the same turn but for a bare yield, so that nothing has to be waited for.
    """
    with log.from_elsewhere(), suppress(*REFUSALS):
        try:
            while True:
                saying.send(None)
        except StopIteration:
            return True
    return False
