"""A crew of workers, forked from one warm process, so that hiring and killing them costs milliseconds."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from types import TracebackType
from typing import Any, Self

from tests.campaign.worker import Post, Start, work

__all__ = ["Crew", "Hand"]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.campaign.worker"])

_DEADLINE_SECONDS = 30.0


class Hand:
    """One worker process."""

    def __init__(self, process: ForkServerProcess, starts: Sequence[Start]) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.starts = starts
        self._process = process

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it in its tracks, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.exit_code()

    def exit_code(self, seconds: float = _DEADLINE_SECONDS) -> int:
        """Wait for its end; that of a killed process is the signal's number, negative."""
        self._process.join(seconds)
        code = self._process.exitcode
        assert code is not None, f"worker {self.pid} has not ended within {seconds} s"
        return code


class Crew:
    """Workers at one post. Whoever is left is killed when the context ends.

    Attributes:
        hands: those who are alive as far as we know.
    """

    def __init__(self, post: Post) -> None:
        self.post = post
        self.hands: list[Hand] = []

    def hire(self, starts: Sequence[Start] = (), **changes: Any) -> Hand:
        """Fork a worker, which starts and hosts `starts`; `changes` are other fields of its post."""
        post = replace(self.post, starts=tuple(starts), **changes)
        process = _context.Process(target=work, args=(post,), daemon=True)
        process.start()
        hand = Hand(process, starts)
        self.hands.append(hand)
        return hand

    def kill(self, hand: Hand) -> None:
        """Kill a worker."""
        self.hands.remove(hand)
        hand.kill()

    def dismiss(self, seconds: float = _DEADLINE_SECONDS) -> list[int]:
        """Ask all to go, and return their exit codes."""
        hands, self.hands = self.hands, []
        for hand in hands:
            hand.signal(signal.SIGTERM)
        try:
            return [hand.exit_code(seconds) for hand in hands]
        finally:
            self.hands = hands
            self._end()

    def _end(self) -> None:
        hands, self.hands = self.hands, []
        for hand in hands:
            hand.signal(signal.SIGKILL)
        for hand in hands:
            hand.exit_code()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
