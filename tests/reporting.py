"""What the session prints at its end: how many cases the counted kinds of test have seen."""

from collections import Counter

import pytest

__all__ = ["counted", "pytest_terminal_summary"]

counted: Counter[str] = Counter()
"""Cases by kind, in the plural: `counted["lost replies"] += 1`."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts, largest first."""
    if counted:
        terminalreporter.write_line(", ".join(f"{count:,} {kind}" for kind, count in counted.most_common()))
