"""Processes that stop at a point that they name, to be killed there."""

import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["kill_at"]

_ROOT = Path(__file__).parents[2]


def kill_at(module: str, url: str, point: str) -> None:
    """Run a module of these tests until it says that it has come to a point, and kill it there.

    Args:
        module: `tests.integration.MODULE`; it prints the point when it is there, and then waits.
        url: the log that it is to use.
        point: where it is to stop.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.integration.{module}", url, point],
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == point
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
