"""The table of unfinished runs under load and fault: it says what the reference in memory says, and stays small."""

import asyncio
import random
import socket
import sqlite3
import time
from collections.abc import Collection
from contextlib import closing

import psycopg
import pytest

from amends.errors import LogUnavailable
from amends.saga.log import postgres_pulse
from amends.saga.log.memory import MemoryLog
from amends.saga.log.port import Claimable, Log, Standing
from amends.saga.log.postgres import PostgresLog
from amends.saga.log.sqlite import SQLiteLog
from tests.leases import is_known, let_lapse
from tests.logs import a_record, opened
from tests.postgres import execute
from tests.proxy import LostReplies

KNOWN = [("onboard", 1)]
FREE = Standing("onboard", 1)
SAGAS = [(saga, version) for saga in ("leave", "onboard", "pay") for version in (1, 2, 10)]
WORKERS = ["ada", "bob", "cleo", "dan"]
_TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'amends' AND datname = current_database()
"""


class Both:
    """A log and the reference in memory, told and asked the same."""

    def __init__(self, log: Log, url: str, seed: int) -> None:
        self.log = log
        self.url = url
        self.reference = MemoryLog(now=lambda: 0.0)
        self.random = random.Random(seed)
        self.versions: dict[str, int] = {}
        self.beating: set[str] = set()

    async def append(self, run_id: str, standing: Standing | None) -> None:
        version = self.versions.setdefault(run_id, 0)
        for log in (self.reference, self.log):
            await log.append(run_id, version, [a_record(str(version))], standing)
        self.versions[run_id] += 1

    async def turn(self) -> None:
        """Do one thing, mostly an append, to both."""
        draw = self.random
        worker = draw.choice(WORKERS)
        match draw.choices(["append", "beat", "lapse", "release"], [20, 2, 1, 1])[0]:
            case "append":
                owner = draw.choice([None, *WORKERS])
                standing = Standing(*draw.choice(SAGAS), owner, draw.random() < 0.2, draw.random() < 0.2)
                await self.append(f"run-{draw.randrange(60)}", None if draw.random() < 0.2 else standing)
            case "beat":
                for log in (self.reference, self.log):
                    pulse = log.pulse(worker, 3600)
                    pulse.beat()
                    pulse.close()
                self.beating.add(worker)
            case "lapse" if worker in self.beating:
                for log in (self.reference, self.log):
                    let_lapse(log, self.url, worker, 3601)
                self.beating.discard(worker)
            case "release":
                for log in (self.reference, self.log):
                    await log.release(worker)
                self.beating.discard(worker)

    async def answers(self, log: Log, known: Collection[tuple[str, int]], limit: int) -> list[object]:
        """What a log says to everything that it can be asked."""
        asked: list[object] = [await log.claimable(known, limit), await log.unknown(known, limit)]
        return asked + [await log.owned(worker) for worker in WORKERS]

    async def compare(self) -> list[Claimable]:
        known = self.random.sample(SAGAS, self.random.randrange(len(SAGAS)))
        limit = self.random.choice([1, 2, 5, 100])
        assert await self.answers(self.log, known, limit) == await self.answers(self.reference, known, limit)
        return await self.log.claimable(SAGAS, 100)


@pytest.mark.parametrize("seed", range(3))
def test_a_database_says_what_the_reference_in_memory_says(shared_log_url: str, seed: int) -> None:
    """300 random appends, beats, lapses and releases, and every question after each third of them."""

    async def scenario() -> None:
        async with opened(shared_log_url) as log:
            both = Both(log, shared_log_url, seed)
            await both.reference.open()
            offered = 0
            for number in range(300):
                await both.turn()
                if number % 3 == 0:
                    offered += len(await both.compare())
            assert offered > 500

    asyncio.run(scenario())


def _fill(url: str, count: int) -> None:
    """Give a live worker and a saga that nobody knows so many runs each; the ten youngest runs are free and known."""
    rows = [
        *((f"owned-{number}", "onboard", 1, "ada", False) for number in range(count)),
        *((f"foreign-{number}", "foreign", 1, None, False) for number in range(count)),
        *((f"free-{number}", "onboard", 1, None, False) for number in range(10)),
    ]
    insert = "INSERT INTO amends_runs (run_id, saga, version, owner, unwinding) VALUES "
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.executemany(insert + "(?, ?, ?, ?, ?)", rows)
    else:
        with psycopg.connect(url) as server:
            server.cursor().executemany((insert + "(%s, %s, %s, %s, %s)").encode(), rows)


def test_what_cannot_be_claimed_is_not_looked_at(shared_log_url: str) -> None:
    """Among 6,000 runs of a live worker and of a saga that nobody knows, the ten that are free are found by index."""

    async def scenario() -> None:
        async with opened(shared_log_url) as log:
            pulse = log.pulse("ada", 3600)
            pulse.beat()
            pulse.close()
            _fill(shared_log_url, 3000)
            for _ in range(10):
                assert [run.run_id for run in await log.claimable(KNOWN, 5)] == [f"free-{n}" for n in range(5)]
            assert [run.run_id for run in await log.unknown(KNOWN, 2)] == ["foreign-0", "foreign-1"]
            assert len(await log.owned("ada")) == 3000

    asyncio.run(scenario())
    if shared_log_url.startswith("sqlite"):
        return
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'amends_runs'"
    with psycopg.connect(shared_log_url) as server:
        # The sessions that have ended have reported what they read: `owned` 3,000, and each look some tens.
        ((count,),) = server.execute(read).fetchall()
        assert count < 3000 + 11 * 100


@pytest.mark.parametrize("lost", range(1, 4))
def test_a_lost_reply_changes_a_standing_once(postgres_url: str, lost: int) -> None:
    """The start, the claim or the end was stored, and nobody heard of it; the repetition changes nothing."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy, opened(proxy.url) as log, opened(postgres_url) as other:
            proxy.drop(lost)
            standings = [FREE, FREE._replace(owner="ada"), FREE._replace(owner="ada", at_rest=True)]
            for version, standing in enumerate(standings):
                await log.append("run", version, [a_record(str(version))], standing)
                assert await other.owned("ada") == ({"run"} if version == 1 else set())
            assert proxy.dropped_count == 1
            assert await other.claimable(KNOWN, 10) == []

    asyncio.run(scenario())


def test_a_claim_behind_a_lost_reply_stays(postgres_url: str) -> None:
    """While the reply to a start is lost somebody else claims the run, and the start is repeated after that."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy, opened(proxy.url) as log, opened(postgres_url) as other:
            assert await other.claimable(KNOWN, 1) == []
            proxy.drop()
            start = asyncio.create_task(log.append("run", 0, [a_record("started")], FREE))
            async with asyncio.timeout(10):
                while not await other.claimable(KNOWN, 1):
                    await other.wait_for_work(60)
            await other.append("run", 1, [a_record("claimed")], FREE._replace(owner="ada"))
            await start
            assert await log.owned("ada") == {"run"}

    asyncio.run(scenario())


def test_what_a_silent_worker_leaves_is_removed_by_the_next_that_comes(shared_log_url: str) -> None:
    """An hour after its lease has lapsed. Its runs were claimable all the time, and are."""

    async def scenario() -> None:
        async with opened(shared_log_url) as log:
            pulses = {worker: log.pulse(worker, 60) for worker in ("ada", "bob", "cleo")}
            for pulse in pulses.values():
                pulse.beat()
            await log.append("run", 0, [a_record()], FREE._replace(owner="ada"))
            let_lapse(log, shared_log_url, "ada", 3600 + 61)
            let_lapse(log, shared_log_url, "bob", 3600 + 50)
            pulses["cleo"].beat()
            assert [is_known(shared_log_url, worker) for worker in pulses] == [True, True, True]
            newcomer = log.pulse("dan", 60)
            newcomer.beat()
            assert [is_known(shared_log_url, worker) for worker in pulses] == [False, True, True]
            assert [run.lapsed for run in await log.claimable(KNOWN, 10)] == [True]
            pulses["ada"].beat()
            assert await log.claimable(KNOWN, 10) == []
            for pulse in (*pulses.values(), newcomer):
                pulse.close()

    asyncio.run(scenario())


def test_a_bell_that_the_server_takes_away_is_hung_up_again(postgres_url: str) -> None:
    """The wait ends, because nobody knows what rang meanwhile, and the next look listens again."""

    async def scenario() -> None:
        async with opened(postgres_url) as log, opened(postgres_url) as other:
            for number in range(3):
                assert len(await log.claimable(KNOWN, 10)) == number
                waiting = asyncio.create_task(log.wait_for_work(60))
                await asyncio.sleep(0.01)
                execute(postgres_url, _TERMINATE)
                async with asyncio.timeout(10):
                    await waiting
                    assert len(await log.claimable(KNOWN, 10)) == number
                    await other.append(f"run-{number}", 0, [a_record()], FREE)
                    await log.wait_for_work(60)

    asyncio.run(scenario())


def test_a_look_that_is_not_answered_ends_with_patience(postgres_url: str) -> None:
    """`claimable` says that the server is away; whoever sweeps tries again later, and what waited is let go."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy:
            log = PostgresLog(proxy.url, patience_seconds=0)
            await log.open()
            assert await log.claimable(KNOWN, 1) == []
            waiting = asyncio.create_task(log.wait_for_work(60))
            await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            await waiting
            await log.wait_for_work(60)
            for _ in range(2):
                with pytest.raises(LogUnavailable):
                    await log.claimable(KNOWN, 1)
        await log.close()

    asyncio.run(scenario())


def test_a_beat_is_made_on_a_new_connection_after_the_old_one_was_lost(postgres_url: str) -> None:
    """One beat says so, and the heart beats again soon."""

    async def scenario() -> None:
        async with opened(postgres_url) as log:
            pulse = log.pulse("ada", 60)
            for _ in range(3):
                pulse.beat()
                execute(postgres_url, _TERMINATE)
                with pytest.raises(LogUnavailable):
                    pulse.beat()
            pulse.beat()
            pulse.close()

    asyncio.run(scenario())


def test_a_beat_does_not_wait_for_a_server_that_says_nothing(postgres_url: str) -> None:
    """Behind a firewall that swallows everything, before and after the connection was made."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        log = PostgresLog(
            f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/app?sslmode=disable&connect_timeout=60"
        )
        start = time.monotonic()
        with pytest.raises(LogUnavailable):
            log.pulse("ada", 60).beat()
        assert time.monotonic() - start < postgres_pulse.BEAT_SECONDS + 1


def test_a_beat_does_not_wait_for_a_lock(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever holds the table, and however long it would."""
    monkeypatch.setattr(postgres_pulse, "BEAT_SECONDS", 0.5)

    async def scenario() -> None:
        async with opened(postgres_url) as log:
            pulse = log.pulse("ada", 60)
            pulse.beat()
            with psycopg.connect(postgres_url) as server:
                server.execute("LOCK TABLE amends_workers")
                start = time.monotonic()
                with pytest.raises(LogUnavailable):
                    pulse.beat()
                assert time.monotonic() - start < 1.5
            pulse.beat()
            pulse.close()

    asyncio.run(scenario())


def test_a_beat_does_not_wait_for_a_locked_file_for_long(sqlite_url: str) -> None:
    """And beats again when the lock is gone."""

    async def scenario() -> None:
        async with opened(sqlite_url) as log:
            assert isinstance(log, SQLiteLog)
            pulse = log.pulse("ada", 60)
            pulse.beat()
            with closing(sqlite3.connect(log.path, isolation_level=None)) as lock:
                lock.execute("BEGIN IMMEDIATE")
                start = time.monotonic()
                with pytest.raises(LogUnavailable):
                    pulse.beat()
                assert time.monotonic() - start < 3.5
            pulse.beat()
            log.path.rename(log.path.with_name("gone"))
            with pytest.raises(LogUnavailable, match="was removed"):
                pulse.beat()
            pulse.close()

    asyncio.run(scenario())
