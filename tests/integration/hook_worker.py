"""A process with hooks: says which notice it was entered for, and stays inside the hook until it is let go, or killed.

Each line that it is given lets one hook go. A second argument `go` lets all of them go at once.
"""

import asyncio
import sys

from amends.projections import Hooks, RunNotice

GO = sys.argv[2:] == ["go"]


def tell(notice: RunNotice) -> None:
    sys.stdout.write(f"{notice.idempotency_key}\n")
    sys.stdout.flush()
    if not GO:
        sys.stdin.readline()


async def main(url: str) -> None:
    async with Hooks(url, on_parked=tell, on_ended=tell, since="beginning", timeout=None):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
