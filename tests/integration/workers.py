"""Starting processes that have a log of their own, and talking to them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

__all__ = ["Worker", "running_workers"]

_ROOT = Path(__file__).parents[2]


class Worker:
    """A process of `tests.integration.log_worker`."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.log_worker", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )

    def tell(self, command: str) -> None:
        """Hand the process a command, without waiting for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Wait for an answer; an empty one means that the process is gone."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def send_signal(self, number: int) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def end(self) -> None:
        """Kill the process if it has not ended."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def running_workers(url: str, count: int) -> Iterator[list[Worker]]:
    """Yield processes that have imported everything and wait for their first command."""
    with ExitStack() as stack:
        workers = [Worker(url) for _ in range(count)]
        for worker in workers:
            stack.callback(worker.end)
        assert [worker.hear() for worker in workers] == ["ready"] * count
        yield workers
