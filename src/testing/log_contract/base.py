"""What the parts of the contract have in common: how they come by the log that is held to it.

Knows no log. Whoever derives a test class from a part says how its log is made, and what cannot be asked of it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from ...saga.log.port import Log
from .records import opened

__all__ = ["ContractBase", "LetLapse", "MakeLog"]

MakeLog = Callable[[], Log]
"""Returns a log that is not open yet: each time a new object, and all of one test on the same storage."""

LetLapse = Callable[[Log, str, float], None]
"""`let_lapse(log, worker, seconds)` makes the last beat of a worker so many seconds older than it is."""


class ContractBase:
    """Where the tests get their logs from.

    Attributes:
        shared_storage: several objects can open one storage, as several processes would. Set it to False for a log
            whose records live and die with the object; the tests that need two are then skipped.
    """

    shared_storage: ClassVar[bool] = True

    @pytest.fixture
    def make_log(self) -> MakeLog:
        """Return what makes a log; define this fixture in your class.

        The storage must be empty when a test begins. The log must not be open yet.
        """
        name = type(self).__name__
        pytest.fail(f"{name} needs a fixture `make_log` that returns a function without arguments", pytrace=False)

    @pytest.fixture
    def let_lapse(self) -> LetLapse | None:
        """Return what makes a worker's last beat older than it is, in the log's own storage.

        Without it the one test that needs it is skipped; that a lease of no length lapses at once is always tested.
        """
        return None

    @pytest.fixture
    def make_shared_log(self, make_log: MakeLog) -> MakeLog:
        """Return `make_log`, or skip the test for a log whose storage only one object can open."""
        if not self.shared_storage:
            pytest.skip(f"{type(self).__name__}.shared_storage is False: only one object can open the storage")
        return make_log

    @asynccontextmanager
    async def two_logs(self, make_log: MakeLog) -> AsyncIterator[tuple[Log, Log]]:
        """Yield two open logs on one storage; one twice where the storage is not shared."""
        async with opened(make_log()) as log:
            if not self.shared_storage:
                yield log, log
                return
            async with opened(make_log()) as other:
                yield log, other
