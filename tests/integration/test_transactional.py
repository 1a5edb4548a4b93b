"""Transactional actions: what a handler wrote is there exactly if its success is on record, whatever happens when."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from amends import (
    Action,
    Call,
    Coordinator,
    DefinitionError,
    LogUnavailable,
    Run,
    RunFailed,
    RunStatus,
    Saga,
)
from amends.saga import events as e
from amends.saga.log.open import open_log
from amends.saga.log.port import Standing
from amends.saga.log.postgres_transactions import PostgresTransaction
from amends.saga.log.sqlite_lent import LentConnection
from amends.testing import Scenario
from tests.integration.killed import kill_at
from tests.integration.rows import Rows, insert
from tests.integration.transactional_worker import POINTS, saga_of
from tests.proxy import LostReplies
from tests.worlds import boom, trail, until


def a_coordinator(url: Any, add: Any, **keywords: Any) -> Coordinator:
    return Coordinator(url, sagas=[saga_of(add)], actions=[add], **keywords)


async def rest(coordinator: Coordinator, run_id: str = "run") -> tuple[RunStatus, list[e.Event]]:
    """Wait until a run has ended; return how, and its events."""
    handle = coordinator.handle(run_id)
    async with asyncio.timeout(40):
        with contextlib.suppress(RunFailed):
            await handle.result()
        return await handle.status(), await handle.history()


def ran(url: str, add: Any) -> tuple[RunStatus, list[e.Event]]:
    """Run the saga of one action from start to rest."""

    async def scenario() -> tuple[RunStatus, list[e.Event]]:
        async with a_coordinator(url, add) as coordinator:
            await coordinator.start("adding", "ada", run_id="run")
            return await rest(coordinator)

    return asyncio.run(scenario())


def test_the_row_and_the_record_are_there_together(shared_log_url: str) -> None:
    """For a plain handler as for an async one; and the handler sees nothing of it from outside before it returned."""
    rows, seen = Rows(shared_log_url), []

    async def look(call: Call) -> None:
        seen.append(rows.names)

    assert ran(shared_log_url, rows.action(after=look))[0] is RunStatus.COMPLETED
    assert (seen, rows.names) == ([[]], ["ada"])


def test_a_plain_handler_has_a_plain_connection(shared_log_url: str) -> None:
    rows, kinds = Rows(shared_log_url), []
    status, events = ran(shared_log_url, rows.plain(after=lambda call: kinds.append(type(call.connection))))
    assert status is RunStatus.COMPLETED
    assert issubclass(kinds[0], psycopg.Connection if shared_log_url.startswith("postgres") else sqlite3.Connection)
    rows.agree_with(events, "ada")


def test_what_a_failed_attempt_wrote_is_not_there(shared_log_url: str) -> None:
    """It is on record as failed, not as unknown; the attempt that succeeds leaves one row."""
    rows = Rows(shared_log_url)
    status, events = ran(shared_log_url, rows.action(after=[boom(), boom()]))
    assert (status, rows.names) == (RunStatus.COMPLETED, ["ada"])
    assert trail(events) == ["do 1", "failed 1", "do 1", "failed 1", "do 1", "done 1", "COMPLETED"]


def test_a_query_that_was_not_read_to_its_end_is_in_nobodys_way(sqlite_url: str) -> None:
    """The handler raises and still has it: the file is free for the next attempt all the same."""
    rows = Rows(sqlite_url)
    kept: list[Any] = []

    def begin(call: Call) -> None:
        cursor = call.connection.execute("SELECT 1 UNION SELECT 2 UNION SELECT 3")
        kept.append(cursor)
        assert cursor.fetchone() == (1,)
        if call.attempt == 1:
            raise boom()

    status, events = ran(sqlite_url, rows.plain(after=begin))
    assert trail(events) == ["do 1", "failed 1", "do 1", "done 1", "COMPLETED"]
    assert (status, rows.names) == (RunStatus.COMPLETED, ["ada"])


def test_a_step_that_fails_for_good_leaves_nothing(shared_log_url: str) -> None:
    rows = Rows(shared_log_url)
    status, events = ran(shared_log_url, rows.action(after=[boom()] * 3))
    assert (status, rows.names) == (RunStatus.COMPENSATED, [])
    rows.agree_with(events, "ada")


def test_an_undo_and_its_record_are_one_write(shared_log_url: str) -> None:
    """An undo that raises after its DELETE has deleted nothing; the one that returns has, once."""
    rows, seen = Rows(shared_log_url), []

    async def look(call: Call) -> None:
        seen.append(rows.names)
        if call.attempt < 3:
            raise boom()

    add = rows.action(undoing=look)

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add) as coordinator:
            handle = await coordinator.start("adding", "ada", run_id="run")
            await handle.result()
            await handle.undo(by="ada", reason="a test")
            status, events = await rest(coordinator)
            assert status is RunStatus.COMPENSATED
            rows.agree_with(events, "ada")

    asyncio.run(scenario())
    assert (seen, rows.names) == ([["ada"]] * 3, [])


def test_an_attempt_whose_time_was_up_has_failed_for_certain(shared_log_url: str) -> None:
    """A thread that cannot be stopped goes on with its connection, and nothing that it then writes lands."""
    rows, go_on, errors = Rows(shared_log_url), threading.Event(), []
    ended = threading.Event()

    def linger(call: Call) -> None:
        if call.attempt == 1:
            go_on.wait(20)
            for _ in range(2):
                try:
                    call.connection.execute("INSERT INTO users (name) VALUES ('late')")
                    call.connection.commit()
                except (sqlite3.Error, psycopg.Error) as error:
                    errors.append(error)
            ended.set()

    add = rows.plain(after=linger, timeout=0.3)

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add) as coordinator:
            handle = await coordinator.start("adding", "ada", run_id="run")
            await until(handle, e.ActionFailed)
            assert rows.names == []
            go_on.set()
            _, events = await rest(coordinator)
            assert trail(events) == ["do 1", "failed 1", "do 1", "done 1", "COMPLETED"]
            rows.agree_with(events, "ada")

    asyncio.run(scenario())
    assert ended.wait(20)
    assert len(errors) == 2
    assert rows.names == ["ada"]


def test_nothing_passes_the_gate_of_a_connection_that_was_shut(tmp_path: Path) -> None:
    """Also between the end of the handler's time and the rollback, which may have to wait for a statement."""
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None, factory=LentConnection)
    connection.own("CREATE TABLE users (name TEXT)")
    connection.lend()
    cursor = connection.execute("SELECT 1 UNION SELECT 2")
    connection.shut()
    with pytest.raises(sqlite3.ProgrammingError, match="script"):
        connection.executescript("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError, match="is over"):
        connection.executemany("INSERT INTO users VALUES (?)", [("late",)])
    for use in (cursor.fetchone, cursor.fetchall, lambda: connection.execute("INSERT INTO users VALUES ('late')")):
        with pytest.raises(sqlite3.ProgrammingError, match="is over"):
            use()
    connection.discard()
    with closing(sqlite3.connect(tmp_path / "a.db")) as onlooker:
        assert onlooker.execute("SELECT count(*) FROM users").fetchone() == (0,)


def test_an_async_handler_that_will_not_be_cancelled_writes_nothing_more(shared_log_url: str) -> None:
    rows, go_on, errors = Rows(shared_log_url), asyncio.Event(), []

    async def stubborn(call: Call) -> None:
        while call.attempt == 1 and not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue
        if call.attempt == 1:
            try:
                await insert(call.connection, "late")
            except (sqlite3.Error, psycopg.Error) as error:
                errors.append(error)

    add = rows.action(after=stubborn)
    add.work.timeout_seconds = 0.2

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add) as coordinator:
            handle = await coordinator.start("adding", "ada", run_id="run")
            await until(handle, e.ActionFailed)
            go_on.set()
            _, events = await rest(coordinator)
            assert not any(isinstance(event, e.ActionUnknown) for event in events)
            rows.agree_with(events, "ada")

    asyncio.run(scenario())
    assert (len(errors), rows.names) == (1, ["ada"])


async def _commit(connection: Any) -> None:
    done = connection.commit()
    if asyncio.iscoroutine(done):
        await done


async def _commit_raw(connection: Any) -> None:
    done = connection.execute("COMMIT")
    if asyncio.iscoroutine(done):
        await done


async def _block(connection: Any) -> None:
    with connection:
        pass


@pytest.mark.parametrize("end", [_commit, _block])
def test_a_handler_cannot_commit_its_transaction(shared_log_url: str, end: Callable[[Any], Awaitable[None]]) -> None:
    """Neither by a call nor by a block, as sqlite3 has one."""
    if end is _block and shared_log_url.startswith("postgres"):
        pytest.skip("an async connection has no such block")
    rows = Rows(shared_log_url)

    async def commit(call: Call) -> None:
        await end(call.connection)

    status, events = ran(shared_log_url, rows.action(after=commit))
    assert (status, rows.names) == (RunStatus.COMPENSATED, [])
    assert "ProgrammingError" in next(event.error.type for event in events if isinstance(event, e.ActionFailed))


def test_a_handler_that_ends_its_transaction_in_sql_has_not_succeeded(shared_log_url: str) -> None:
    """Nobody can take its row back, but the log does not call it a success that was committed with its record."""
    rows = Rows(shared_log_url)

    async def commit(call: Call) -> None:
        await _commit_raw(call.connection)

    status, events = ran(shared_log_url, rows.action(after=commit))
    assert status is RunStatus.COMPENSATED
    assert not any(isinstance(event, e.ActionSucceeded) for event in events)


def test_a_part_of_it_can_be_undone_with_a_savepoint(shared_log_url: str) -> None:
    rows = Rows(shared_log_url)

    async def try_and_drop(call: Call) -> None:
        for statement in ("SAVEPOINT here", "INSERT INTO users (name) VALUES ('bob')", "ROLLBACK TO here"):
            done = call.connection.execute(statement)
            if asyncio.iscoroutine(done):
                await done

    status, _ = ran(shared_log_url, rows.action(after=try_and_drop))
    assert (status, rows.names) == (RunStatus.COMPLETED, ["ada"])


def test_a_constraint_that_is_looked_at_in_the_commit_fails_the_attempt(postgres_url: str) -> None:
    """The commit is refused, so neither the row nor the record is there; the attempt is on record as failed."""
    rows = Rows(postgres_url)
    rows.execute("ALTER TABLE users ADD CONSTRAINT one UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
    rows.execute("INSERT INTO users (name) VALUES ('ada')")
    status, events = ran(postgres_url, rows.action())
    assert (status, rows.names) == (RunStatus.COMPENSATED, ["ada"])
    assert {event.error.type for event in events if isinstance(event, e.ActionFailed)} == {
        "psycopg.errors.UniqueViolation"
    }


def test_an_output_that_cannot_be_recorded_leaves_no_row(shared_log_url: str) -> None:
    """Elsewhere its outcome is unknown then; here it has failed, and for good."""
    rows = Rows(shared_log_url)

    async def do(user: str, call: Call) -> str:
        await insert(call.connection, user)
        return "x" * 9_000

    add: Action[str, str] = Action("add-user", do=do, transactional=True, irreversible=True)

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add, payload_limit_bytes=5_000) as coordinator:
            await coordinator.start("adding", "ada", run_id="run")
            _, events = await rest(coordinator)
            assert trail(events) == ["do 1", "failed 1", "FAILING", "COMPENSATED"]

    asyncio.run(scenario())
    assert rows.names == []


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_is_killed_leaves_both_or_neither(shared_log_url: str, point: str) -> None:
    """In the handler, before and after its write; between the record and the commit; after the commit."""
    rows = Rows(shared_log_url)
    kill_at("transactional_worker", shared_log_url, point)
    assert rows.names == (["ada"] if point == "committed" else [])
    add = rows.action()

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add, lease_seconds=1) as coordinator:
            status, events = await rest(coordinator)
            assert status is RunStatus.COMPLETED
            assert ("unknown 1" in trail(events)) is (point != "committed")
            rows.agree_with(events, "ada")

    asyncio.run(scenario())
    assert rows.names == ["ada"]


@pytest.mark.parametrize("abandoned", [False, True])
def test_what_a_zombie_wrote_vanishes(shared_log_url: str, abandoned: bool) -> None:
    """The run was claimed by another worker, or ended by a person, while the handler was in its transaction."""
    if shared_log_url.startswith("sqlite"):
        pytest.skip("a handler has the file to itself: nobody can claim its run meanwhile")
    rows = Rows(shared_log_url)

    async def scenario() -> None:
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def hold(call: Call) -> None:
            inside.set()
            await go_on.wait()

        add = rows.action(after=hold)
        async with a_coordinator(shared_log_url, add) as coordinator:
            handle = await coordinator.start("adding", "ada", run_id="run")
            await inside.wait()
            if abandoned:
                async with Coordinator(shared_log_url, max_running=0) as client:
                    await client.handle("run").abandon(by="ada", reason="a test")
            else:
                log, codec = open_log(shared_log_url), coordinator._codec
                await log.open()
                claim = e.RunClaimed(occurred_at=coordinator._clock.now(), worker="another", epoch=2)
                version = len(await handle.history())
                await log.append("run", version, [codec.encode(claim)], Standing("adding", 1, "another"))
                await log.close()
            go_on.set()
            async with asyncio.timeout(20):
                while coordinator._hosting is not None and "run" in coordinator._hosting.drivers:
                    await handle.history()
            assert rows.names == []
            events = await handle.history()
            assert not any(isinstance(event, e.ActionSucceeded) for event in events)

    asyncio.run(scenario())


@pytest.mark.parametrize("what", ["signal", "cancel"])
def test_what_others_write_meanwhile_breaks_nothing(postgres_url: str, what: str) -> None:
    """The record goes behind it, in the same transaction; a cancelled run undoes the step that succeeded after all."""
    rows = Rows(postgres_url)

    async def scenario() -> None:
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def hold(call: Call) -> None:
            inside.set()
            await go_on.wait()

        add = rows.action(after=hold)
        async with a_coordinator(postgres_url, add) as worker, Coordinator(postgres_url, max_running=0) as client:
            await worker.start("adding", "ada", run_id="run")
            await inside.wait()
            if what == "signal":
                await client.signal("run", "news", 1, by="ada")
            else:
                await client.handle("run").cancel(by="ada", reason="a test")
            go_on.set()
            status, events = await rest(worker)
            assert status is (RunStatus.COMPLETED if what == "signal" else RunStatus.COMPENSATED)
            assert sum(isinstance(event, e.ActionSucceeded) for event in events) == 1
            assert sum(isinstance(event, e.ActionStarted) for event in events) == 1
            rows.agree_with(events, "ada")

    asyncio.run(scenario())


def test_two_branches_side_by_side(shared_log_url: str) -> None:
    """Of one run, ten at once, beside steps that are not transactional."""
    rows = Rows(shared_log_url)
    add, plainly = rows.action(), rows.plain()

    async def nothing(user: str) -> str:
        return user

    other: Action[str, str] = Action("other", do=nothing, irreversible=True)

    async def body(run: Run, _: str) -> int:
        steps = [run.do(add, f"a{n}") for n in range(5)] + [run.do(plainly, f"b{n}") for n in range(5)]
        return len(await run.all(*steps, *(run.do(other, "x") for _ in range(5))))

    saga: Saga[str, int] = Saga("branches", version=1, function=body)

    async def scenario() -> None:
        async with Coordinator(shared_log_url, sagas=[saga], actions=[add, plainly, other]) as coordinator:
            await coordinator.start(saga, "ada", run_id="run")
            status, events = await rest(coordinator)
            assert status is RunStatus.COMPLETED
            assert sum(isinstance(event, e.ActionSucceeded) for event in events) == 15
            assert len(events) == 2 + 30 + 1

    asyncio.run(scenario())
    assert rows.names == [f"a{n}" for n in range(5)] + [f"b{n}" for n in range(5)]


def test_twenty_runs_share_one_file(shared_log_url: str) -> None:
    """Each reads before it writes, and none has to be tried again."""
    rows = Rows(shared_log_url)

    async def read(call: Call) -> None:
        done = call.connection.execute("SELECT count(*) FROM users")
        if asyncio.iscoroutine(done):
            await done

    add = rows.action(before=read)

    async def scenario() -> None:
        async with a_coordinator(shared_log_url, add) as one, a_coordinator(shared_log_url, add) as two:
            for n in range(20):
                await (one, two)[n % 2].start("adding", f"user-{n:02}", run_id=f"run-{n}")
            for n in range(20):
                status, events = await rest(one, f"run-{n}")
                assert (status, len(events)) == (RunStatus.COMPLETED, 5)

    asyncio.run(scenario())
    assert rows.names == [f"user-{n:02}" for n in range(20)]


def test_a_lost_reply_changes_nothing(postgres_url: str) -> None:
    """To the append inside the transaction, which is then rolled back, and to the COMMIT, which has gone through."""
    rows = Rows(postgres_url)

    async def scenario() -> None:
        for calls, attempts in ((b"set_config('idle_in_transaction_session_timeout', '2s'", 2), (b"COMMIT", 1)):
            async with LostReplies(postgres_url, calls=calls) as proxy:
                add = rows.action()
                async with a_coordinator(proxy.url, add) as coordinator:
                    for n in range(3):
                        run_id = f"{calls[:3].hex()}-{n}"
                        proxy.drop(1)
                        await coordinator.start("adding", run_id, run_id=run_id)
                        status, events = await rest(coordinator, run_id)
                        assert (status, proxy.dropped_count) == (RunStatus.COMPLETED, n + 1)
                        assert sum(isinstance(event, e.ActionStarted) for event in events) == attempts
                        rows.agree_with(events, run_id)

    asyncio.run(scenario())


def test_a_commit_that_never_arrived_is_made_again(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is cut before the COMMIT: nothing is there, the attempt has failed, the next one succeeds."""
    rows = Rows(postgres_url)
    cuts: list[bool] = []
    commit = PostgresTransaction.commit

    async def cut_first(transaction: PostgresTransaction) -> None:
        if len(cuts) < 2:
            cuts.append(True)
            transaction.cut()
        await commit(transaction)

    monkeypatch.setattr(PostgresTransaction, "commit", cut_first)
    status, events = ran(postgres_url, rows.action())
    assert trail(events) == ["do 1", "failed 1"] * 2 + ["do 1", "done 1", "COMPLETED"]
    assert (status, rows.names) == (RunStatus.COMPLETED, ["ada"])


def test_a_database_that_is_away_is_waited_for(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that cannot be begun uses up no attempt."""
    rows = Rows(postgres_url)
    refused: list[bool] = []
    log = open_log(postgres_url)
    begin = log.transaction  # type: ignore[attr-defined]

    def refuse_once(**keywords: Any) -> Any:
        if not refused:
            refused.append(True)
            raise LogUnavailable("a test")
        return begin(**keywords)

    monkeypatch.setattr(log, "transaction", refuse_once)
    status, events = ran(log, rows.action())  # type: ignore[arg-type]
    assert trail(events) == ["do 1", "done 1", "COMPLETED"]
    assert (status, rows.names) == (RunStatus.COMPLETED, ["ada"])


def test_a_log_without_transactions_refuses_it() -> None:
    """When the coordinator is built, so that nobody finds it out at night; a simulation says the same."""

    async def do(user: str, call: Call) -> str:
        return user

    add: Action[str, str] = Action("add-user", do=do, transactional=True, irreversible=True)
    with pytest.raises(DefinitionError, match="add-user: is transactional, and memory has no transactions"):
        Coordinator("memory://", actions=[add])
    with pytest.raises(DefinitionError, match="has no transactions"):
        Scenario(saga_of(add), "ada", actions=[add])


def test_a_transactional_action_takes_a_call_and_has_a_limit() -> None:
    async def do(user: str) -> str:
        return user

    async def do_with_call(user: str, call: Call) -> str:
        return user

    for keywords, said in (
        ({"do": do}, "takes no Call"),
        ({"do": do_with_call, "timeout": None}, "has no time limit"),
    ):
        action: Action[str, str] = Action("add", transactional=True, irreversible=True, **keywords)
        with pytest.raises(DefinitionError, match=said):
            action.check()
