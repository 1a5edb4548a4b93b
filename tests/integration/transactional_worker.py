"""A worker that says when it has come to a point of a transactional step, and then stops there, to be killed."""

import asyncio
import sys
from typing import Any

from amends import Coordinator, Run, Saga
from amends.saga.log.postgres_transactions import PostgresTransaction
from amends.saga.log.sqlite_transactions import SQLiteTransaction
from tests.integration.rows import Rows

POINTS = ["entered", "written", "appended", "committed"]


async def _stop(point: str) -> None:
    sys.stdout.write(f"{point}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def saga_of(add: Any) -> Saga[str, str]:
    """Return a saga of this one action."""

    async def body(run: Run, user: str) -> str:
        return str(await run.do(add, user))

    return Saga("adding", version=1, function=body)


async def _serve(url: str, point: str) -> None:
    async def stop(_: object) -> None:
        await _stop(point)

    def stopping(kind: Any) -> None:
        commit = kind.commit

        async def stopped(transaction: Any) -> None:
            if point == "committed":
                await commit(transaction)
            await _stop(point)

        kind.commit = stopped

    if point in ("appended", "committed"):
        stopping(PostgresTransaction)
        stopping(SQLiteTransaction)
    add = Rows(url).action(before=stop if point == "entered" else None, after=stop if point == "written" else None)
    saga = saga_of(add)
    async with Coordinator(url, sagas=[saga], actions=[add], lease_seconds=1) as coordinator:
        await coordinator.start(saga, "ada", run_id="run")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2]))
