"""Which log a URL names, and what is said about those that name none."""

import pytest

from amends.errors import InvalidName
from amends.saga.log.memory import MemoryLog
from amends.saga.log.open import open_log
from amends.saga.log.postgres import PostgresLog
from amends.saga.log.sqlite import SQLiteLog


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryLog),
        ("sqlite:///relative.db", SQLiteLog),
        ("sqlite:////absolute/path.db", SQLiteLog),
        ("sqlite:///with%20space%3F.db", SQLiteLog),
        ("postgresql://localhost/app", PostgresLog),
        ("postgres://ada:secret@localhost:5433/app?sslmode=require", PostgresLog),
        ("postgresql:///app?host=/run/postgresql&options=-csearch_path%3Damends", PostgresLog),
    ],
)
def test_a_url_names_a_kind_of_log(url: str, kind: type) -> None:
    """Nothing is opened: no file appears and no server is asked."""
    assert type(open_log(url)) is kind


def test_a_file_name_is_relative_after_three_slashes_and_absolute_after_four() -> None:
    """As everywhere; percent signs are undone."""
    for rest, path in (("/a/b.db", "a/b.db"), ("//a/b.db", "/a/b.db"), ("/a%20b.db", "a b.db")):
        log = open_log(f"sqlite://{rest}")
        assert isinstance(log, SQLiteLog)
        assert str(log.path) == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "amends.db",
        "memory",
        "memory:",
        "memory://x",
        "sqlite:amends.db",
        "sqlite://",
        "sqlite:///",
        "sqlite://amends.db",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "mysql://ada:secret@localhost/app",
        "postgresql+psycopg://ada:secret@localhost/app",
        "host=localhost password=secret",
        "postgresql://ada:secret%zz@localhost/app",
        "postgresql://ada:secret@localhost/app?secret=secret",
    ],
)
def test_any_other_url_is_refused_without_repeating_it(url: str) -> None:
    """A URL may hold a password, and errors end up in logs."""
    with pytest.raises(InvalidName) as caught:
        open_log(url)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("url", ["amends.db", "mysql://localhost/app", "sqlite://amends.db", "sqlite://"])
def test_the_refusal_names_the_forms_that_are_accepted(url: str) -> None:
    """So that the next try is right."""
    with pytest.raises(InvalidName, match=r"memory://.*sqlite:///relative\.db.*sqlite:////.*postgresql://"):
        open_log(url)


def test_an_sqlite_log_in_memory_is_said_to_be_a_memory_log() -> None:
    """SQLite's own memory mode is not supported, and there is something that is."""
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(InvalidName, match="in memory use memory://"):
            open_log(url)
