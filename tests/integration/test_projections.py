"""Projections on real databases: followed live, by one of several, over outages, with bad events set aside."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

from amends import DefinitionError, InvalidName, LogError, ProjectionAhead, ProjectionOutdated, SchemaMismatch
from amends.projections import (
    Audit,
    Follower,
    FollowerState,
    Projection,
    Projections,
    RecordedEvent,
    Role,
    Table,
    Upsert,
    rebuild,
)
from amends.projections.projection import Cell
from amends.saga import events as e
from amends.saga.log.port import Record
from tests.integration.test_library_reads_the_log import environment
from tests.logs import opened
from tests.postgres import execute
from tests.unit.recorded import unwound_run
from tests.views import append, fill, hold_to_the_log

HISTORIES = {f"run-{number}": unwound_run() for number in range(6)}
COUNT = sum(map(len, HISTORIES.values()))


class Seen(Projection):
    """Counts how often each event was applied: more than once would be seen."""

    name = "seen"
    tables = (Table("seen", key=("position",), sums=("times",)),)
    sql = "CREATE TABLE {seen} (position bigint PRIMARY KEY, run_id text, version bigint, times bigint);"

    def changes(self, recorded: RecordedEvent) -> Iterable[Upsert]:
        place: dict[str, Cell] = {"run_id": recorded.run_id, "version": recorded.version, "times": 1}
        yield Upsert("seen", (recorded.position,), place)


def rows(url: str, query: str) -> list[Any]:
    """Ask the database itself."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query).fetchall()
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def run_sql(url: str, *statements: str) -> None:
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            for statement in statements:
                connection.execute(statement)
    else:
        execute(url, *statements)


def each_once(url: str, count: int) -> bool:
    """Whether so many events were seen, each once, and each that is in the log."""
    position = "rowid" if url.startswith("sqlite:///") else "notification_id"
    seen = rows(url, "SELECT position, run_id, version, times FROM seen ORDER BY position")
    log = rows(url, f"SELECT {position}, originator_id, originator_version, 1 FROM stored_events ORDER BY 1")
    return seen == log and len(seen) == count


@asynccontextmanager
async def following(url: str, *projections: Projection) -> AsyncIterator[Follower]:
    async with asyncio.timeout(60), Follower(url, *projections) as follower:
        yield follower


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - it is changed by others
            await asyncio.sleep(0.01)


def test_a_follower_applies_what_is_there_and_what_comes(shared_log_url: str) -> None:
    """Two projections at once, each in its own time."""
    url = shared_log_url

    async def scenario() -> None:
        async with opened(url) as log:
            await append(log, {"run-0": HISTORIES["run-0"]})
            async with following(url, Audit(), Seen()) as follower:
                await follower.caught_up("seen")
                await append(log, {run_id: events for run_id, events in HISTORIES.items() if run_id != "run-0"})
                await follower.caught_up()
                assert [state.applied_count for state in follower.states] == [COUNT, COUNT]

    asyncio.run(scenario())
    assert each_once(url, COUNT)
    hold_to_the_log(url, HISTORIES)


def test_a_follower_that_comes_back_goes_on_where_it_was(shared_log_url: str) -> None:
    async def once() -> int:
        async with following(shared_log_url, Seen()) as follower:
            await follower.caught_up()
            return follower.states[0].applied_count

    fill(shared_log_url, {"run-0": HISTORIES["run-0"]})
    first = asyncio.run(once())
    fill(shared_log_url, {"run-1": HISTORIES["run-1"]})
    assert [first, asyncio.run(once()), asyncio.run(once())] == [len(HISTORIES["run-0"]), len(HISTORIES["run-1"]), 0]
    assert each_once(shared_log_url, first * 2)


def test_of_two_followers_one_applies_and_the_other_takes_over(
    shared_log_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is applied twice while both try, nor when the one goes away."""
    monkeypatch.setattr("amends.projections.pursuit.TAKEOVER_SECONDS", 0.1)
    monkeypatch.setattr("amends.projections.pursuit.LOOK_SECONDS", 0.05)
    url = shared_log_url

    async def scenario() -> None:
        async with opened(url) as log, following(url, Seen()) as one:
            async with following(url, Seen()) as other:
                await append(log, {run_id: HISTORIES[run_id] for run_id in ("run-0", "run-1")})
                await one.caught_up()
            await append(log, {run_id: HISTORIES[run_id] for run_id in ("run-2", "run-3")})
            await one.caught_up()
            assert one.states[0].applied_count + other.states[0].applied_count == COUNT // 6 * 4

    asyncio.run(scenario())
    assert each_once(url, COUNT // 6 * 4)


class Faulty(Seen):
    """Cannot cope with a failure; nor with a waiver, for which it returns what no database takes."""

    def changes(self, recorded: RecordedEvent) -> Iterable[Upsert]:
        match recorded.event:
            case e.ActionFailed():
                raise ValueError("token=abcdefgh12345678 is\x00not right")
            case e.RunFailing():
                yield Upsert("seen", (recorded.position,), {"nothing_of_that_name": 1})
            case e.RunCompensated():
                yield Upsert("seen", (recorded.position,), {"times": 2**80})
            case _:
                yield from super().changes(recorded)


BAD = [Record("antigravity:geohash", b"{}"), Record(e.RunStarted.TOPIC, b'{"saga":1}'), Record(e.RunStarted.TOPIC, b"")]


def test_an_event_that_cannot_be_applied_is_set_aside(shared_log_url: str) -> None:
    """A foreign topic, an event that cannot be read, one that the projection or the database refuses: the others go on.

    Nothing is imported, and no secret is copied.
    """
    url = shared_log_url

    async def scenario() -> list[Any]:
        async with opened(url) as log:
            for number, bad in enumerate(BAD):
                await log.append(f"bad-{number}", 0, [bad])
            await append(log, {"run-0": HISTORIES["run-0"]})
        async with following(url, Faulty(), Audit()) as follower:
            await follower.caught_up()
        async with Projections(url) as projections:
            status = await projections.status("seen")
            assert (status.quarantined_count, status.lag_positions, status.lag_seconds) == (8, 0, 0.0)
            page = await projections.quarantined("seen", limit=3)
            rest = await projections.quarantined("seen", after_position=page[-1].position)
            assert len(await projections.quarantined("audit")) == len(BAD)
            return [*page, *rest]

    found = asyncio.run(scenario())
    assert [each.error_type for each in found[:3]] == ["LogCorrupt"] * 3
    assert [each.run_id for each in found[:3]] == ["bad-0", "bad-1", "bad-2"]
    assert found[0].topic == "antigravity:geohash"
    assert {each.error_type for each in found[3:]} >= {"ValueError", "DefinitionError"}
    assert {each.try_count for each in found} == {1}
    assert not any("abcdefgh12345678" in each.error for each in found)
    assert "antigravity" not in sys.modules
    (seen,) = rows(url, "SELECT count(*) FROM seen")
    assert seen == (len(HISTORIES["run-0"]) - 5,)
    hold_to_the_log(url, {"run-0": HISTORIES["run-0"]})


def test_a_rebuild_tries_what_was_set_aside_again(shared_log_url: str) -> None:
    """With code that can, it is applied, in its place; what still fails is counted."""
    url = shared_log_url
    fill(url, {"run-0": HISTORIES["run-0"]})

    async def scenario() -> list[int]:
        async with following(url, Faulty()) as follower:
            await follower.caught_up()
        await rebuild(url, Faulty())
        async with Projections(url) as projections:
            tries = [each.try_count for each in await projections.quarantined("seen")]
        done = await rebuild(url, Seen())
        assert done.quarantined_count == 0
        return tries

    assert set(asyncio.run(scenario())) == {2}
    assert each_once(url, len(HISTORIES["run-0"]))


def test_a_table_that_is_gone_stops_nothing_for_ever(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported and tried again, and no event is blamed for it."""
    monkeypatch.setattr("amends.projections.pursuit.LONGEST_PAUSE_SECONDS", 0.05)
    url = shared_log_url

    async def scenario() -> FollowerState:
        async with opened(url) as log, following(url, Seen()) as follower:
            await follower.caught_up()
            run_sql(url, "ALTER TABLE seen RENAME TO elsewhere")
            await append(log, {"run-0": HISTORIES["run-0"]})
            await until(lambda: follower.states[0].role is Role.FAILING)
            failing = follower.states[0]
            run_sql(url, "ALTER TABLE elsewhere RENAME TO seen")
            await follower.caught_up()
            assert follower.states[0].error is None
            return failing

    failing = asyncio.run(scenario())
    assert failing.error is not None
    assert failing.error.startswith("SchemaMismatch")
    assert failing.failing_since is not None
    assert each_once(url, len(HISTORIES["run-0"]))


def test_tables_of_another_version_are_not_written_to(shared_log_url: str) -> None:
    """Until a rebuild; from then on, the old code is the one that stops."""

    class Newer(Seen):
        version = 2

    url = shared_log_url
    fill(url, {"run-0": HISTORIES["run-0"]})

    async def scenario() -> None:
        async with following(url, Seen()) as old:
            await old.caught_up()
            with pytest.raises(ProjectionOutdated, match="rebuild"):
                async with following(url, Newer()):
                    pass
            await rebuild(url, Newer())
            await until(lambda: old.states[0].role is Role.FAILING)
            assert "ProjectionOutdated" in str(old.states[0].error)

    asyncio.run(scenario())
    assert each_once(url, len(HISTORIES["run-0"]))


@pytest.mark.parametrize("then", ["shorter", "other"])
def test_a_log_that_was_restored_is_noticed(shared_log_url: str, then: str) -> None:
    """Whether it is shorter now, or has other events in the same places. A rebuild is the way out."""
    url = shared_log_url
    fill(url, {"run-0": HISTORIES["run-0"]})
    fill(url, {"run-1": HISTORIES["run-1"]})

    async def scenario() -> None:
        async with following(url, Seen()) as follower:
            await follower.caught_up()
            if then == "other":
                run_sql(url, "UPDATE stored_events SET originator_id = 'run-2' WHERE originator_id = 'run-1'")
            else:
                run_sql(url, "DELETE FROM stored_events WHERE originator_id = 'run-1' AND originator_version > 2")
            await until(lambda: follower.states[0].role is Role.FAILING)
        async with Projections(url) as projections:
            assert (await projections.status("seen")).is_ahead
        with pytest.raises(ProjectionAhead, match="rebuild"):
            async with following(url, Seen()):
                pass
        await rebuild(url, Seen())
        async with following(url, Seen()), Projections(url) as projections:
            assert not (await projections.status("seen")).is_ahead

    asyncio.run(scenario())
    assert each_once(url, len(HISTORIES["run-0"]) + (2 if then == "shorter" else len(HISTORIES["run-1"])))


def test_an_empty_log_can_be_followed_and_rebuilt(shared_log_url: str) -> None:
    async def scenario() -> None:
        async with Projections(shared_log_url) as projections, opened(shared_log_url):
            assert list(await projections.statuses()) == []
            assert list(await projections.quarantined("seen")) == []
            assert (await rebuild(shared_log_url, Seen())).swapped
            async with following(shared_log_url, Seen()) as follower:
                await follower.caught_up()
            assert [status.name for status in await projections.statuses()] == ["seen"]

    asyncio.run(scenario())


def test_how_late_a_projection_is_can_be_seen_from_outside(shared_log_url: str) -> None:
    """Without a follower: how many positions, how old, and that it stands still."""
    url = shared_log_url

    async def scenario() -> None:
        async with opened(url) as log, Projections(url) as projections:
            async with following(url, Seen()) as follower:
                await follower.caught_up()
            await append(log, {"run-0": HISTORIES["run-0"]})
            late = await projections.status("seen", stalled_after_seconds=0.0)
            assert (late.position, late.lag_positions, late.is_stalled) == (0, len(HISTORIES["run-0"]), True)
            assert late.lag_seconds > 3600
            assert not (await projections.status("seen", stalled_after_seconds=3600)).is_stalled

    asyncio.run(scenario())


def test_a_log_in_memory_is_refused() -> None:
    for attempt in (lambda: Follower("memory://", Seen()), lambda: Projections("memory://")):
        with pytest.raises(InvalidName, match="memory"):
            attempt()
    with pytest.raises(InvalidName, match="memory"):
        asyncio.run(rebuild("memory://", Seen()))


def test_the_librarys_database_functions_are_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With them the library writes without the log's lock, and followers would miss events (trap V2)."""
    fill(postgres_url, {})
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", "yes")

    async def follow() -> None:
        async with following(postgres_url, Seen()):
            pass

    doings: list[Callable[[], Awaitable[object]]] = [follow, lambda: rebuild(postgres_url, Seen())]
    for doing in doings:
        with pytest.raises(SchemaMismatch, match="POSTGRES_ENABLE_DB_FUNCTIONS"):
            asyncio.run(_awaited(doing))


async def _awaited(doing: Callable[[], Awaitable[object]]) -> None:
    await doing()


@pytest.mark.parametrize("library_first", [True, False])
def test_the_position_is_the_librarys_own(shared_log_url: str, library_first: bool) -> None:
    """Its tracking recorders make the same table, whoever comes first, and read and guard the same position."""
    url = shared_log_url
    fill(url, {"run-0": HISTORIES["run-0"]})
    settings = environment(url)

    def library(use: Callable[[Any], Any]) -> Any:
        if url.startswith("sqlite:///"):
            with closing(SQLiteDatastore(settings["SQLITE_DBNAME"], originator_id_type="text")) as sqlite:
                return _with_table(SQLiteTrackingRecorder(sqlite), use)
        with PostgresDatastore(
            settings["POSTGRES_DBNAME"],
            settings["POSTGRES_HOST"],
            settings["POSTGRES_PORT"],
            settings["POSTGRES_USER"],
            settings["POSTGRES_PASSWORD"],
            originator_id_type="text",
        ) as postgres:
            return _with_table(PostgresTrackingRecorder(postgres), use)

    if library_first:
        library(lambda recorder: None)

    async def follow() -> None:
        async with following(url, Seen()) as follower:
            await follower.caught_up()

    asyncio.run(follow())
    assert library(lambda recorder: recorder.max_tracking_id("seen")) == len(HISTORIES["run-0"])


def _with_table(recorder: Any, use: Callable[[Any], Any]) -> Any:
    recorder.create_table()
    return use(recorder)


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"name": "Robert'); DROP TABLE"}, "name"),
        ({"version": 0}, "version"),
        ({"tables": ()}, "tables"),
        ({"tables": (Table("seen", key=()),)}, "key"),
        ({"tables": (Table('a"b', key=("a",)),)}, "names"),
        ({"tables": Seen.tables * 2}, "one name"),
        ({"sql": None}, "sql"),
    ],
)
def test_a_projection_that_is_put_together_wrongly_is_refused(attributes: dict[str, Any], match: str) -> None:
    projection = type("Wrong", (Seen,), attributes)()
    with pytest.raises(DefinitionError, match=match):
        Follower("sqlite:///x.db", projection)


def test_a_table_of_somebody_else_is_left_alone(shared_log_url: str) -> None:
    fill(shared_log_url, {})
    run_sql(shared_log_url, "CREATE TABLE seen (theirs text)", "INSERT INTO seen VALUES ('x')")

    async def scenario() -> None:
        async with following(shared_log_url, Seen()):
            pass

    with pytest.raises(SchemaMismatch, match="already exists"):
        asyncio.run(scenario())
    assert rows(shared_log_url, "SELECT theirs FROM seen") == [("x",)]


@pytest.mark.parametrize("sql", ["CREATE TABLE {other} (a text)", "CREATE TABLE {seen} ({A b} text)", ""])
def test_sql_that_does_not_make_the_tables_is_refused(shared_log_url: str, sql: str) -> None:
    fill(shared_log_url, {})
    projection = type("Wrong", (Seen,), {"sql": sql})()

    async def scenario() -> None:
        async with following(shared_log_url, projection):
            pass

    with pytest.raises((DefinitionError, LogError)):
        asyncio.run(scenario())
