"""The three logs keep the contract that `amends.testing` ships for those who write a fourth."""

from typing import ClassVar

import pytest

from amends.saga.log.memory import MemoryLog
from amends.saga.log.open import open_log
from amends.testing.log_contract import LetLapse, LogContract, MakeLog
from tests.leases import let_lapse as let_lapse_in


class TestMemory(LogContract):
    shared_storage: ClassVar[bool] = False

    @pytest.fixture
    def make_log(self) -> MakeLog:
        return MemoryLog

    @pytest.fixture
    def let_lapse(self) -> LetLapse:
        return lambda log, worker, seconds: let_lapse_in(log, "memory://", worker, seconds)


class _OnADatabase(LogContract):
    url_fixture: ClassVar[str]

    @pytest.fixture
    def url(self, request: pytest.FixtureRequest) -> str:
        return str(request.getfixturevalue(self.url_fixture))

    @pytest.fixture
    def make_log(self, url: str) -> MakeLog:
        return lambda: open_log(url)

    @pytest.fixture
    def let_lapse(self, url: str) -> LetLapse:
        return lambda log, worker, seconds: let_lapse_in(log, url, worker, seconds)


class TestSQLite(_OnADatabase):
    url_fixture: ClassVar[str] = "sqlite_url"


class TestPostgreSQL(_OnADatabase):
    url_fixture: ClassVar[str] = "postgres_url"
