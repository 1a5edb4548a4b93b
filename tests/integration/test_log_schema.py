"""Our tables are those of the eventsourcing library, and tables of any other shape are refused."""

import asyncio
import sqlite3
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent
from psycopg import sql

from amends.errors import InvalidName, LogError, LogUnavailable, SchemaMismatch
from amends.saga.log.open import migrate_log, open_log
from amends.saga.log.port import Standing
from tests.logs import a_record, collect, key, opened
from tests.postgres import execute, fresh_database

_CATALOG = """
SELECT
    'column', attname, format_type(atttypid, atttypmod), attnotnull::text, pg_get_expr(adbin, adrelid), attstorage::text
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'stored_events'::regclass AND attnum > 0
UNION ALL
SELECT 'index', indexname, indexdef, NULL, NULL, NULL FROM pg_indexes WHERE tablename = 'stored_events'
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid), NULL, NULL, NULL
FROM pg_constraint WHERE conrelid = 'stored_events'::regclass
UNION ALL
SELECT 'option', unnest(reloptions), relkind::text, relpersistence::text, NULL, NULL
FROM pg_class WHERE oid = 'stored_events'::regclass
UNION ALL
SELECT 'sequence', sequencename, data_type::text, increment_by::text, start_value::text, cache_size::text
FROM pg_sequences WHERE sequencename LIKE 'stored_events%'
ORDER BY 1, 2
"""
_GRANTS = (
    "GRANT SELECT, INSERT ON stored_events TO {}",
    "GRANT USAGE ON SEQUENCE stored_events_notification_id_seq TO {}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON amends_runs, amends_workers, amends_starts TO {}",
    "GRANT SELECT ON amends_schema TO {}",
)
_SQLITE_CATALOG = """
SELECT 'column', name, type, "notnull", dflt_value, pk FROM pragma_table_info('stored_events')
UNION ALL
SELECT 'index', name, "unique", origin, partial, NULL FROM pragma_index_list('stored_events')
UNION ALL
SELECT 'table', name, type, ncol, wr, strict FROM pragma_table_list WHERE name = 'stored_events'
"""


class Plain(Application[str]):
    """The library's plain application; it calls the table after itself: `stored_events`."""

    name = "stored"
    log_section_size = 1000


def library(url: str, *, originator_id_type: str = "text") -> Plain:
    """Return a plain application of the library on our tables, configured by the environment that its users write."""
    if url.startswith("sqlite"):
        where = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": url.removeprefix("sqlite:///")}
    else:
        given = psycopg.conninfo.conninfo_to_dict(url)
        where = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(given["dbname"]),
            "POSTGRES_HOST": str(given.get("host", "localhost")),
            "POSTGRES_PORT": str(given.get("port", "5432")),
            "POSTGRES_USER": str(given.get("user", "postgres")),
            "POSTGRES_PASSWORD": str(given.get("password", "unused")),
        }
    return Plain(env={**where, "ORIGINATOR_ID_TYPE": originator_id_type})


def _create(url: str) -> None:
    async def scenario() -> None:
        async with opened(url):
            pass

    asyncio.run(scenario())


def test_the_postgres_table_equals_the_one_that_the_library_creates(postgres_server: str) -> None:
    """Columns, defaults, keys, indexes, storage options and the sequence, as the catalogs have them."""
    with fresh_database(postgres_server) as ours, fresh_database(postgres_server) as theirs:
        _create(ours)
        library(theirs).close()
        with psycopg.connect(ours) as first, psycopg.connect(theirs) as second:
            assert first.execute(_CATALOG.encode()).fetchall() == second.execute(_CATALOG.encode()).fetchall()


def test_the_sqlite_table_equals_the_one_that_the_library_creates(tmp_path: Path) -> None:
    """A rowid table with the same columns and key."""
    _create(f"sqlite:///{tmp_path}/ours.db")
    library(f"sqlite:///{tmp_path}/theirs.db").close()
    catalogs = []
    for name in ("ours.db", "theirs.db"):
        connection = sqlite3.connect(tmp_path / name)
        catalogs.append(connection.execute(_SQLITE_CATALOG).fetchall())
        connection.close()
    assert catalogs[0] == catalogs[1]
    assert len(catalogs[0]) == 6


def test_the_library_reads_what_we_wrote(shared_log_url: str) -> None:
    """Its plain application opens the same tables and selects the same notifications, in the same order."""

    async def scenario() -> None:
        async with opened(shared_log_url) as log:
            await asyncio.gather(*(log.append(f"run-{n}", 0, [a_record(str(n)), a_record()]) for n in range(10)))
            await log.append("run-0", 2, [a_record("last")])
            ours = await collect(log, 21)
            application = library(shared_log_url)
            theirs = application.notification_log.select(start=1, limit=100)
            stored = application.recorder.select_events("run-0")
            application.close()
            assert [(n.id, key(n)) for n in theirs] == [(n.id, key(n)) for n in ours]
            assert [event.state for event in stored] == [b"0", b"{}", b"last"]

    asyncio.run(scenario())


def test_we_open_what_the_library_created_and_read_what_it_wrote(shared_log_url: str) -> None:
    """It may have come first."""

    async def scenario() -> None:
        application = library(shared_log_url)
        application.recorder.insert_events([StoredEvent("run", 1, "t", b"1"), StoredEvent("run", 2, "t", b"2")])
        async with opened(shared_log_url) as log:
            assert [record.state for record in await log.read("run")] == [b"1", b"2"]
            await log.append("run", 2, [a_record("3")])
        assert [event.state for event in application.recorder.select_events("run")] == [b"1", b"2", b"3"]
        application.close()

    asyncio.run(scenario())


def test_followers_miss_nothing_when_the_library_writes_beside_us(shared_log_url: str) -> None:
    """Its writers lock the table and ours the log; both must serialise, or positions become visible out of order."""

    async def scenario() -> None:
        async with opened(shared_log_url) as log, opened(shared_log_url) as other:
            applications = [library(shared_log_url) for _ in range(2)]

            def insert(name: str, application: Plain) -> None:
                for version in range(100):
                    application.recorder.insert_events([StoredEvent(name, version + 1, *a_record(str(version)))])

            async def append(name: str) -> None:
                for version in range(100):
                    await other.append(name, version, [a_record(str(version))])

            live = asyncio.create_task(collect(log, 600))
            await asyncio.gather(
                *(asyncio.to_thread(insert, f"theirs-{n}", application) for n, application in enumerate(applications)),
                *(append(f"ours-{n}") for n in range(4)),
            )
            seen = await live
            assert len({key(notification)[:2] for notification in seen}) == 600
            assert seen == await collect(log, 600)
            for application in applications:
                application.close()

    asyncio.run(scenario())


def test_a_table_with_uuid_originators_is_refused_with_a_way_out(postgres_url: str) -> None:
    """It belongs to another application; the message says what to do, and doing it helps."""
    library(postgres_url, originator_id_type="uuid").close()
    with pytest.raises(SchemaMismatch, match=r"uuid.*another database.*options=-csearch_path%3Damends"):
        _create(postgres_url)
    execute(postgres_url, "CREATE SCHEMA amends")
    separator = "&" if "?" in postgres_url else "?"

    async def scenario() -> None:
        async with opened(f"{postgres_url}{separator}options=-csearch_path%3Damends") as log:
            await log.append("run", 0, [a_record()])
            assert await log.read("run") == [a_record()]

    asyncio.run(scenario())


def test_a_table_with_other_columns_is_refused_and_left_alone(postgres_url: str) -> None:
    """No function is added beside a table that is not ours."""
    execute(postgres_url, "CREATE TABLE stored_events (id int)")
    with pytest.raises(SchemaMismatch, match="other columns"):
        _create(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'amends%'").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE stored_events (id INTEGER PRIMARY KEY)",
        """
        CREATE TABLE stored_events (
            originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB,
            PRIMARY KEY (originator_id, originator_version)
        ) WITHOUT ROWID
        """,
    ],
    ids=["other columns", "no rowid"],
)
def test_a_file_with_another_table_is_refused(tmp_path: Path, statement: str) -> None:
    """Also the one that the library's aggregate recorder makes, which has no order of all events."""
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute(statement)
    connection.close()
    with pytest.raises(SchemaMismatch):
        _create(f"sqlite:///{tmp_path}/log.db")


@pytest.mark.parametrize("value", ["yes", "1", "TRUE", "on"])
def test_the_library_option_that_opens_gaps_is_refused(
    postgres_url: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it the library writes without a lock, and a follower silently misses events (trap V2)."""
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", value)
    with pytest.raises(SchemaMismatch, match="POSTGRES_ENABLE_DB_FUNCTIONS"):
        _create(postgres_url)
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", "no")
    _create(postgres_url)


def test_a_role_that_may_create_nothing_uses_what_is_there(postgres_url: str) -> None:
    """The owner creates the tables once; the service's role needs to use them, and neither creates nor owns any."""
    name = f"{psycopg.conninfo.conninfo_to_dict(postgres_url)['dbname']}_role"
    role = sql.Identifier(name)
    execute(postgres_url, sql.SQL("CREATE ROLE {}").format(role))
    try:
        as_role = f"{postgres_url}{'&' if '?' in postgres_url else '?'}options={quote(f'-crole={name}')}"

        async def scenario() -> None:
            with pytest.raises(LogError, match="permission denied"):
                await open_log(as_role).open()
            async with opened(postgres_url):
                execute(postgres_url, *(sql.SQL(grant).format(role) for grant in _GRANTS))
            assert await migrate_log(as_role) == []
            async with opened(as_role) as log:
                await log.append("run", 0, [a_record()], Standing("onboard", 1))
                assert len(await collect(log, 1)) == 1
                pulse = log.pulse("ada", 60)
                pulse.beat()
                pulse.close()
                await log.append("run", 1, [a_record()], Standing("onboard", 1, "ada"))
                assert await log.claimable([("onboard", 1)], 1) == []
                await log.release("ada")
                assert len(await log.claimable([("onboard", 1)], 1)) == 1
                await log.append("run", 2, [a_record()], Standing("onboard", 1, at_rest=True))

        asyncio.run(scenario())
    finally:
        execute(postgres_url, sql.SQL("DROP OWNED BY {}").format(role), sql.SQL("DROP ROLE {}").format(role))


def test_a_weaker_default_of_the_database_does_not_weaken_the_log(postgres_url: str) -> None:
    """Durable is durable, and a stored version is read as committed, whatever the database was set to."""
    database = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]))
    for setting in ("synchronous_commit = off", "default_transaction_isolation = 'serializable'"):
        execute(postgres_url, sql.SQL("ALTER DATABASE {} SET ").format(database) + sql.SQL(setting))

    async def scenario() -> None:
        async with opened(postgres_url) as log, opened(postgres_url) as other:
            for version in range(0, 40, 2):
                outcomes = await asyncio.gather(
                    log.append("run", version, [a_record("a")] * 2),
                    other.append("run", version, [a_record("b")] * 2),
                    return_exceptions=True,
                )
                assert outcomes.count(None) == 1
                assert not any(isinstance(outcome, LogUnavailable) for outcome in outcomes)
            probe = log._writer.fetch  # type: ignore[attr-defined]
            assert await probe("SELECT current_setting('synchronous_commit')") == [("on",)]
            assert await probe("SELECT current_setting('transaction_isolation')") == [("read committed",)]

    asyncio.run(scenario())


def test_an_unreadable_url_is_refused_by_the_log_itself() -> None:
    """Before anything is opened."""
    with pytest.raises(InvalidName):
        open_log("postgresql://localhost/app?no_such_option=1")
