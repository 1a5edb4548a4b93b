"""Turns of the event loop, counted once for all who want some to pass.

A driver lets the saga function run ahead before it appends. A sleep of its own for each turn would cost every run more
than the append itself; counted together, the turns of a thousand runs cost what those of one do.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """The turns of the running event loop. They are counted only while somebody waits for one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: deque[list[Callable[[], None]]] = deque()
        """What is called in the next turn, in the one after it, and so on."""

    def after(self, count: int, call: Callable[[], None]) -> None:
        """Call `call` when `count` turns have begun after this one, behind all that those before it have scheduled."""
        if self._due:
            count += 1  # The first turn to be counted may be the present one.
        else:
            self._loop.call_soon(self._turn)
        while len(self._due) < count:
            self._due.append([])
        self._due[count - 1].append(call)

    def _turn(self) -> None:
        due = self._due.popleft()
        if self._due:
            self._loop.call_soon(self._turn)
        for call in due:
            call()
