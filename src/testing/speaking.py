"""What people can say to the runs of a cluster, as its verbs."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from .callers import Callers, Wanted
from .faulty_log import FaultyLog
from .members import Request
from .spoken import Signal

__all__ = ["Speaking"]


class Speaking(Protocol):
    """The verbs of a cluster that say something to a run."""

    log: FaultyLog
    _wanted: dict[str, Wanted]
    _callers: Callers
    _signal_count: int = 0

    @property
    def running(self) -> Sequence[str]:
        """The processes that run."""
        ...

    def _say(self, name: str, text: str, run_id: str = "") -> None: ...

    def _ask(self, name: str, request: Request) -> None: ...

    def cancel(self, run_id: str, *, at: str | None = None) -> None:
        """Let somebody cancel a run, at the process that has it if `at` is left out."""
        self._speak(run_id, "cancel", at)

    def retry(self, run_id: str, *, at: str | None = None) -> None:
        """Let somebody say that a parked run is to be tried again; `at` as for `cancel`."""
        self._speak(run_id, "retry", at)

    def waive(self, run_id: str, step: str, *, at: str | None = None) -> None:
        """Let somebody waive the undo of a step of a parked run; `at` as for `cancel`."""
        self._speak(run_id, f"waive {step}", at)

    def resume(self, run_id: str, *, at: str | None = None) -> None:
        """Let somebody say that a parked run is to go on as it is; `at` as for `cancel`."""
        self._speak(run_id, "resume", at)

    def abandon(self, run_id: str, *, at: str | None = None) -> None:
        """Let somebody abandon a run; `at` as for `cancel`."""
        self._speak(run_id, "abandon", at)

    def undo(self, run_id: str, *, at: str | None = None) -> None:
        """Let somebody have a completed run undone; `at` as for `cancel`."""
        self._speak(run_id, "undo", at)

    def signal(
        self, run_id: str, name: str, payload: Any = None, *, key: str | None = None, at: str | None = None
    ) -> None:
        """Let somebody tell a run something; `at` as for `cancel`. Each has a key of its own, if it is left out."""
        self._signal_count += 1
        signal = Signal(1, name, payload, key=key or f"{name} {self._signal_count}")
        at = at or self._nearest(run_id)
        self._say(at, f"is asked to tell it {name}: {payload!r}", run_id)
        self._ask(at, partial(self._callers.tell, worker=at, wanted=self._wanted[run_id], signal=signal))

    def _nearest(self, run_id: str) -> str:
        """Return the process that has a run, or any that runs."""
        if not self.running:
            raise ValueError(f"nobody is there to speak to run {run_id}: no process runs, so boot one")
        standing = self.log.standing(run_id)
        owner = standing.owner if standing else None
        return owner if owner is not None and owner in self.running else self.running[0]

    def _speak(self, run_id: str, order: str, at: str | None) -> None:
        name = at or self._nearest(run_id)
        self._say(name, f"is asked to {order}", run_id)
        self._ask(name, partial(self._callers.speak, worker=name, wanted=self._wanted[run_id], order=order))
