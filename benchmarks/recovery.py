"""How soon a run goes on after its worker was killed, and how a worker starts when very many runs wait.

1. Recovery: a worker is killed inside a handler, and another one, which is idle, takes the run over. Measured from the
   kill to the next entry into a handler, for several lengths of the lease (scoreboard S15: p99 below lease + 2 s).
2. A hundred thousand unfinished runs (ten thousand in the short form), left by a worker that is gone: from the start
   of a worker's process to its first claim, and the most memory it ever had while it worked for a few seconds
   (S16: 2 s, 300 MB).

Back of the envelope: a lease is renewed every quarter of it, so when its owner is killed it lasts another 0.75 to 1
lease. The others look three times a lease: up to a third of a lease later. Then come some questions, one read and one
append, a few milliseconds each. Expect 0.75 to 1.4 leases, so for short leases far less than lease + 2 s.

A hundred thousand rows are not read: `claimable` is answered from an index, 50 at a time. Opening takes 0.1 s, the
first claim some milliseconds more. Expect 0.3 s and 60 MB, most of it Python and pydantic.

`python -m benchmarks.recovery [SQLITE_OR_POSTGRES]`
"""

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from amends.saga import events as e
from amends.saga.codec import DEFAULT_PAYLOAD_LIMIT_BYTES, EventCodec
from amends.saga.log.open import open_log
from amends.saga.log.port import Standing
from benchmarks.tools.rounds import form
from tests.campaign.crew import Crew
from tests.campaign.ledger import At, Ledger, Line, Tail
from tests.campaign.trips import Agency, Leg
from tests.campaign.watch import Watch, watching
from tests.campaign.worker import Post
from tests.postgres import fresh_database, running_server

LEASES = form((1.0,), (0.5, 1.0, 2.0))
KILLS = form(8, 40)
WAITING_RUNS = form(10_000, 100_000)
RUNS_A_BATCH = 500
WORK_SECONDS = 5.0


async def recovery(url: str, directory: Path, lease_seconds: float) -> list[float]:
    """Return the seconds from each kill to the next entry into the run's handler."""
    post = Post(url, directory / f"ledger-{lease_seconds}", directory / "complaints", lease_seconds)
    tail = Tail(post.ledger)
    found = []
    ledger = Ledger(post.ledger)
    async with Agency(ledger).coordinator(url, max_running=0) as client, watching(client) as watch:
        with Crew(post) as crew:
            crew.hire()
            crew.hire()
            for number in range(KILLS):
                run_id = f"lease-{lease_seconds}-{number}"
                await client.start("invoke:book", Leg(hold_seconds=60).model_dump(), run_id=run_id, here=False)
                first = await _entered(watch, tail, run_id, 1)
                # The next heartbeat is at some point of its rhythm.
                await asyncio.sleep(lease_seconds / 4 * (number % 8) / 8)
                killed_at = time.time_ns()
                crew.kill(next(hand for hand in crew.hands if hand.pid == first.pid))
                second = await _entered(watch, tail, run_id, 2)
                found.append((second.at_ns - killed_at) / 1e9)
                crew.hire()
    ledger.close()
    return sorted(found)


async def _entered(watch: Watch, tail: Tail, run_id: str, attempt: int) -> Line:
    """Wait for an entry into a run's handler."""
    wanted = (At.ENTER, run_id, attempt)
    lines: list[Line] = []

    def is_there() -> bool:
        lines.extend(line for line in tail.read() if (line.at, line.run_id, line.attempt) == wanted)
        return bool(lines)

    assert await watch.until(is_there, 60, look_seconds=0.005)
    return lines[0]


async def fill(url: str, count: int) -> None:
    """Leave so many runs that were claimed by a worker that is gone, each with an attempt under way."""
    log = open_log(url)
    codec = EventCodec.from_environment(DEFAULT_PAYLOAD_LIMIT_BYTES)
    await log.open()
    async with Agency(Ledger(Path("/dev/null"))).coordinator("memory://") as memory:
        handle = await memory.start("invoke:book", Leg(), run_id="model")
        await handle.result()
        model = [event for event in await handle.history() if not isinstance(event, e.ActionSucceeded | e.RunCompleted)]
    records = [codec.encode(event) for event in model]
    standing = Standing("invoke:book", 1, owner="gone")
    for first in range(0, count, RUNS_A_BATCH):
        batch = range(first, min(count, first + RUNS_A_BATCH))
        await asyncio.gather(*(log.append(f"waiting-{number}", 0, records, standing) for number in batch))
    await log.close()


async def many(url: str, directory: Path) -> tuple[float, float, int]:
    """Return the seconds to the first entry, the most memory in MB, and the runs that were ended meanwhile."""
    post = Post(url, directory / "ledger-many", directory / "complaints", 15.0, drain_seconds=1.0, max_running=1_000)
    tail = Tail(post.ledger)
    with Crew(post) as crew:
        crew.hire()  # The warm process is made for the first one.
        crew.dismiss()
        tail.read()
        began = time.time_ns()
        hand = crew.hire()
        entered: list[int] = []
        while not entered:
            entered = [line.at_ns for line in tail.read() if line.at is At.ENTER and line.pid == hand.pid]
            await asyncio.sleep(0.002)
        await asyncio.sleep(WORK_SECONDS)
        most = _most_kilobytes(hand.pid)
        ended = sum(line.at is At.EXIT for line in tail.read())
    return (entered[0] - began) / 1e9, most / 1024, ended


def _most_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def report(url: str, directory: Path) -> None:
    for lease_seconds in LEASES:
        found = asyncio.run(recovery(url, directory, lease_seconds))
        median, p99 = found[len(found) // 2], found[math.ceil(len(found) * 0.99) - 1]
        verdict = "held" if p99 <= lease_seconds + 2 else "BROKEN"
        print(
            f"  lease {lease_seconds:4.1f} s   median {median:5.2f} s   p99 {p99:5.2f} s   n={len(found)}"
            f"   S15 (lease + 2 s) {verdict}"
        )
    began = time.monotonic()
    asyncio.run(fill(url, WAITING_RUNS))
    print(f"  {WAITING_RUNS:,} unfinished runs written in {time.monotonic() - began:.0f} s")
    seconds, megabytes, ended = asyncio.run(many(url, directory))
    verdict = "held" if seconds <= 2 and megabytes <= 300 else "BROKEN"
    print(f"  first handler entered after {seconds:.2f} s, at most {megabytes:.0f} MB   S16 (2 s, 300 MB) {verdict}")
    print(f"  {ended / WORK_SECONDS:,.0f} attempts a second afterwards")


@contextmanager
def databases(names: list[str]) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        urls = {}
        if "sqlite" in names:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="amends-bench-"))
            urls["sqlite"] = f"sqlite:///{directory}/log.db"
        if "postgres" in names:
            server = stack.enter_context(running_server(fsync=True))
            urls["postgres"] = stack.enter_context(fresh_database(server))
        yield urls


def main() -> None:
    with (
        databases(sys.argv[1:] or ["sqlite", "postgres"]) as urls,
        tempfile.TemporaryDirectory(prefix="amends-bench-") as directory,
    ):
        for name, url in urls.items():
            print(f"{name}:")
            Path(directory, name).mkdir()
            report(url, Path(directory, name))


if __name__ == "__main__":
    main()
