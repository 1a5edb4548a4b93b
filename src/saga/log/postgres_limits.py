"""How workers share the limits of actions, in PostgreSQL: read, decide, and write if nobody else has meanwhile."""

from typing import Any

from psycopg.types.numeric import Int8

from ...errors import LogUnavailable
from .limit_rows import columns, held, sharing
from .limits import Grant, Need, Sharing, answered
from .postgres_session import PostgresSession
from .statements import statement

__all__ = ["PostgresLimits"]

MOST_ROUNDS = 100
"""Somebody has written in each round that fails, so all get on; a bound only for what cannot be."""


class PostgresLimits:
    """The tables of limits.

    Args:
        session: asks and writes.
    """

    def __init__(self, session: PostgresSession) -> None:
        self._session = session

    async def share(self, need: Need) -> Grant:
        """See `Log.share`. A write that is carried out late finds that the limit is at another version.

        Raises:
            LogUnavailable: no answer, or it was overtaken again and again.
        """
        for _ in range(MOST_ROUNDS):
            asked = {"limit": need.limit, "worker": need.worker}
            ((version, *row),) = await self._session.fetch(statement("postgres_share_read"), asked)
            grant, change = answered(held(*row), need)
            if change is None:
                return grant
            values = {name: _number(value) for name, value in columns(need, change).items()}
            parameters = {**values, "version": Int8(version)}
            ((is_written,),) = await self._session.fetch(statement("postgres_share_write"), parameters)
            if is_written:
                return grant
        raise LogUnavailable(f"the limit of {need.limit} changes faster than it can be read")

    async def shares(self) -> list[Sharing]:
        """See `Log.shares`."""
        return [sharing(row) for row in await self._session.fetch(statement("postgres_shares"))]


def _number(value: Any) -> Any:
    return Int8(value) if isinstance(value, int) else value
