"""The databases that are measured: memory, SQLite on disk, and a PostgreSQL server that waits for its disk."""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.postgres import fresh_database, running_server

STORES = ("memory", "SQLite", "PostgreSQL")

Fresh = Mapping[str, Callable[[], str]]
"""Of each store, what makes a new, empty database in it and returns its URL."""


@contextmanager
def stores() -> Iterator[Fresh]:
    """Yield what makes databases; all of them are gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amends-bench-")))
        server = stack.enter_context(running_server(fsync=True))
        databases = stack.enter_context(ExitStack())
        numbers = itertools.count()
        yield {
            "memory": lambda: "memory://",
            "SQLite": lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}",
            "PostgreSQL": lambda: databases.enter_context(fresh_database(server)),
        }
