"""What the session prints at its end: how many cases the counted kinds of test have seen, in all its processes."""

from collections import Counter
from typing import Any

import pytest

__all__ = ["counted", "pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]

counted: Counter[str] = Counter()
"""Cases by kind, in the plural: `counted["lost replies"] += 1`."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of a process of pytest-xdist to the one that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["counted"] = dict(counted)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in the counts of a process that is through; one that died has left none."""
    counted.update(getattr(node, "workeroutput", {}).get("counted", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts, largest first."""
    if counted:
        terminalreporter.write_line(", ".join(f"{count:,} {kind}" for kind, count in counted.most_common()))
