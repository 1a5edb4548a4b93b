"""Makes the tables in PostgreSQL what this code knows, or says why it will not."""

from collections.abc import Sequence
from functools import partial

from ...errors import SchemaMismatch
from .postgres_session import Connection, PostgresSession
from .schema import due, migrations
from .statements import statement

__all__ = ["migrate"]

_COLUMNS = ["originator_id text", "originator_version bigint", "topic text", "state bytea", "notification_id bigint"]

_ELSEWHERE = (
    "give amends another database, or a schema of its own: CREATE SCHEMA amends, and add "
    "?options=-csearch_path%3Damends to the URL"
)


async def migrate(session: PostgresSession, *, asked: bool) -> Sequence[int]:
    """Apply what is missing, in one transaction, and return the versions that were applied; see `schema.due`.

    It looks before it writes: a role that may not create anything can use what another has created.

    Raises:
        LogUnavailable: the server does not answer.
        SchemaMismatch: the tables are of another shape, or of a version that this code does not work with.
    """
    found = await session.transact(_version)
    if not due(found, migrations("postgres"), asked=asked):
        return []
    return await session.transact(partial(_apply, asked=asked))


async def _version(connection: Connection) -> int:
    ((columns, has_version),) = await (await connection.execute(statement("postgres_shape"))).fetchall()
    if columns:
        _check(columns)
    if not has_version:
        return 0
    ((version,),) = await (await connection.execute(statement("postgres_version"))).fetchall()
    return int(version)


async def _apply(connection: Connection, *, asked: bool) -> Sequence[int]:
    await connection.execute(statement("postgres_migrating"))
    missing = due(await _version(connection), migrations("postgres"), asked=asked)
    for migration in missing:
        await connection.execute(migration.script, prepare=False)
    return [migration.version for migration in missing]


def _check(columns: Sequence[str]) -> None:
    if list(columns) == _COLUMNS:
        return
    if "originator_id uuid" in columns:
        reason = "has uuid originator ids, so it belongs to another application of the eventsourcing library"
    else:
        reason = "has other columns"
    raise SchemaMismatch(f"the table stored_events {reason}; {_ELSEWHERE}")
