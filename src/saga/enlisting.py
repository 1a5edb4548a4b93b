"""Starts a run inside the caller's own transaction: it exists if and only if the caller commits.

A start lies in a table of its own until then, because whoever appends to the log holds its lock until the commit, and
a caller that is slow to commit would hold up every run (decision record 031). `moving.py` does the rest.
"""

from typing import Any

from ..errors import InvalidValue
from .events import RunStarted
from .host import Host
from .log.transactions import Enlisted, lending
from .sameness import check_same
from .state import fold

__all__ = ["enlist"]


async def enlist(host: Host, connection: Any, run_id: str, started: RunStarted) -> str | None:
    """Write a start through `connection`, or find that there is one already, or such a run; returns its trace.

    Raises:
        RunConflict: the id is taken by another saga or another input.
        InvalidValue: the connection is of another kind, is open on something else, or would commit by itself.
        LogUnavailable: the database does not answer.
        SchemaMismatch: where the connection leads there is no table of starts.
    """
    log = lending(host.log)
    if log is None:
        raise InvalidValue("connection", f"{host.log!r} has no transactions; leave it out")
    # Not by way of `Runs`, which might write: on SQLite the caller's own transaction may have locked the file.
    records = await host.log.read(run_id)
    if not records:
        record = host.codec.encode(started)
        there = await log.enlist(connection, Enlisted(run_id, started.saga, started.saga_version, record))
        if there is None:
            return started.trace
        records = [there]
    state = fold(run_id, map(host.codec.decode, records))
    check_same(run_id, state, started)
    return state.trace
