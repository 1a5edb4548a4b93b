"""Who has which unfinished run, in PostgreSQL: the questions of those who look for work, and the bell that wakes them.

What a run's standing is comes with the events, in `postgres.py`; this module reads it, and gives runs up.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8

from ...errors import LogUnavailable
from .dues import microseconds, moment
from .pages import holding_of, queue_of
from .port import FOR_EVER, Claimable, Holding, Queue
from .postgres_session import PostgresSession
from .slots import SHOWN_RUNS
from .statements import statement

__all__ = ["PostgresRoster"]

_RELEASED_AT_ONCE = 1000
"""How many runs are given up in one transaction, which holds up every append to the log."""


class PostgresRoster:
    """The table of unfinished runs.

    Args:
        session: asks and releases.
        bell: a session that listens to `postgres_listen_work`, used for nothing else.
    """

    def __init__(self, session: PostgresSession, bell: PostgresSession) -> None:
        self._session = session
        self._bell = bell

    async def claimable(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """See `Log.claimable`. Whatever rings from here on ends the next `wait`."""
        await self._bell.connect()
        return await self._free(known, limit, wanted=True)

    async def unknown(self, known: Collection[tuple[str, int]], limit: int) -> list[Claimable]:
        """See `Log.unknown`."""
        return await self._free(known, limit, wanted=False)

    async def owned(self, worker: str) -> set[str]:
        """See `Log.owned`."""
        return {run_id for (run_id,) in await self._session.fetch(statement("postgres_owned"), {"worker": worker})}

    async def rung(self, worker: str) -> Mapping[str, int]:
        """See `Log.rung`."""
        return dict(await self._session.fetch(statement("postgres_rung"), {"worker": worker}))

    async def holding(self, run_id: str) -> Holding:
        """See `Log.holding`."""
        return holding_of(await self._session.fetch(statement("postgres_holding"), {"run_id": run_id}))

    async def queues(self, limit: int) -> list[Queue]:
        """See `Log.queues`."""
        asked = {"limit": Int8(limit), "run_limit": Int8(SHOWN_RUNS)}
        return [queue_of(row) for row in await self._session.fetch(statement("postgres_queues"), asked)]

    async def wake(self, now: datetime, limit: int) -> datetime | None:
        """See `Log.wake`."""
        parameters = {"now": Int8(microseconds(now)), "limit": Int8(limit), "for_ever": Int8(microseconds(FOR_EVER))}
        ((due_at,),) = await self._session.fetch(statement("postgres_wake"), parameters)
        return None if due_at is None else moment(due_at)

    async def release(self, worker: str) -> None:
        """See `Log.release`."""
        parameters = {"worker": worker, "limit": Int8(_RELEASED_AT_ONCE)}
        released_count = _RELEASED_AT_ONCE
        while released_count == _RELEASED_AT_ONCE:
            ((released_count,),) = await self._session.fetch(statement("postgres_release"), parameters)

    async def wait(self, seconds: float) -> None:
        """See `Log.wait_for_work`. A bell that was lost may have rung unheard, so that ends the wait as well."""
        if not self._bell.is_connected:
            return
        try:
            await self._bell.wait_for_news(seconds)
        except LogUnavailable:
            return

    async def _free(self, known: Collection[tuple[str, int]], limit: int, *, wanted: bool) -> list[Claimable]:
        parameters: Mapping[str, Any] = {
            "sagas": [saga for saga, _ in known],
            "versions": [Int8(version) for _, version in known],
            "known": wanted,
            "limit": Int8(limit),
        }
        rows = await self._session.fetch(statement("postgres_claimable"), parameters)
        return [Claimable(*row) for row in rows]
