"""A progress bar for what takes long, on a terminal; it is `rich`'s, and there is none where that is not installed."""

import sys
import time
from types import TracebackType
from typing import Any, Self

__all__ = ["Bar"]

PATIENCE_SECONDS = 2.0
"""Nobody needs a bar for what takes less."""


class Bar:
    """Shows how far something is, once it has taken a while.

    Args:
        what: is done.
        wanted: at once, whatever standard error is.
    """

    def __init__(self, what: str, *, wanted: bool = False) -> None:
        self._what = what
        self._possible = wanted or sys.stderr.isatty()
        self._begins_at = time.monotonic() + (0 if wanted else PATIENCE_SECONDS)
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        """Begin; nothing is shown yet."""
        return self

    def show(self, done: int, total: int) -> None:
        """Show that so much of it is done."""
        if self._possible and self._progress is None and time.monotonic() >= self._begins_at:
            self._open(total)
        if self._progress is not None:
            self._progress.update(self._task, completed=done)

    def _open(self, total: int) -> None:
        try:
            from rich.console import Console
            from rich.progress import Progress
        except ImportError:
            self._possible = False
            return
        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._progress.start()
        self._task = self._progress.add_task(self._what, total=total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
