"""A process that rebuilds projections until it has done so, or is killed.

Says a line after each batch. Its batches are small, so that there are many moments to die in.
"""

import asyncio
import sys

from amends.projections import Audit, RebuildProgress, postgres, rebuild, rebuilding, sqlite
from tests.integration.test_projections import Seen


def say(progress: RebuildProgress) -> None:
    sys.stdout.write(f"{progress.position} {progress.swapped}\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    for projection in (Seen(), Audit()):
        await rebuild(url, projection, progress=say)


if __name__ == "__main__":
    for module in (sqlite, postgres):
        setattr(module, "PAGE_COUNT", 40)  # noqa: B010 - it is another module's
    rebuilding.ROWS_A_BATCH = 40
    asyncio.run(main(sys.argv[1]))
