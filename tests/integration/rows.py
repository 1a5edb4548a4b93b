"""A table of users in the log's own database, and actions that write to it through `Call.connection`."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from tenacity import stop_after_attempt, wait_none

from amends import Action, Call
from amends.saga import events as e

__all__ = ["Rows", "connected", "insert"]

Play = Callable[[Call], Awaitable[object]]
_KEYWORDS: dict[str, Any] = {"stop": stop_after_attempt(3), "wait": wait_none(), "timeout": 20}


async def insert(connection: Any, name: str) -> None:
    """Add a user, through a connection of any kind."""
    if isinstance(connection, psycopg.AsyncConnection):
        await connection.execute("INSERT INTO users (name) VALUES (%s)", [name])
    else:
        _insert(connection, name)


def _insert(connection: Any, name: str) -> None:
    mark = "?" if isinstance(connection, sqlite3.Connection) else "%s"
    connection.execute(f"INSERT INTO users (name) VALUES ({mark})", [name])


async def _delete(connection: Any, name: str) -> None:
    if isinstance(connection, psycopg.AsyncConnection):
        await connection.execute("DELETE FROM users WHERE name = %s", [name])
    else:
        connection.execute("DELETE FROM users WHERE name = ?", [name])


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Yield a connection as a service would have one, in no transaction yet; it is rolled back at the end."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)
        try:
            yield connection
        finally:
            connection.close()
    else:
        server = await psycopg.AsyncConnection.connect(url)
        try:
            yield server
        finally:
            await server.close()


class Rows:
    """The table, as an onlooker sees it.

    Args:
        url: of the log; the table is made if it is not there.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.execute("CREATE TABLE IF NOT EXISTS users (name text NOT NULL)")

    def execute(self, statement: str) -> list[Any]:
        """Execute a statement in a transaction of its own; return its rows."""
        connection: Any
        if self.url.startswith("sqlite"):
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None, timeout=20)
        else:
            connection = psycopg.connect(self.url, autocommit=True)
        try:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    @property
    def names(self) -> list[str]:
        """The users that are there."""
        return [name for (name,) in self.execute("SELECT name FROM users ORDER BY name")]

    def agree_with(self, events: list[e.Event], name: str) -> None:
        """Assert that the user is there exactly if the log says that the step succeeded and was not undone."""
        done = sum(isinstance(event, e.ActionSucceeded) for event in events)
        undone = sum(isinstance(event, e.ActionCompensated) for event in events)
        assert self.names.count(name) == done - undone, (self.names, [type(event).__name__ for event in events])

    def action(self, name: str = "add-user", *, before: Any = None, after: Any = None, undoing: Any = None) -> Any:
        """Return an async action that adds a user, and plays this before and after its write, and after the undo's."""

        async def do(user: str, call: Call) -> str:
            await _play(before, call)
            await insert(call.connection, user)
            await _play(after, call)
            return user

        async def undo(user: str, output: str | None, call: Call) -> None:
            await _delete(call.connection, user)
            await _play(undoing, call)

        made: Action[str, str] = Action(name, do=do, transactional=True, **_KEYWORDS)
        made.undo(stop=stop_after_attempt(3), wait=wait_none(), timeout=20)(undo)
        return made

    def plain(
        self, name: str = "add-plainly", *, after: Callable[[Call], object] | None = None, **keywords: Any
    ) -> Any:
        """Return a plain action that adds a user and cannot be undone."""

        def do(user: str, call: Call) -> str:
            _insert(call.connection, user)
            if after is not None:
                after(call)
            return user

        return Action(name, do=do, transactional=True, irreversible=True, **(_KEYWORDS | keywords))


async def _play(play: Any, call: Call) -> None:
    if isinstance(play, list):
        play = play[call.attempt - 1] if call.attempt <= len(play) else None
    if isinstance(play, BaseException):
        raise play
    if play is not None:
        await play(call)
