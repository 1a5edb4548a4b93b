"""Hooks in processes of their own: killed inside a hook, standing by, cut off from the server that keeps their lock."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import psycopg

from amends import Coordinator, Run, RunStatus, action, saga
from amends.projections import Hooks, Role, RunNotice
from tests.integration.test_hooks import Told, completed_run, parked_run, until, until_async
from tests.integration.test_projections import rows
from tests.tree import ROOT
from tests.views import fill
from tests.worlds import ONCE

Process = subprocess.Popen[str]


@contextmanager
def worker(url: str, *arguments: str) -> Iterator[Process]:
    """A process with hooks, killed at the end."""
    command = [sys.executable, "-m", "tests.integration.hook_worker", url, *arguments]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: Process) -> str:
    """Wait until the process is inside a hook; return the key of the notice, or nothing if the process has ended."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


def let_go(process: Process) -> None:
    """Let the hook return."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_process_that_is_killed_inside_a_hook_loses_nothing(shared_log_url: str) -> None:
    """What it was told and has not written down comes again, to the one that stood by; the rest follows."""
    fill(shared_log_url, {f"run-{number}": parked_run() for number in range(4)})
    with worker(shared_log_url) as first:
        seen = [told(first)]
        with worker(shared_log_url) as second:
            for _ in range(3):
                let_go(first)
                seen.append(told(first))
            first.kill()
            first.wait()
            again = told(second)
            assert again == seen[3]
            let_go(second)
            fill(shared_log_url, {"later": completed_run()})
            assert told(second).startswith("alerts:later:")
    assert sorted(key.rsplit(":", 1)[0] for key in seen) == [f"alerts:run-{number}" for number in range(4)]


def test_processes_that_are_killed_again_and_again_deliver_everything(shared_log_url: str) -> None:
    """Each kill repeats one notice at most; none is lost, and the order is that of the log."""
    count = 60
    fill(shared_log_url, {f"run-{number}": completed_run() for number in range(count)})
    seen: list[str] = []
    repeats = 0
    for stop_after in (7, 11, 3, 13):
        with worker(shared_log_url) as process:
            for turn in range(stop_after):
                key = told(process)
                repeats += key in seen
                seen.append(key)
                if turn < stop_after - 1:
                    let_go(process)
    with worker(shared_log_url, "go") as last:
        while len(set(seen)) < count:
            key = told(last)
            repeats += key in seen
            seen.append(key)
    positions = [int(key.rpartition(":")[2]) for key in seen]
    assert positions == sorted(positions)
    assert repeats == 4


def test_a_backend_that_is_terminated_repeats_at_most_and_goes_on(postgres_url: str) -> None:
    """The lock went with its connection: whoever has it then delivers, and the old one finds that out by itself."""
    hook = Told()

    async def scenario() -> None:
        async with Hooks(postgres_url, on_parked=hook) as hooks:
            await asyncio.to_thread(fill, postgres_url, {"a": parked_run()})
            await hooks.caught_up()
            for run_id in ("b", "c"):
                await asyncio.to_thread(terminate, postgres_url)
                await asyncio.to_thread(fill, postgres_url, {run_id: parked_run()})
                await hooks.caught_up()

    asyncio.run(scenario())
    assert sorted(set(hook.runs)) == ["a", "b", "c"]
    assert len(hook.runs) <= 5


def test_whoever_loses_the_lock_inside_a_hook_finds_the_position_moved(postgres_url: str) -> None:
    """It cannot know while it is inside: one notice comes twice, with one key, and then it stands by."""
    first, second = Told(), Told()
    go = asyncio.Event()

    async def slow(notice: RunNotice) -> None:
        await first(notice)
        await go.wait()

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            loser = await stack.enter_async_context(Hooks(postgres_url, on_parked=slow))
            await until(lambda: loser.state.role is Role.FOLLOWING)
            taker = await stack.enter_async_context(Hooks(postgres_url, on_parked=second))
            await asyncio.to_thread(fill, postgres_url, {"a": parked_run()})
            await until(lambda: first.runs)
            while not second.runs:
                await asyncio.to_thread(terminate, postgres_url)
                await asyncio.sleep(0.2)
            await taker.caught_up()
            go.set()
            await until(lambda: loser.state.role is Role.STANDING_BY)
            await asyncio.to_thread(fill, postgres_url, {"b": parked_run()})
            await taker.caught_up()

    asyncio.run(scenario())
    assert first.runs == ["a"]
    assert second.runs[-1] == "b"
    assert set(second.runs) == {"a", "b"}
    assert {each.idempotency_key for each in first.notices} <= {each.idempotency_key for each in second.notices}


def terminate(url: str) -> None:
    """End every other connection to the database, as an administrator would."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_an_alarm_is_a_run_that_is_started_once(shared_log_url: str) -> None:
    """The hook crashes after it has started the run, is told again, and there is one mail: the key is the run's id."""
    mails: list[str] = []
    told_of: list[str] = []

    @action("mail-admin", irreversible=True)
    async def mail_admin(text: str) -> None:
        mails.append(text)

    @action("crm", **ONCE)
    async def crm() -> None: ...

    @crm.undo(**ONCE)
    async def archive(_: None) -> None:
        raise ConnectionError("the CRM is away")

    @saga("onboard")
    async def onboard(run: Run) -> None:
        await run.do(crm)
        raise RuntimeError("no")

    async def scenario() -> None:
        async with Coordinator(shared_log_url, sagas=[onboard], actions=[crm, mail_admin]) as coordinator:

            async def alert(notice: RunNotice) -> None:
                text = f"{notice.run_id} is parked: {notice.detail}"
                await coordinator.start("invoke:mail-admin", text, run_id=notice.idempotency_key)
                told_of.append(notice.run_id)
                if len(told_of) == 1:
                    raise ConnectionResetError("after the run was started")

            async with Hooks(shared_log_url, on_parked=alert, on_ended=alert) as hooks:
                await coordinator.start(onboard, run_id="signup:ada")
                await until(lambda: len(told_of) == 2)
                await hooks.caught_up()
                alarm = coordinator.handle(f"alerts:signup:ada:{parked_position(shared_log_url)}")
                await until_async(alarm.status, RunStatus.COMPLETED)
                await hooks.caught_up()  # its own runs end without an alarm

    asyncio.run(scenario())
    assert told_of == ["signup:ada"] * 2
    assert len(mails) == 1
    assert mails[0].startswith("signup:ada is parked: cannot undo crm")


def parked_position(url: str) -> int:
    """Where the one parking of a log stands."""
    column = "rowid" if url.startswith("sqlite") else "notification_id"
    ((position,),) = rows(url, f"SELECT {column} FROM stored_events WHERE topic LIKE '%RunParked'")
    return int(position)


def test_hooks_wait_for_nobody_and_nobody_waits_for_them(sqlite_url: str) -> None:
    """A hook that hangs holds up the notices of its own name, and nothing else."""
    stuck, quick = asyncio.Event(), Told()

    async def hangs(notice: RunNotice) -> None:
        stuck.set()
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with (
            Hooks(sqlite_url, name="slow", on_parked=hangs, drain_seconds=0, timeout=None),
            Hooks(sqlite_url, name="quick", on_parked=quick) as others,
        ):
            await asyncio.to_thread(fill, sqlite_url, {"a": parked_run()})
            await stuck.wait()
            await asyncio.to_thread(fill, sqlite_url, {"b": parked_run()})
            await others.caught_up()
            assert quick.runs == ["a", "b"]

    asyncio.run(scenario())
