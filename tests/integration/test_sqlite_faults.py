"""What can happen to a file: it is locked, full, replaced, removed, no database at all, or readable for others."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from amends.errors import LogCorrupt, LogUnavailable
from amends.saga.log.sqlite import SQLiteLog
from tests.logs import a_record, collect, opened


def test_the_files_are_readable_for_their_owner_alone(tmp_path: Path) -> None:
    """The write-ahead log and the shared memory hold the same secrets as the database."""

    async def scenario() -> None:
        async with opened(f"sqlite:///{tmp_path}/log.db") as log:
            await log.append("run", 0, [a_record()])
            await log.read("run")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}  # noqa: ASYNC240
            assert modes == {"log.db": 0o600, "log.db-wal": 0o600, "log.db-shm": 0o600}

    mask = os.umask(0)
    try:
        asyncio.run(scenario())
    finally:
        os.umask(mask)


def test_the_mode_of_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Whoever made it has decided."""

    async def scenario() -> None:
        path = tmp_path / "log.db"
        path.touch()
        path.chmod(0o640)
        async with opened(f"sqlite:///{path}") as log:
            await log.append("run", 0, [a_record()])
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    asyncio.run(scenario())


def test_the_file_is_in_wal_mode_and_commits_wait_for_the_disk(tmp_path: Path) -> None:
    """`synchronous` is 2, which is FULL."""

    async def scenario() -> None:
        async with opened(f"sqlite:///{tmp_path}/log.db") as log:
            assert isinstance(log, SQLiteLog)
            modes = "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous"
            assert await log._writer.run(lambda connection: connection.execute(modes).fetchall()) == [("wal", 2)]

    asyncio.run(scenario())


def _lock(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def test_a_lock_that_outlasts_the_busy_timeout_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself gives up after a second; the library passes that on (trap V10)."""

    async def scenario() -> None:
        log = SQLiteLog(tmp_path / "log.db")
        attempts = 0
        await log.open()
        commit = log.commit

        async def counted(batch: object) -> object:
            nonlocal attempts
            attempts += 1
            if attempts == 2:  # the first attempt has timed out
                lock.close()
            return await commit(batch)  # type: ignore[arg-type]

        log.commit = counted  # type: ignore[assignment,method-assign]
        lock = _lock(log.path)
        await log.append("run", 0, [a_record()])
        assert attempts == 2
        await log.close()

    asyncio.run(scenario())


def test_a_lock_that_outlasts_patience_is_reported(tmp_path: Path) -> None:
    """Nothing was written, and the log goes on when the lock is gone."""

    async def scenario() -> None:
        log = SQLiteLog(tmp_path / "log.db", patience_seconds=0)
        await log.open()
        lock = _lock(log.path)
        with pytest.raises(LogUnavailable):
            await log.append("run", 0, [a_record()])
        assert await log.read("run") == []  # readers go on beside a writer
        lock.close()
        await log.append("run", 0, [a_record()])
        await log.close()

    asyncio.run(scenario())


def test_writers_queue_for_the_lock_before_they_look_at_a_version(tmp_path: Path) -> None:
    """A transaction that looks first and locks later fails at once, whatever the busy timeout (trap V10)."""

    async def scenario() -> None:
        logs = [SQLiteLog(tmp_path / "log.db", patience_seconds=0) for _ in range(3)]
        for log in logs:
            await log.open()

        async def write(name: str, log: SQLiteLog) -> None:
            for version in range(30):
                await log.append(name, version, [a_record()])

        await asyncio.gather(*(write(f"run-{number}", log) for number, log in enumerate(logs)))
        for log in logs:
            await log.close()

    asyncio.run(scenario())


def test_a_full_disk_writes_nothing_by_halves_and_is_asked_again(tmp_path: Path) -> None:
    """The batch is repeated as a whole once there is room."""

    async def scenario() -> None:
        async with opened(f"sqlite:///{tmp_path}/log.db") as log:
            assert isinstance(log, SQLiteLog)
            await log.append("run", 0, [a_record()])
            # A bound of this connection, which is let go of after the error; the next one has none.
            await log._writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 10").fetchall())
            await log.append("run", 1, [a_record("small"), a_record("x" * 100_000)])
            assert await log.read("run") == [a_record(), a_record("small"), a_record("x" * 100_000)]
            assert len(await collect(log, 3)) == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_that_was_replaced_or_removed_is_not_written_to(tmp_path: Path, suffix: str, replaced: bool) -> None:
    """What is written into a file without a name is lost, so it is refused."""

    async def scenario() -> None:
        async with opened(f"sqlite:///{tmp_path}/log.db") as log:
            await log.append("run", 0, [a_record()])
            path = tmp_path / f"log.db{suffix}"
            path.rename(tmp_path / "gone")
            if replaced:
                path.touch()
            with pytest.raises(LogCorrupt, match="while it was open"):
                await log.append("run", 1, [a_record()])

    asyncio.run(scenario())


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A person must look."""

    async def scenario() -> None:
        path = tmp_path / "log.db"
        path.write_bytes(b"something else entirely" * 100)
        with pytest.raises(LogCorrupt):
            await SQLiteLog(path).open()
        assert path.read_bytes() == b"something else entirely" * 100

    asyncio.run(scenario())


def test_a_directory_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    """No patience is spent on it."""

    async def scenario() -> None:
        async with asyncio.timeout(5):
            with pytest.raises(LogUnavailable, match=r"no/such/log\.db"):
                await SQLiteLog(tmp_path / "no/such/log.db").open()

    asyncio.run(scenario())


def test_a_follower_sees_its_own_process_at_once(tmp_path: Path) -> None:
    """Woken by the commit: here it would otherwise look again only after an hour."""

    async def scenario() -> None:
        log = SQLiteLog(tmp_path / "log.db", poll_seconds=3600)
        await log.open()
        live = asyncio.create_task(collect(log, 20))
        for version in range(20):
            await log.append("run", version, [a_record()])
        assert len(await live) == 20
        await log.close()

    asyncio.run(scenario())
