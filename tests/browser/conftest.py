"""The browser, once for each process, and a window for each test."""

from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from tests.browser.browsing import Stage, Visit, stage_on
from tests.browser.chromium import chromium_or_leave


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where the browser is. Where there is none, these tests are left out, but never in CI."""
    return chromium_or_leave()


@pytest.fixture(scope="session")
def stage(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, object]]:
    """A served console, and the browser to look at it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('browser')}/log.db"
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(stage_on(url, chromium_path)) as found,
    ):
        yield found, portal


@pytest.fixture
def visit(stage: tuple[Stage, object]) -> Iterator[Visit]:
    """A visit, in the end of which nothing may have happened that no page of ours does."""
    found = Visit(*stage)  # type: ignore[arg-type]
    yield found
    found.portal.call(found.close)
    assert found.complaints == []
