"""SQLite and PostgreSQL keep the contract of logs that lend transactions, which `amends.testing` ships as well."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from amends.saga.log.open import open_log
from amends.testing.log_contract import MakeLog, MakeRows, TransactionalContract
from tests.integration.rows import Rows, connected, insert


class _UserRows:
    """The table of users of the other tests, as the contract asks for one."""

    def __init__(self, url: str) -> None:
        self._rows = Rows(url)

    async def add(self, connection: Any, text: str) -> None:
        await insert(connection, text)

    async def seen(self) -> list[str]:
        return self._rows.names

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        async with connected(self._rows.url) as connection:
            yield connection

    async def commit(self, connection: Any) -> None:
        done = connection.commit()
        if done is not None:
            await done


class _OnADatabase(TransactionalContract):
    url_fixture: ClassVar[str]

    @pytest.fixture
    def url(self, request: pytest.FixtureRequest) -> str:
        return str(request.getfixturevalue(self.url_fixture))

    @pytest.fixture
    def make_log(self, url: str) -> MakeLog:
        return lambda: open_log(url)

    @pytest.fixture
    def make_rows(self, url: str) -> MakeRows:
        return lambda: _UserRows(url)


class TestSQLite(_OnADatabase):
    url_fixture: ClassVar[str] = "sqlite_url"


class TestPostgreSQL(_OnADatabase):
    url_fixture: ClassVar[str] = "postgres_url"
