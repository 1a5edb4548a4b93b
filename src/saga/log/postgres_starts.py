"""Starts in PostgreSQL that were written in somebody's own transaction, and how they get into the log."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8

from ...errors import InvalidValue
from .port import Record
from .postgres_errors import mapped
from .postgres_session import PostgresSession
from .statements import statement
from .transactions import Enlisted, Taken

__all__ = ["enlist", "settle", "take"]


async def enlist(connection: Any, start: Enlisted) -> Record | None:
    """Write a start through the caller's connection; see `Transactional.enlist`."""
    if not isinstance(connection, psycopg.AsyncConnection | psycopg.Connection):
        kind = type(connection).__qualname__
        raise InvalidValue(
            "connection", f"is a {kind}; give the psycopg connection (its AsyncConnection or Connection)"
        )
    if connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE:
        raise InvalidValue("connection", "is in autocommit mode and in no transaction; begin one first")
    run_id, saga, version, (topic, state) = start
    parameters = {"run_id": run_id, "saga": saga, "version": version, "topic": topic, "state": state}
    try:
        if isinstance(connection, psycopg.AsyncConnection):
            cursor = connection.cursor(row_factory=tuple_row)
            if await (await cursor.execute(statement("postgres_enlist"), parameters)).fetchall():
                return None
            rows = await (await cursor.execute(statement("postgres_enlisted"), parameters)).fetchall()
        else:
            rows = await asyncio.to_thread(_enlist, connection, parameters)
    except psycopg.Error as error:
        raise mapped(error) from error
    return Record(rows[0][0], bytes(rows[0][1])) if rows else None


def _enlist(connection: psycopg.Connection[Any], parameters: Mapping[str, Any]) -> list[Any]:
    cursor = connection.cursor(row_factory=tuple_row)
    if cursor.execute(statement("postgres_enlist"), parameters).fetchall():
        return []
    return cursor.execute(statement("postgres_enlisted"), parameters).fetchall()


async def take(session: PostgresSession, limit: int) -> Sequence[Taken]:
    """Move starts into the log; see `Transactional.take_starts`."""
    rows = await session.fetch(statement("postgres_take_starts"), {"limit": Int8(limit)})
    return [Taken(run_id, Record(topic, state), refused) for run_id, topic, state, refused in rows]


async def settle(session: PostgresSession, run_id: str, *, keep: bool) -> None:
    """Drop a start whose id was taken, or set it aside; see `Transactional.settle_start`."""
    name = statement("postgres_set_start_aside" if keep else "postgres_drop_start")

    async def work(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(name, {"run_id": run_id})

    await session.transact(work)
