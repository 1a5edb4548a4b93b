"""Runs that are started in their caller's own transaction: they exist if and only if that is committed."""

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from amends import Action, Call, Coordinator, InvalidValue, RunConflict, RunStatus, UnknownName
from amends.blocking import BlockingCoordinator, BlockingHandle
from amends.saga import events as e
from amends.saga.log.open import open_log
from amends.saga.log.transactions import lending
from amends.saga.moving import STARTS_AT_ONCE
from tests.integration.killed import kill_at
from tests.integration.rows import Rows, connected, insert
from tests.integration.test_transactional import a_coordinator, rest
from tests.integration.transactional_worker import saga_of
from tests.logs import opened


def a_client(url: str, add: Any) -> Coordinator:
    return a_coordinator(url, add, max_running=0)


async def commit(connection: Any) -> None:
    done = connection.commit()
    if asyncio.iscoroutine(done):
        await done


def test_a_committed_start_is_a_run_and_one_that_was_rolled_back_is_none(shared_log_url: str) -> None:
    rows = Rows(shared_log_url)
    add = rows.action()

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add) as coordinator:
            for name, commits in (("kept", True), ("dropped", False)):
                async with connected(shared_log_url) as connection:
                    await insert(connection, f"own {name}")
                    handle = await coordinator.start("adding", name, run_id=name, connection=connection)
                    with pytest.raises(UnknownName):
                        await handle.status()
                    if commits:
                        await commit(connection)
            status, events = await rest(coordinator, "kept")
            assert status is RunStatus.COMPLETED
            assert [type(event) for event in events[:2]] == [e.RunStarted, e.RunClaimed]
            with pytest.raises(UnknownName):
                await coordinator.handle("dropped").result()
            assert rows.execute("SELECT count(*) FROM amends_starts") == [(0,)]

    asyncio.run(scenario())
    assert rows.names == ["kept", "own kept"]


def test_a_committed_start_needs_no_worker_to_be_a_run(shared_log_url: str) -> None:
    """Whoever asks for it before a worker has come by moves it into the log: its status, its events, a cancel."""
    add = Rows(shared_log_url).action()

    async def scenario() -> None:
        async with a_client(shared_log_url, add) as client, connected(shared_log_url) as connection:
            for ask in ("status", "history", "cancel"):
                handle = await client.start("adding", "ada", run_id=ask, connection=connection)
                await commit(connection)
                asked = handle.cancel(by="ada", reason="a test") if ask == "cancel" else getattr(handle, ask)()
                assert await asked
            async with a_coordinator(shared_log_url, add) as worker:
                assert (await rest(worker, "status"))[0] is RunStatus.COMPLETED
                assert (await rest(worker, "cancel"))[0] is RunStatus.COMPENSATED

    asyncio.run(scenario())


def test_a_result_is_waited_for_across_the_move(shared_log_url: str) -> None:
    rows = Rows(shared_log_url)
    add = rows.action()

    async def scenario() -> None:
        async with a_client(shared_log_url, add) as client, connected(shared_log_url) as connection:
            handle = await client.start("adding", "ada", connection=connection)
            await commit(connection)
            result = asyncio.create_task(handle.result())
            async with a_coordinator(shared_log_url, add), asyncio.timeout(20):
                assert await result == "ada"

    asyncio.run(scenario())
    assert rows.names == ["ada"]


def test_the_same_start_twice_is_one_run(shared_log_url: str) -> None:
    """In one transaction, after its commit, and after the move; another input or saga is a conflict each time."""
    rows = Rows(shared_log_url)
    add = rows.action()

    async def scenario() -> None:
        async with a_client(shared_log_url, add) as client, connected(shared_log_url) as connection:
            for _ in range(2):
                for _ in range(2):
                    await client.start("adding", "ada", run_id="run", connection=connection)
                    with pytest.raises(RunConflict, match="input"):
                        await client.start("adding", "bob", run_id="run", connection=connection)
                await commit(connection)
            async with a_coordinator(shared_log_url, add) as worker:
                assert (await rest(worker))[0] is RunStatus.COMPLETED
                await worker.start("adding", "ada", run_id="run", connection=connection)
                with pytest.raises(RunConflict, match="input"):
                    await worker.start("adding", "bob", run_id="run", connection=connection)
                await commit(connection)

    asyncio.run(scenario())
    assert rows.names == ["ada"]


def test_a_start_that_comes_second_is_dropped_or_set_aside(
    shared_log_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Both were started at once, one of them without a transaction: the same is dropped, another one is set aside."""
    rows = Rows(shared_log_url)
    add = rows.action()

    async def scenario() -> None:
        async with a_client(shared_log_url, add) as client, connected(shared_log_url) as connection:
            await client.start("adding", "ada", run_id="same", connection=connection)
            await client.start("adding", "ada", run_id="other", connection=connection)
            if shared_log_url.startswith("sqlite"):
                await commit(connection)  # There, nobody else can write before.
            await client.start("adding", "ada", run_id="same")
            await client.start("adding", "bob", run_id="other")
            await commit(connection)
            async with a_coordinator(shared_log_url, add) as worker:
                assert (await rest(worker, "same"))[0] is RunStatus.COMPLETED
                assert (await rest(worker, "other"))[0] is RunStatus.COMPLETED
                async with asyncio.timeout(20):
                    while rows.execute("SELECT run_id FROM amends_starts WHERE NOT set_aside"):
                        await worker.handle("same").status()

    with caplog.at_level(logging.ERROR, "amends.starts"):
        asyncio.run(scenario())
    assert rows.execute("SELECT run_id, set_aside FROM amends_starts") == [("other", True)]
    assert rows.names == ["ada", "bob"]
    assert [record.run_id for record in caplog.records] == ["other"]  # type: ignore[attr-defined]


def test_two_who_sweep_at_once_move_each_start_once(shared_log_url: str) -> None:
    """And what one of them finds is moved, all of it, in bounded transactions."""
    add = Rows(shared_log_url).action()

    async def scenario() -> None:
        async with a_client(shared_log_url, add) as client, connected(shared_log_url) as connection:
            for n in range(30):
                await client.start("adding", f"user-{n}", run_id=f"run-{n}", connection=connection)
            await commit(connection)
            async with opened(shared_log_url) as one, opened(shared_log_url) as two:
                logs = [lending(one), lending(two)]
                taken = await asyncio.gather(*(log.take_starts(7) for log in logs * 8 if log is not None))
                moved = [start.run_id for page in taken for start in page if not start.refused]
                assert sorted(moved) == sorted(f"run-{n}" for n in range(30))
                assert max(map(len, taken)) == 7
                assert not any(start.refused for page in taken for start in page)
                claimable = await one.claimable([("adding", 1)], 100)
                assert sorted(run.run_id for run in claimable) == sorted(moved)
                for run_id in moved:
                    assert len(await one.read(run_id)) == 1

    asyncio.run(scenario())


def test_a_worker_finds_what_was_committed_without_being_asked(shared_log_url: str) -> None:
    """It is woken for it, and nobody waits for the result."""
    rows, entered = Rows(shared_log_url), asyncio.Event()

    async def note(_: Call) -> None:
        entered.set()

    add = rows.action(after=note)

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add) as worker, connected(shared_log_url) as connection:
            await worker.start("adding", "ada", connection=connection)
            await commit(connection)
            async with asyncio.timeout(20):
                await entered.wait()

    asyncio.run(scenario())
    assert rows.names == ["ada"]


def test_the_last_of_many_starts_is_found(shared_log_url: str) -> None:
    """Whoever asks for it moves all that are there, page by page."""
    add = Rows(shared_log_url).action()

    async def scenario() -> None:
        async with a_client(shared_log_url, add) as client, connected(shared_log_url) as connection:
            for n in range(STARTS_AT_ONCE + 7):
                handle = await client.start("adding", f"user-{n}", run_id=f"run-{n}", connection=connection)
            await commit(connection)
            assert await handle.status() is RunStatus.RUNNING

    asyncio.run(scenario())


@pytest.mark.parametrize("point", ["written", "committed"])
def test_a_caller_that_is_killed_leaves_both_or_neither(shared_log_url: str, point: str) -> None:
    rows = Rows(shared_log_url)
    kill_at("enlisting_worker", shared_log_url, point)

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, rows.action()) as coordinator:
            if point == "committed":
                assert (await rest(coordinator))[0] is RunStatus.COMPLETED
            else:
                with pytest.raises(UnknownName):
                    await coordinator.handle("run").result()

    asyncio.run(scenario())
    assert rows.names == (["ada", "own"] if point == "committed" else [])


def test_a_handler_starts_a_run_with_its_own_write(shared_log_url: str) -> None:
    """Through `call.connection`: the run that it starts exists if its own success is on record."""
    rows = Rows(shared_log_url)
    coordinators: list[Coordinator] = []

    async def start(call: Call) -> None:
        if call.run_id == "run":
            await coordinators[0].start("adding", "bob", run_id=f"next-{call.attempt}", connection=call.connection)
            if call.attempt == 1:
                raise ValueError("a test")

    add = rows.action(after=start)

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add) as coordinator:
            coordinators.append(coordinator)
            await coordinator.start("adding", "ada", run_id="run")
            assert (await rest(coordinator))[0] is RunStatus.COMPLETED
            assert (await rest(coordinator, "next-2"))[0] is RunStatus.COMPLETED
            with pytest.raises(UnknownName):
                await coordinator.handle("next-1").status()

    asyncio.run(scenario())
    assert rows.names == ["ada", "bob"]


def test_a_slow_caller_holds_up_nobody(postgres_url: str) -> None:
    """Other runs go from start to end while its transaction is open."""
    add = Rows(postgres_url).action()

    async def scenario() -> None:
        async with a_coordinator(postgres_url, add) as coordinator, connected(postgres_url) as connection:
            await coordinator.start("adding", "ada", run_id="slow", connection=connection)
            async with asyncio.timeout(20):
                await (await coordinator.start("adding", "bob")).result()
            await commit(connection)
            assert (await rest(coordinator, "slow"))[0] is RunStatus.COMPLETED

    asyncio.run(scenario())


def test_a_synchronous_service_starts_one_too(shared_log_url: str) -> None:
    rows = Rows(shared_log_url)
    add = rows.action()
    with BlockingCoordinator(a_coordinator(shared_log_url, add)) as coordinator:
        connection: Any
        if shared_log_url.startswith("sqlite"):
            connection = sqlite3.connect(shared_log_url.removeprefix("sqlite:///"), check_same_thread=False)
        else:
            connection = psycopg.connect(shared_log_url)
        handle: BlockingHandle[str] = coordinator.start("adding", "ada", connection=connection)
        connection.commit()
        connection.close()
        assert handle.result(timeout_seconds=20) == "ada"
    assert rows.names == ["ada"]


def test_a_connection_that_does_not_fit_is_refused(shared_log_url: str, tmp_path: Path) -> None:
    add = Rows(shared_log_url).action()

    async def scenario() -> None:
        async with a_client(shared_log_url, add) as client:
            with pytest.raises(InvalidValue, match="is a str"):
                await client.start("adding", "ada", connection="postgresql://")
            if shared_log_url.startswith("sqlite"):
                path = shared_log_url.removeprefix("sqlite:///")
                elsewhere = sqlite3.connect(tmp_path / "elsewhere.db")
                by_itself = sqlite3.connect(path, isolation_level=None)
                for connection, said in ((elsewhere, "is open on"), (by_itself, "autocommit")):
                    with pytest.raises(InvalidValue, match=said):
                        await client.start("adding", "ada", connection=connection)
                    connection.close()
            else:
                async with await psycopg.AsyncConnection.connect(shared_log_url, autocommit=True) as server:
                    with pytest.raises(InvalidValue, match="autocommit"):
                        await client.start("adding", "ada", connection=server)
                    async with server.transaction():
                        await client.start("adding", "ada", run_id="in-a-block", connection=server)
                    assert await client.handle("in-a-block").status() is RunStatus.RUNNING
        async with Coordinator("memory://", sagas=[saga_of(plain)], actions=[plain]) as coordinator:
            with pytest.raises(InvalidValue, match="memory has no transactions"):
                await coordinator.start("adding", "ada", connection=object())

    async def do(user: str) -> str:
        return user

    plain: Action[str, str] = Action("plain", do=do, irreversible=True)
    asyncio.run(scenario())
    assert lending(open_log("memory://")) is None
