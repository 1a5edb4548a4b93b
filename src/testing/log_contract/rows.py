"""Rows of the user's own, beside a log: what the contract of transactional logs writes and looks at."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ...saga.log.port import Log
from ...saga.log.transactions import Transactional, lending

__all__ = ["MakeRows", "Rows", "lent_by"]


class Rows(Protocol):
    """A table of the user's, in the log's own database, and whoever uses it. You write it for your database."""

    async def add(self, connection: Any, text: str) -> None:
        """Write a row through a connection, in whatever transaction is open on it.

        Args:
            connection: one that was lent by the log, for async or for plain functions; or one of `connected`.
            text: what to write.
        """
        ...

    async def seen(self) -> list[str]:
        """Return the rows that are committed, in any order, as somebody sees them who has no part in anything."""
        ...

    def connected(self) -> AbstractAsyncContextManager[Any]:
        """Yield a connection as a service of yours would have one, with a transaction open on it or about to be.

        What was not committed when it is left is rolled back.
        """
        ...

    async def commit(self, connection: Any) -> None:
        """Commit what was written through a connection of `connected`; the next write begins another transaction."""
        ...


MakeRows = Callable[[], Rows]
"""Returns the rows beside the log of one test; the table is there and empty."""


def lent_by(log: Log) -> Transactional:
    """Return the log as one that lends transactions; an assertion fails if it is none."""
    found = lending(log)
    assert found is not None, f"{log!r} lacks a verb of `Transactional`"
    return found
