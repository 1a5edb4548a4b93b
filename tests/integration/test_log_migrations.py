"""Which versions of the tables are made, changed, refused, and by whom."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from amends.console.cli import main
from amends.errors import LogError, SchemaMismatch
from amends.saga.log import postgres_schema, sqlite_schema
from amends.saga.log.open import migrate_log, open_log
from amends.saga.log.port import FOR_EVER, Slot, Standing
from amends.saga.log.schema import Migration, due, migrations
from amends.saga.log.statements import statement
from amends.saga.slots import saga_limits
from tests.logs import a_record, opened
from tests.postgres import fresh_database

KNOWN = [migration.version for migration in migrations("sqlite")]
NEXT = KNOWN[-1] + 1
FURTHER = Migration(
    NEXT, f"CREATE TABLE amends_further (id bigint);\nINSERT INTO amends_schema (version) VALUES ({NEXT});"
)
BROKEN = Migration(NEXT, "CREATE TABLE amends_further (id bigint);\nINSERT INTO amends_nowhere (version) VALUES (1);")

_POSTGRES_CATALOG = """
SELECT 'table', relname::text, reloptions::text, relkind::text, NULL, NULL
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT
    'column', attrelid::regclass::text, attnum::text, attname::text || ' ' || format_type(atttypid, atttypmod),
    attnotnull::text || attidentity::text, pg_get_expr(adbin, adrelid)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND attnum > 0
UNION ALL
SELECT 'index', tablename::text, indexname::text, indexdef, NULL, NULL FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), NULL, NULL
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'function', proname::text, pg_get_functiondef(oid), NULL, NULL, NULL
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""


def _catalog(url: str) -> list[tuple[Any, ...]]:
    """Everything that is in a database, but for the rows."""
    if not url.startswith("sqlite"):
        with psycopg.connect(url) as server:
            return server.execute(_POSTGRES_CATALOG.encode()).fetchall()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
    return [(*row[:3], _without_comments(row[3] or "")) for row in rows]


def _without_comments(script: str) -> str:
    return re.sub(r"\s+(?=[,)])", "", " ".join(re.sub(r"--.*", "", script).split()))


def _versions(url: str) -> list[int]:
    asked = "SELECT version FROM amends_schema ORDER BY version"
    if not url.startswith("sqlite"):
        with psycopg.connect(url) as server:
            return [version for (version,) in server.execute(asked).fetchall()]
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return [version for (version,) in connection.execute(asked).fetchall()]


def _open(url: str) -> None:
    async def scenario() -> None:
        async with opened(url):
            pass

    asyncio.run(scenario())


def _know(monkeypatch: pytest.MonkeyPatch, further: Migration) -> None:
    """Make this code know one version more than it does."""
    for module, database in ((postgres_schema, "postgres"), (sqlite_schema, "sqlite")):
        known = [*migrations(database), further]
        monkeypatch.setattr(module, "migrations", lambda _, known=known: known)


def test_the_migrations_add_up_to_the_schema_on_postgres(postgres_server: str) -> None:
    """`postgres_schema.sql` is what people read, and it is what they get."""
    with fresh_database(postgres_server) as migrated, fresh_database(postgres_server) as drawn:
        _open(migrated)
        with psycopg.connect(drawn) as server:
            server.execute(statement("postgres_schema"))
        assert _catalog(migrated) == _catalog(drawn)
        assert _versions(migrated) == [migration.version for migration in migrations("postgres")]


def test_the_migrations_add_up_to_the_schema_on_sqlite(tmp_path: Path) -> None:
    """`sqlite_schema.sql` is what people read, and it is what they get."""
    _open(f"sqlite:///{tmp_path}/migrated.db")
    with closing(sqlite3.connect(tmp_path / "drawn.db")) as connection:
        connection.executescript(statement("sqlite_schema"))
    assert _catalog(f"sqlite:///{tmp_path}/migrated.db") == _catalog(f"sqlite:///{tmp_path}/drawn.db")
    assert _versions(f"sqlite:///{tmp_path}/migrated.db") == [migration.version for migration in migrations("sqlite")]


def test_migrating_twice_changes_nothing(shared_log_url: str) -> None:
    """Neither the tables nor what is in them."""

    async def scenario() -> None:
        assert await migrate_log(shared_log_url) == KNOWN
        async with opened(shared_log_url) as log:
            await log.append("run", 0, [a_record()], Standing("onboard", 1))
            before = _catalog(shared_log_url)
            assert await migrate_log(shared_log_url) == []
            assert _catalog(shared_log_url) == before
            assert await log.read("run") == [a_record()]
            assert len(await log.claimable([("onboard", 1)], 1)) == 1

    asyncio.run(scenario())


def test_older_tables_are_refused_until_a_person_migrates_them(
    shared_log_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other workers use them at this moment. An empty database has no others, so it is filled with all at once."""
    _open(shared_log_url)
    _know(monkeypatch, FURTHER)
    with pytest.raises(
        SchemaMismatch, match=rf"version {KNOWN[-1]} .* version {NEXT}; run: amends migrate --url \.\.\."
    ):
        _open(shared_log_url)
    assert _versions(shared_log_url) == KNOWN
    for said in (f"applied version {NEXT}\n", "nothing to do"):
        assert main(["migrate", "--url", shared_log_url]) == 0
        assert said in capsys.readouterr().out
    _open(shared_log_url)
    assert _versions(shared_log_url) == [*KNOWN, NEXT]


def test_an_empty_database_is_given_every_version(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _know(monkeypatch, FURTHER)
    _open(shared_log_url)
    assert _versions(shared_log_url) == [*KNOWN, NEXT]


def test_newer_tables_are_refused(
    shared_log_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old code beside new tables: it says to upgrade, and `amends migrate` can do nothing about it."""
    with monkeypatch.context() as newer:
        _know(newer, FURTHER)
        _open(shared_log_url)
    with pytest.raises(SchemaMismatch, match=rf"version {NEXT}, made by a newer amends .* upgrade amends"):
        _open(shared_log_url)
    assert main(["migrate", "--url", shared_log_url]) == 1
    assert "upgrade amends" in capsys.readouterr().err


def test_a_migration_that_fails_leaves_the_tables_as_they_were(
    shared_log_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one transaction, the first versions of an empty database included."""
    _know(monkeypatch, BROKEN)
    with pytest.raises(LogError, match="amends_nowhere"):
        _open(shared_log_url)
    assert _catalog(shared_log_url) == []
    monkeypatch.undo()
    _open(shared_log_url)
    assert _versions(shared_log_url) == KNOWN


def test_twelve_who_migrate_at_once_apply_each_version_once(
    shared_log_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open(shared_log_url)
    _know(monkeypatch, FURTHER)

    async def scenario() -> None:
        applied = await asyncio.gather(*(migrate_log(shared_log_url) for _ in range(12)))
        assert sorted(map(list, applied)) == [[]] * 11 + [[NEXT]]

    asyncio.run(scenario())


def test_what_is_due_follows_from_the_version_that_is_found() -> None:
    """An empty database gets all; an older one what it lacks, when asked; a newer one nothing."""
    known = [Migration(version, "") for version in (1, 2, 3)]
    for asked in (True, False):
        assert due(0, known, asked=asked) == known
        assert due(3, known, asked=asked) == []
        with pytest.raises(SchemaMismatch, match="newer"):
            due(4, known, asked=asked)
    assert due(1, known, asked=True) == known[1:]
    for found in (1, 2):
        with pytest.raises(SchemaMismatch, match="amends migrate"):
            due(found, known, asked=False)


def test_the_command_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL it is the file in the working directory; there is nothing to migrate in memory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMENDS_URL", raising=False)
    assert main(["migrate"]) == 0
    assert _versions(f"sqlite:///{tmp_path}/amends.db") == KNOWN
    assert main(["migrate", "--url", "memory://"]) == 1
    assert main(["migrate", "--url", "sqlite:////no/such/place.db"]) == 1
    asyncio.run(open_log("memory://").open())


def test_a_worker_of_the_version_before_gives_back_what_its_runs_had(postgres_server: str) -> None:
    """It still runs while the tables are new already, it knows nothing of slots, and it ends a run that has one."""
    slot = Slot("saga onboard", 1)

    async def scenario(url: str) -> None:
        async with opened(url) as log:
            for run_id in ("a", "b"):
                await log.append(run_id, 0, [a_record()], Standing("onboard", 1, slots=(slot,), queued_until=FOR_EVER))
            with psycopg.connect(url) as old:
                old.execute(
                    "SELECT amends_append_v2(ARRAY['a'], ARRAY[2::bigint], ARRAY['t'], ARRAY['s'::bytea], ARRAY['a'], "
                    "ARRAY['onboard'], ARRAY[1::bigint], ARRAY['old'], ARRAY[false], ARRAY[true], ARRAY[0::bigint], "
                    "'{}', '{}')"
                )
            assert (await log.holding("a")).slots == frozenset()
            assert (await log.holding("b")).slots == {slot.name}
            assert [run.run_id for run in await log.claimable([("onboard", 1)], 10)] == ["b"]

    with fresh_database(postgres_server) as url:
        asyncio.run(scenario(url))


def test_a_worker_of_the_version_before_is_not_offered_runs_that_wait_for_a_slot(postgres_server: str) -> None:
    """One of them was rung for. Such a worker would take it for free, and do its work without the slot."""
    slot = Slot("saga onboard", 1)
    looks = "SELECT run_id FROM {}(ARRAY['onboard'], ARRAY[1::bigint], true, 10)"

    async def scenario(url: str) -> None:
        async with opened(url) as log:
            asking = Standing("onboard", 1, slots=(slot,), queued_until=FOR_EVER)
            for run_id in ("a", "b", "c"):
                await log.append(run_id, 0, [a_record()], asking)
            await log.append("b", 1, [a_record()], asking._replace(outside=True), ring="b")
            assert [run.run_id for run in await log.claimable([("onboard", 1)], 10)] == ["a", "b"]
            with psycopg.connect(url) as old:
                for function in ("amends_claimable_v1", "amends_claimable_v2"):
                    assert old.execute(looks.format(function).encode()).fetchall() == [("a",)]

    with fresh_database(postgres_server) as url:
        asyncio.run(scenario(url))


def test_a_worker_of_the_version_before_that_is_at_work_notices(postgres_server: str) -> None:
    """The server has prepared what it asks; that is made anew with the tables."""
    asked = "SELECT run_id FROM amends_claimable_v2(ARRAY['onboard'], ARRAY[1::bigint], true, 10)"
    before, (slots,) = migrations("postgres")[:3], migrations("postgres")[3:4]
    with fresh_database(postgres_server) as url, psycopg.connect(url, autocommit=True) as old:
        for migration in before:
            old.execute(migration.script)
        for _ in range(20):
            assert old.execute(asked, prepare=True).fetchall() == []
        with psycopg.connect(url) as migrating:
            migrating.execute(slots.script)
        old.execute("INSERT INTO amends_runs (run_id, saga, version, unwinding) VALUES ('a', 'onboard', 1, false)")
        assert old.execute(asked, prepare=True).fetchall() == [("a",)]
        old.execute("INSERT INTO amends_slots (name, run_id, size, held) VALUES ('saga onboard', 'a', 1, false)")
        assert old.execute(asked, prepare=True).fetchall() == []


def test_what_a_worker_of_the_version_before_leaves_in_an_sqlite_file_is_given_back(sqlite_url: str) -> None:
    """It ends or parks a run by deleting its row. The limits go to those who have waited longest; a lock stays."""
    limits = saga_limits("onboard", 1, {"tenant": 1}, {"tenant": "acme"})
    tenant, saga = (Slot(limit.name, limit.size) for limit in limits)
    lock = Slot("lock x", 1)
    waiting = {"b": (tenant,), "c": (saga,), "d": (saga,), "e": (lock,)}

    async def scenario() -> None:
        async with opened(sqlite_url) as log:
            asking = Standing("onboard", 1, queued_until=FOR_EVER)
            await log.append("a", 0, [a_record()], asking._replace(slots=(tenant, saga, lock)))
            for run_id, slots in waiting.items():
                await log.append(run_id, 0, [a_record()], asking._replace(slots=slots))
            assert [run.run_id for run in await log.claimable([("onboard", 1)], 10)] == ["a"]
            _delete(sqlite_url, "a")
            async with asyncio.timeout(10):
                await log.wait_for_work(60)
            assert [run.run_id for run in await log.claimable([("onboard", 1)], 10)] == ["b", "c"]
            held = {run_id: set((await log.holding(run_id)).slots) for run_id in "abcde"}
            assert held == {"a": {lock.name}, "b": {tenant.name}, "c": {saga.name}, "d": set(), "e": set()}

    asyncio.run(scenario())


def test_what_a_worker_of_the_version_before_leaves_fits_nobody_yet(sqlite_url: str) -> None:
    """The limit was lowered, and who waits goes by its own size."""

    async def scenario() -> None:
        async with opened(sqlite_url) as log:
            for run_id, size in (("a", 2), ("b", 2), ("c", 1)):
                standing = Standing("onboard", 1, slots=(Slot("saga onboard", size),), queued_until=FOR_EVER)
                await log.append(run_id, 0, [a_record()], standing)
            for run_id, slots in (("a", set[str]()), ("b", {"saga onboard"})):
                _delete(sqlite_url, run_id)
                assert (await log.holding("c")).slots == slots

    asyncio.run(scenario())


def _delete(url: str, run_id: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as old, old:
        old.execute("DELETE FROM amends_runs WHERE run_id = ?", (run_id,))
