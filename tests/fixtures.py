"""The databases that tests ask for by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import fresh_database, running_server

__all__ = ["amends_postgres_server", "log_url", "postgres_server", "postgres_url", "shared_log_url", "sqlite_url"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server's maintenance database."""
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def amends_postgres_server(postgres_server: str) -> str:
    """The same server for tests that use the plugin, which would skip them if there were none."""
    return postgres_server


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database on a real server."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a file that is not there yet."""
    return f"sqlite:///{tmp_path}/log.db"


def _url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty log, for each kind of log."""
    return _url(request)


@pytest.fixture(params=["sqlite", "postgres"])
def shared_log_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty log that several objects and processes can open, for each such kind."""
    return _url(request)
