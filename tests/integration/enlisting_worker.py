"""A process that starts a run in a transaction of its own, and stops before or after its commit, to be killed."""

import asyncio
import sys
from typing import Any

from amends import Coordinator
from tests.integration.rows import Rows, connected, insert
from tests.integration.transactional_worker import saga_of


async def _serve(url: str, point: str) -> None:
    add: Any = Rows(url).action()
    saga = saga_of(add)
    async with (
        Coordinator(url, sagas=[saga], actions=[add], max_running=0) as coordinator,
        connected(url) as connection,
    ):
        await coordinator.start(saga, "ada", run_id="run", connection=connection)
        await insert(connection, "own")
        if point == "committed":
            done = connection.commit()
            if asyncio.iscoroutine(done):
                await done
        sys.stdout.write(f"{point}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2]))
