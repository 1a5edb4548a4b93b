"""Colour for terminals, and only for terminals."""

from collections.abc import Callable, Mapping
from typing import TextIO

from ..saga.events import RunStatus

STATUS_COLOURS = {
    RunStatus.COMPLETED: "good",
    RunStatus.COMPENSATED: "undone",
    RunStatus.PARTIALLY_COMPENSATED: "odd",
    RunStatus.PARKED: "bad",
    RunStatus.ABANDONED: "odd",
}
"""What a status is shown as, by the names of `Paint` and of the pictures' style; the others are nothing special."""


class Paint:
    """Wraps text in terminal colours, or leaves it as it is.

    Args:
        enabled: whether there is a terminal that shows them.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text

    def bold(self, text: str) -> str:
        """For headings."""
        return self._in("1", text)

    def dim(self, text: str) -> str:
        """For what matters less."""
        return self._in("2", text)

    def good(self, text: str) -> str:
        """For what succeeded."""
        return self._in("32", text)

    def bad(self, text: str) -> str:
        """For what failed."""
        return self._in("31", text)

    def odd(self, text: str) -> str:
        """For what a person should look at."""
        return self._in("33", text)

    def undone(self, text: str) -> str:
        """For what was taken back."""
        return self._in("36", text)

    def of_status(self, status: RunStatus) -> Callable[[str], str]:
        """For how a run stands."""
        show: Callable[[str], str] = getattr(self, STATUS_COLOURS.get(status, "bold"))
        return show


def paint_for(stream: TextIO, environ: Mapping[str, str]) -> Paint:
    """Return colours if `stream` is a terminal that has them and nobody asked for none (https://no-color.org)."""
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Paint(enabled=wanted and stream.isatty())
