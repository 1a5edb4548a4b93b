"""The story's users in real databases: created once, deleted by their own run only, whatever is repeated or lost."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from tenacity import wait_none

from amends import Action, Call, Coordinator, InvalidName, OutcomeUnknown, RunFailed, RunStatus
from amends.actions.onboarding import DatabaseUnavailable, EmailTaken, NewUser, StepUndone, User, Users
from amends.saga import events as e

ADA = NewUser(name="Ada", email="ada@example.com")


def call(key: str = "key-1") -> Call:
    return Call(run_id="run-1", step="1", attempt=1, idempotency_key=key)


def undo(of: str = "key-1") -> Call:
    return Call(run_id="run-1", step="1", attempt=1, idempotency_key=f"undo of {of}", undoes=of)


@pytest.fixture
def users(shared_log_url: str) -> Users:
    """An empty store of users, on SQLite and on PostgreSQL."""
    users = Users(shared_log_url)
    users.create_tables()
    return users


def emails(users: Users) -> list[str]:
    return [email for _, _, email in users.list()]


def test_one_key_makes_one_user(users: Users) -> None:
    """A repeated attempt gets the user of the first."""
    first = users.create(ADA, call())
    assert users.create(ADA, call()) == first
    assert users.list() == [(first.user_id, "Ada", "ada@example.com")]


def test_one_key_at_the_same_time_makes_one_user(users: Users) -> None:
    """Eight attempts that race agree on one row."""
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: users.create(ADA, call()), range(8)))
    assert len(made) == 1
    assert emails(users) == ["ada@example.com"]


def test_an_address_belongs_to_one_user(users: Users) -> None:
    """Another run that wants it is told so, and leaves no trace."""
    users.create(ADA, call())
    with pytest.raises(EmailTaken, match=r"ada@example\.com"):
        users.create(ADA, call("key-2"))
    assert len(users.list()) == 1


def test_an_undo_deletes_the_user(users: Users) -> None:
    """With the output that was recorded; and again, which changes nothing."""
    user = users.create(ADA, call())
    users.delete(ADA, user, undo())
    users.delete(ADA, user, undo())
    assert users.list() == []


def test_an_undo_finds_a_user_whose_id_was_never_learned(users: Users) -> None:
    """The reply was lost: the undo has no output and another idempotency key."""
    users.create(ADA, call())
    users.delete(ADA, None, undo())
    assert users.list() == []


def test_an_undo_without_anything_there_does_nothing(users: Users) -> None:
    """The attempt never landed."""
    users.delete(ADA, None, undo())
    assert users.list() == []


def test_an_undo_never_touches_the_user_of_another_step(users: Users) -> None:
    """The second step failed because the address was taken; its undo leaves the owner of the address alone."""
    user = users.create(ADA, call())
    for output in (None, user):
        users.delete(ADA, output, undo("key-2"))
    assert emails(users) == ["ada@example.com"]


def test_an_attempt_that_comes_after_its_undo_is_refused(users: Users) -> None:
    """A thread that was given up, and woke up late."""
    users.delete(ADA, None, undo())
    with pytest.raises(StepUndone):
        users.create(ADA, call())
    assert users.list() == []


def test_an_attempt_and_its_undo_at_the_same_time_leave_nothing(users: Users) -> None:
    """Whichever comes first, the net effect is none; 20 races, and a new sign-up is possible after each."""

    def create(key: str) -> None:
        try:
            users.create(ADA, call(key))
        except StepUndone:
            return

    with ThreadPoolExecutor(2) as threads:
        for key in (str(uuid4()) for _ in range(20)):
            races = [threads.submit(create, key), threads.submit(users.delete, ADA, None, undo(key))]
            assert [race.result() for race in races] == [None, None]
            assert users.list() == []


def test_tables_are_created_by_many_at_once(shared_log_url: str) -> None:
    """Twelve services that start together on an empty database."""
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: Users(shared_log_url, schema="people").create_tables(), range(12)))
    assert Users(shared_log_url, schema="people").list() == []


def test_a_schema_keeps_the_users_apart(postgres_url: str) -> None:
    """A table of the same name that the service has already is not seen."""
    apart, service = Users(postgres_url, schema='odd "name'), Users(postgres_url)
    for users in (apart, service):
        users.create_tables()
    apart.create(ADA, call())
    assert (emails(apart), emails(service)) == (["ada@example.com"], [])


def test_a_busy_file_is_worth_another_try(sqlite_url: str) -> None:
    """Somebody else holds SQLite's lock for longer than the time limit."""
    users = Users(sqlite_url, timeout_seconds=0.05)
    users.create_tables()
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            users.create(ADA, call())
    finally:
        other.close()
    users.create(ADA, call())
    assert emails(users) == ["ada@example.com"]


def test_a_row_that_stays_locked_is_worth_another_try(postgres_url: str) -> None:
    """PostgreSQL gives the statement up after the time limit; nothing was changed."""
    users = Users(postgres_url, timeout_seconds=0.1)
    users.create_tables()
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE users")
        with pytest.raises(DatabaseUnavailable, match="QueryCanceled"):
            users.create(ADA, call())
    users.create(ADA, call())
    assert emails(users) == ["ada@example.com"]


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/users.db", "postgresql://127.0.0.1:9/app"])
def test_a_database_that_is_away_is_worth_another_try(url: str) -> None:
    """Nothing was changed, and the error says what the driver said."""
    with pytest.raises(DatabaseUnavailable, match="OperationalError"):
        Users(url).list()


def test_a_commit_without_an_answer_is_unknown(postgres_url: str) -> None:
    """The server goes away during COMMIT, here because a deferred trigger ends its process."""
    users = Users(postgres_url)
    users.create_tables()
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION die()"
        )
    with pytest.raises(OutcomeUnknown, match="not answered"):
        users.create(ADA, call())


def test_other_databases_are_refused_by_name() -> None:
    """Before anything is opened, and without repeating a password."""
    with pytest.raises(InvalidName, match="sqlite:///FILE") as refused:
        Users("mysql://app:secret@db/app")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("schema", ["public", "the story's"])
def test_a_user_and_the_record_of_it_are_one_write(shared_log_url: str, schema: str) -> None:
    """In a transactional action, wherever its tables are: what an attempt wrote that then failed is not there."""
    users, fails = Users(shared_log_url, schema=schema), [True]
    users.create_tables()

    def create(new_user: NewUser, call: Call) -> User:
        user = users.create(new_user, call)
        if fails and fails.pop():
            raise ConnectionError("after its write")
        return user

    made: Action[NewUser, User] = Action("create", do=create, transactional=True, timeout=20, wait=wait_none())
    made.undo(timeout=20)(users.delete)

    async def scenario() -> None:
        async with Coordinator(shared_log_url, actions=[made]) as coordinator:
            user = await coordinator.invoke(made, ADA, run_id="run")
            handle = coordinator.handle("run")
            history = await handle.history()
            assert [type(event) for event in history if isinstance(event, e.ActionFailed | e.ActionUnknown)] == [
                e.ActionFailed
            ]
            assert users.list() == [(user.user_id, "Ada", "ada@example.com")]
            await handle.undo(by="ada", reason="a test")
            with pytest.raises(RunFailed):
                await handle.result()
            assert await handle.status() is RunStatus.COMPENSATED

    asyncio.run(scenario())
    assert users.list() == []
