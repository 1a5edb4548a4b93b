"""The virtual loop: what a simulated process leaves unfinished goes without a sound."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from amends.testing.virtual_time import VirtualClock, VirtualLoop


async def branch() -> None:
    """Never begins."""


async def in_place(inner: Coroutine[Any, Any, None]) -> None:
    await inner


def begin(loop: VirtualLoop) -> None:
    """Make a task, cancel it before it begins, and halt the loop when it has ended and nobody has been told."""
    inner = branch()
    task = loop.create_task(in_place(inner))
    task.add_done_callback(lambda _: inner.close())
    task.cancel()
    loop.call_soon(loop.halt)


def test_a_branch_that_never_began_is_closed(recwarn: pytest.WarningsRecorder) -> None:
    """The process dies between the end of a task and the callback that would have closed what the task was to await."""
    loop = VirtualLoop(VirtualClock())

    async def main() -> None:
        begin(loop)
        await asyncio.sleep(60.0)

    assert not loop.go_on(loop.create_task(main()))
    loop.discard()
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
