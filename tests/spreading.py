"""Over how many processes `make test` spreads the tests.

It asks with `--numprocesses=logical`. The suite and its long directories are spread. The short ones and a selection run
in the process that was started: they are over before others would be up, a debugger has the terminal, and what is
printed is seen. A number is obeyed.
"""

import os
from pathlib import Path

import pytest

__all__ = ["pytest_xdist_auto_num_workers"]

_PER_CPU = 2
"""Half of the time a test waits: for a server, a process, a lease."""

_SHORT = ("unit", "docs")
"""The directories that are over in seconds."""

_SELECTING = ("keyword", "markexpr", "lf", "failedfirst", "stepwise", "deselect", "trace")
"""The options that leave tests out or that want to talk; `--pdb` is looked after by pytest-xdist."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of processes, or 0 for none but this one."""
    asked = [Path(path) for path in config.option.file_or_dir]
    is_long = not asked or any(path.is_dir() and path.name not in _SHORT for path in asked)
    is_selection = config.option.capture == "no" or any(getattr(config.option, name, None) for name in _SELECTING)
    return _PER_CPU * (os.cpu_count() or 1) if is_long and not is_selection else 0
