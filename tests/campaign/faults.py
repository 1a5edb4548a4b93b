"""The makers of faults. Each goes on until it has made so many, and leaves the siege to heal."""

import asyncio
import signal
from collections.abc import Callable

import psycopg

from tests.campaign.crew import Hand
from tests.campaign.siege import Siege, pause
from tests.proxy import LostReplies

__all__ = ["continue_zombies", "kill_workers", "lose_replies", "restart_server", "terminate_backends"]

STOP_LEASES = 6
"""A stopped worker goes on after so many leases at the latest: on SQLite it may hold the lock that all need."""


async def kill_workers(siege: Siege, kills: int, runs: int, inside_undo: int, *, mean_seconds: float = 0.09) -> None:
    """Kill a worker at random times, some times preferring one that is inside an undo, and hire another."""
    counts = siege.totals.counts
    while counts["kills"] < kills or counts["kills inside compensation"] < inside_undo or siege.started_count < runs:
        await siege.top_up()
        await pause(siege, mean_seconds)
        siege.read_ledger()
        undoing = [hand for hand in siege.crew.hands if siege.is_undoing(hand)]
        preferred = undoing if undoing and siege.chance.random() < 0.3 else siege.crew.hands
        siege.kill(siege.chance.choice(preferred))
        siege.hire()


async def continue_zombies(siege: Siege, zombies: int, *, at_once: int = 3) -> None:
    """Stop workers until others have taken their runs, then let them go on. `at_once` stay away at the same time."""
    stopped: dict[Hand, asyncio.Task[None]] = {}
    while siege.totals.counts["zombies"] < zombies:
        await siege.top_up()
        await pause(siege, 0.05)
        siege.read_ledger()
        stopped = {hand: task for hand, task in stopped.items() if not task.done()}
        busy = [hand for hand in siege.crew.hands if hand not in stopped and _has_runs(siege, hand)]
        if busy and len(stopped) < at_once:
            hand = siege.chance.choice(busy)
            stopped[hand] = asyncio.create_task(_stop(siege, hand))
    await asyncio.gather(*stopped.values())


def _has_runs(siege: Siege, hand: Hand) -> bool:
    return bool(siege.watch.owned(siege.workers.get(hand.pid, "?")))


async def _stop(siege: Siege, hand: Hand) -> None:
    worker = siege.workers[hand.pid]
    hand.signal(signal.SIGSTOP)
    had = siege.watch.owned(worker)
    first_only = siege.chance.random() < 0.3

    def is_taken() -> bool:
        left = siege.watch.owned(worker) & had
        return len(left) < len(had) if first_only else not left

    limit_seconds = STOP_LEASES * siege.crew.post.lease_seconds
    # Some of what it had may end by its own last append, which the watch sees late; what counts is a foreign claim.
    taken = await siege.watch.until(is_taken, limit_seconds)
    if taken and any(siege.watch.owners[run_id] != worker for run_id in had):
        siege.totals.counts["zombies"] += 1
    siege.ledger.continued(hand.pid)
    hand.signal(signal.SIGCONT)


async def terminate_backends(siege: Siege, url: str, count: int, *, mean_seconds: float = 0.08) -> None:
    """Have the server end one of the connections to this database, at random times."""
    statement = (
        b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        b"AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
    )
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while siege.totals.counts["terminated backends"] < count:
            await siege.top_up()
            await pause(siege, mean_seconds)
            cursor = await connection.execute(statement)
            siege.totals.counts["terminated backends"] += len(await cursor.fetchall())


async def restart_server(siege: Siege, restart: Callable[[], None], count: int, *, mean_seconds: float = 1.0) -> None:
    """Restart the server without any warning, at random times."""
    while siege.totals.counts["restarts"] < count:
        await siege.top_up()
        ended = sum(len(events) for events in siege.watch.events.values())
        await siege.watch.until(lambda: sum(map(len, siege.watch.events.values())) > ended + 50, 10)  # noqa: B023
        await pause(siege, mean_seconds)
        await asyncio.to_thread(restart)
        siege.totals.counts["restarts"] += 1


async def lose_replies(siege: Siege, proxy: LostReplies, count: int) -> None:
    """Lose the reply to one append in four or so."""
    while proxy.dropped_count < count:
        await siege.top_up()
        proxy.drop(siege.chance.randint(1, 6))
        before = proxy.dropped_count
        await siege.watch.until(lambda: proxy.dropped_count > before, 1)  # noqa: B023 - used at once
    siege.totals.counts["lost replies"] = proxy.dropped_count
