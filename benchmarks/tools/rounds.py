"""How everything here is measured: in a process of its own, in rounds that take turns, told as median, min and max.

Only a ratio of one run means anything, because the machines differ and are shared. So the contenders take turns, round
by round, and a ratio is made of the figures of one round.
"""

import multiprocessing
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Figures = Mapping[str, float]
"""What one measurement found, by name. A name says its unit."""

LONG = os.environ.get("AMENDS_BENCH") == "long"


def form(short: T, long: T) -> T:
    """Return what belongs to the form that was asked for: `AMENDS_BENCH=long`, or the short one."""
    return long if LONG else short


def alone(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a module in a new process, so that no measurement leaves anything to the next."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *args, **kwargs).result()


def in_turns(rounds: int, contenders: Mapping[str, Callable[[], Figures]]) -> dict[str, list[Figures]]:
    """Let each contender have its turn in each round; return what was found, a list of rounds for each.

    Each round begins with another one: whoever always came first, or after the same one, would be told apart by that.
    """
    found: dict[str, list[Figures]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(contenders[name]())
    return found


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return `median (min-max)`."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


def ratios(found: Mapping[str, Sequence[Figures]], name: str, base: str, figure: str) -> list[float]:
    """Return one contender's figure over another's, round by round."""
    return [
        ours[figure] / theirs[figure]
        for ours, theirs in zip(found[name], found[base], strict=True)
        if figure in ours and theirs.get(figure)
    ]


def table(title: str, found: Mapping[str, Sequence[Figures]], digits: Mapping[str, int]) -> None:
    """Print a table: a contender a row, a figure a column, the figures in the order of `digits`, each with so many."""
    shown = [figure for figure in digits if any(figure in row for rows in found.values() for row in rows)]
    rows = [[title, *shown]]
    for name, rounds in found.items():
        columns = ([row[figure] for row in rounds if figure in row] for figure in shown)
        rows.append(
            [
                name,
                *(
                    spread(values, digits[figure]) if values else "-"
                    for figure, values in zip(shown, columns, strict=True)
                ),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        print(
            name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)), sep="  "
        )
