"""What a server does to its clients: it ends their connections, turns read-only, is locked, is away."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from amends.errors import LogUnavailable
from amends.saga.log import postgres_session
from amends.saga.log.postgres import PostgresLog
from amends.saga.log.postgres_session import PostgresSession, conninfo
from tests.logs import a_record, collect, disturb, key, opened

_TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'amends' AND datname = current_database()
"""
_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'amends' AND datname = current_database() AND wait_event_type = 'Lock'
"""
_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'amends' AND datname = current_database()"

Server = psycopg.AsyncConnection[tuple[int]]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Server]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


def test_connections_that_the_server_ends_between_appends_are_made_anew(postgres_url: str) -> None:
    """Before each append, read and page; nobody notices."""

    async def scenario() -> None:
        async with opened(postgres_url) as log, connected(postgres_url) as server:
            for version in range(20):
                await server.execute(_TERMINATE)
                await log.append("run", version, [a_record(str(version))])
                await server.execute(_TERMINATE)
                assert len(await log.read("run")) == version + 1
            assert len(await collect(log, 20)) == 20

    asyncio.run(scenario())


def test_connections_that_the_server_ends_during_appends_lose_nothing(postgres_url: str) -> None:
    """500 appends of ten runs under constant fire, with a follower: each event is there once, and followed once."""

    async def scenario() -> None:
        async with opened(postgres_url) as log, connected(postgres_url) as server:
            shots, appends = 0, 0

            async def shoot() -> None:
                nonlocal shots
                cursor = await server.execute(_TERMINATE)
                shots += (await cursor.fetchall())[0][0]

            async def run(name: str) -> None:
                nonlocal appends
                for version in range(50):
                    await log.append(name, version, [a_record(f"{name} {version}")])
                    appends += 1

            live = asyncio.create_task(collect(log, 500))
            firing = asyncio.create_task(disturb(shoot, lambda: appends, 0.05))
            await asyncio.gather(*(run(f"run-{number}") for number in range(10)))
            firing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await firing
            assert shots > 0
            seen = sorted(key(notification) for notification in await live)
            assert seen == sorted(
                (name, version + 1, *a_record(f"{name} {version}"))
                for name in (f"run-{number}" for number in range(10))
                for version in range(50)
            )

    asyncio.run(scenario())


def test_a_read_only_server_is_waited_for(postgres_url: str) -> None:
    """25006 is what a failover looks like; it is an InternalError, which the library does not repeat (trap V8)."""

    async def scenario() -> None:
        async with opened(postgres_url) as log, connected(postgres_url) as server:
            database = server.info.dbname
            await server.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on'.encode())
            await server.execute(_TERMINATE)
            append = asyncio.create_task(log.append("run", 0, [a_record()]))
            await asyncio.wait([append], timeout=0.3)
            assert not append.done()
            await server.execute("SET default_transaction_read_only = off")
            await server.execute(f'ALTER DATABASE "{database}" RESET default_transaction_read_only'.encode())
            await append
            assert await log.read("run") == [a_record()]

    asyncio.run(scenario())


@pytest.mark.parametrize("read_only", [True, False])
def test_patience_ends(postgres_url: str, read_only: bool) -> None:
    """Then the caller is told that nobody knows; the log can be used again when the server can."""

    async def scenario() -> None:
        log = PostgresLog(postgres_url, patience_seconds=0.2)
        await log.open()
        async with connected(postgres_url) as server:
            database = server.info.dbname
            setting = "default_transaction_read_only = on" if read_only else "lock_timeout = 1"
            await server.execute(f'ALTER DATABASE "{database}" SET {setting}'.encode())
            await server.execute(_TERMINATE)
            async with server.transaction():
                await server.execute("SET TRANSACTION READ WRITE")
                await server.execute("LOCK TABLE stored_events IN EXCLUSIVE MODE")
                with pytest.raises(LogUnavailable):
                    await log.append("run", 0, [a_record()])
            await server.execute("SET default_transaction_read_only = off")
            await server.execute(f'ALTER DATABASE "{database}" RESET ALL'.encode())
            await server.execute(_TERMINATE)
            await log.append("run", 0, [a_record()])
        await log.close()

    asyncio.run(scenario())


def test_an_append_gives_way_to_a_lock_and_is_repeated(postgres_url: str) -> None:
    """The library's writers may hold their table lock for longer than our `lock_timeout` of 2 s."""

    async def scenario() -> None:
        async with opened(postgres_url) as log, connected(postgres_url) as server, connected(postgres_url) as watcher:
            async with server.transaction():
                await server.execute("LOCK TABLE stored_events IN EXCLUSIVE MODE")
                append = asyncio.create_task(log.append("run", 0, [a_record()]))
                waiting = set[int]()
                while len(waiting) < 2:  # a second connection waits, so the first has given up
                    await asyncio.sleep(0.05)
                    waiting |= {pid for (pid,) in await (await watcher.execute(_WAITING)).fetchall()}
            await append
            assert await log.read("run") == [a_record()]

    asyncio.run(scenario())


def test_cancelled_reads_leak_no_connection(postgres_url: str) -> None:
    """Two hundred of them, at every stage; one connection writes, one reads."""

    async def scenario() -> None:
        async with opened(postgres_url) as log, connected(postgres_url) as server:
            await log.append("run", 0, [a_record("x" * 10_000)] * 50)
            for number in range(200):
                read = asyncio.create_task(log.read("run"))
                for _ in range(number % 10):
                    await asyncio.sleep(0)
                read.cancel()
                await asyncio.wait([read])
            assert len(await log.read("run")) == 50
            await _all_gone(server, left=2)

    asyncio.run(scenario())


def test_a_closed_log_leaves_no_connection(postgres_url: str) -> None:
    """Those of followers included."""

    async def scenario() -> None:
        async with connected(postgres_url) as server:
            async with opened(postgres_url) as log:
                await log.append("run", 0, [a_record()])
                pages = log.follow()
                await anext(pages)
            assert [page async for page in pages] == []
            await _all_gone(server)

    asyncio.run(scenario())


def test_a_server_that_is_away_is_named_without_the_password() -> None:
    """Neither in the error nor in what caused it."""

    async def scenario() -> None:
        log = PostgresLog("postgresql://ada:hunter2@127.0.0.1:1/app", patience_seconds=0)
        with pytest.raises(LogUnavailable) as caught:
            await log.open()
        error: BaseException | None = caught.value
        while error is not None:
            assert "hunter2" not in repr(error)
            error = error.__cause__ or error.__context__

    asyncio.run(scenario())


def test_a_follower_is_woken_by_a_notification(postgres_url: str) -> None:
    """Here it would otherwise look again only after an hour; another log has written."""

    async def scenario() -> None:
        log = PostgresLog(postgres_url, poll_seconds=3600)
        await log.open()
        async with opened(postgres_url) as writer:
            live = asyncio.create_task(collect(log, 20, seconds=10))
            for version in range(20):
                await writer.append("run", version, [a_record()])
            assert len(await live) == 20
        await log.close()

    asyncio.run(scenario())


def test_a_first_start_of_many_needs_no_second_try(postgres_url: str) -> None:
    """Whoever comes second waits for the first instead of failing beside it (trap V4); nobody has any patience here."""

    async def scenario() -> None:
        logs = [PostgresLog(postgres_url, patience_seconds=0) for _ in range(12)]
        await asyncio.gather(*(log.open() for log in logs))
        await asyncio.gather(*(log.close() for log in logs))

    asyncio.run(scenario())


def test_a_query_that_stays_unanswered_is_cut_off(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the server would take, and without asking it; the next query has a new connection."""
    monkeypatch.setattr(postgres_session, "_REPLY_SECONDS", 0.3)

    async def scenario() -> None:
        session = PostgresSession(conninfo(postgres_url))
        async with asyncio.timeout(2):
            with pytest.raises(LogUnavailable):
                await session.fetch("SELECT pg_sleep(4)")
            assert await session.fetch("SELECT 1") == [(1,)]
        await session.close()

    asyncio.run(scenario())


def test_a_server_that_accepts_and_says_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a firewall that swallows everything."""
    monkeypatch.setattr(postgres_session, "_REPLY_SECONDS", 0.2)

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/app?sslmode=disable"
            async with asyncio.timeout(2):
                with pytest.raises(LogUnavailable, match="did not answer"):
                    await PostgresLog(url, patience_seconds=0).open()

    asyncio.run(scenario())


def test_an_append_is_planned_by_index_however_the_table_grows(postgres_url: str) -> None:
    """A connection that began on an empty table must not keep a plan that scans it: 20,000 rows later it is as fast."""

    async def scenario() -> None:
        async with connected(postgres_url) as server:
            async with opened(postgres_url) as log:
                for version in range(20):
                    await log.append("run", version, [a_record()])
                for batch in range(20):
                    await log.append(f"bulk-{batch}", 0, [a_record()] * 1000)
                for version in range(20, 40):
                    await log.append("run", version, [a_record()])
                assert len(await log.read("run")) == 40
            await _all_gone(server)
            scanned = "SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables"
            assert (await (await server.execute(scanned)).fetchall())[0][0] < 20_000

    asyncio.run(scenario())


async def _all_gone(server: Server, left: int = 0) -> None:
    """Wait until the server, too, has noticed that our connections were closed."""
    async with asyncio.timeout(10):
        while (await (await server.execute(_COUNT)).fetchall())[0][0] > left:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
