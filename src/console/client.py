"""How a command reaches the runs of a log that is there already: through a coordinator that hosts nothing."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import InvalidName
from .arguments import DEFAULT_URL

if TYPE_CHECKING:
    from ..saga.coordinator import Coordinator


@asynccontextmanager
async def client_of(arguments: argparse.Namespace) -> "AsyncIterator[Coordinator]":
    """Open a client on the log that the arguments name.

    Raises:
        InvalidName: there is no such log; a command that looks must not make one.
        LogUnavailable: the database does not answer.
        SchemaMismatch: its tables are of another shape.
    """
    from ..saga.coordinator import Coordinator

    async with Coordinator(existing_url(arguments.url), max_running=0) as coordinator:
        yield coordinator


def existing_url(url: str | None) -> str:
    """Return the URL of a log that may hold something.

    Raises:
        InvalidName: it is in the memory of some process, or a file that is not there.
    """
    from ..saga.log.memory import MemoryLog
    from ..saga.log.open import open_log
    from ..saga.log.sqlite import SQLiteLog

    url = url or DEFAULT_URL
    log = open_log(url)
    if isinstance(log, MemoryLog):
        raise InvalidName("a log in memory is seen by its own process only; give --url or AMENDS_URL")
    if isinstance(log, SQLiteLog) and not log.path.exists():
        raise InvalidName(f"there is no log in {log.path}; give --url or AMENDS_URL")
    return url
