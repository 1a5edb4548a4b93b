"""Tables for a terminal: columns as wide as they need to be, cut where the terminal ends, coloured only there."""

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .paint import Paint
from .plain import plain

__all__ = ["Cell", "table"]

_GAP = "  "
_WITHOUT_TERMINAL = 10_000


class Cell(NamedTuple):
    """What stands in a table.

    Attributes:
        text: made plain when it is shown.
        show: its colour.
        right: it stands on the right of its column, as numbers do.
    """

    text: str
    show: Callable[[str], str] = str
    right: bool = False


def table(head: Sequence[str], rows: Sequence[Sequence[Cell | str]], paint: Paint) -> list[str]:
    """Return the lines of a table. The last column is cut where the terminal ends; nothing is, where there is none.

    Args:
        head: what its columns are called.
        rows: its rows, each with a cell for each column.
        paint: the colours.
    """
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    texts = [[plain(cell.text) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WITHOUT_TERMINAL
    widths[-1] = max(8, min(widths[-1], width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)))
    lines = [paint.dim(_GAP.join(name.ljust(wide) for name, wide in zip(head, widths, strict=True)).rstrip())]
    for row, shown in zip(cells, texts, strict=True):
        parts = []
        for cell, text, wide in zip(row, shown, widths, strict=True):
            cut = text if len(text) <= wide else f"{text[: wide - 1]}…"
            parts.append(cell.show(cut.rjust(wide) if cell.right else cut.ljust(wide)))
        lines.append(_GAP.join(parts).rstrip())
    return lines
