"""What the handlers of a console share: the coordinator, the audit view, and what is open while it runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from ...errors import AmendsError
from ...projections import Audit, AuditView, Follower
from ...saga.coordinator import Coordinator
from .metrics import Metrics
from .problems import Problem
from .sessions import Sessions
from .settings import ConsoleSettings
from .table import Endpoint
from .views import Views

__all__ = ["Console"]

T = TypeVar("T")

_logger = logging.getLogger("amends.console")


class Console:
    """One console.

    Args:
        coordinator: whose runs, actions and sagas it shows; opened and closed by whoever made it.
        settings: of the console.
        table: its routes.

    Attributes:
        coordinator: as given.
        settings: as given.
        table: as given.
        views: writes down who saw payloads.
        sessions: of those who look at the pages.
        metrics: what is counted.
        stream_count: how many streams are open.
        follower: what keeps the audit view up to date from here, if anything does.
        closing: set when it is about to end: streams end then, and nobody waits for a run any more.
    """

    def __init__(self, coordinator: Coordinator, settings: ConsoleSettings, table: Sequence[Endpoint]) -> None:
        self.coordinator = coordinator
        self.settings = settings
        self.sessions = Sessions()
        self.table = table
        self.metrics = Metrics(coordinator)
        self.stream_count = 0
        self.closing = asyncio.Event()
        self.follower: Follower | None = None
        self.views = Views(coordinator)
        url = coordinator.log_url
        self._follow_url = None if url is None or url.startswith("memory:") else url
        searched = settings.audit_url or self._follow_url
        self._audit = None if searched is None else AuditView(searched)

    @property
    def audit(self) -> AuditView:
        """The audit view.

        Raises:
            Problem: there is none, because the log is in memory.
        """
        if self._audit is None:
            raise Problem(501, "nothing-to-search", "a log in memory cannot be searched; use SQLite or PostgreSQL")
        return self._audit

    async def found(self, asked: Awaitable[T]) -> T:
        """Return what is asked of the audit view, one question after the other, unless that takes too long.

        Raises:
            Problem: it does; whoever waits behind it is not asked for any more.
        """
        try:
            async with asyncio.timeout(self.settings.search_seconds):
                return await asked
        except TimeoutError:
            said = f"not found within {self.settings.search_seconds:g} s; narrow it down (saga, since), or ask again"
            raise Problem(503, "search-timeout", said, headers={"Retry-After": "5"}) from None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the audit view up to date, if that was asked for, and let go of its connections at the end."""
        async with AsyncExitStack() as stack:
            if self._audit is not None:
                await stack.enter_async_context(self._audit)
            if self.settings.follow and self._follow_url is not None:
                try:
                    self.follower = await stack.enter_async_context(Follower(self._follow_url, Audit()))
                except AmendsError as error:
                    _logger.warning("the audit view is not kept up to date: %s", error)
            yield
            self.closing.set()
