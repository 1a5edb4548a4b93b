"""What the handlers of a console share: the coordinator, the audit view, and what is open while it runs."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from ...errors import AmendsError
from ...projections import Audit, AuditView, Follower
from ...saga.coordinator import Coordinator
from .problems import Problem
from .sessions import Sessions
from .settings import ConsoleSettings
from .views import Views

__all__ = ["Console"]

_logger = logging.getLogger("amends.console")


class Console:
    """One console.

    Args:
        coordinator: whose runs, actions and sagas it shows; opened and closed by whoever made it.
        settings: of the console.

    Attributes:
        coordinator: as given.
        settings: as given.
        views: writes down who saw payloads.
        sessions: of those who look at the pages.
        closing: it is about to end, and so are its streams.
    """

    def __init__(self, coordinator: Coordinator, settings: ConsoleSettings) -> None:
        self.coordinator = coordinator
        self.settings = settings
        self.closing = False
        self.sessions = Sessions()
        self.views = Views()
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

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the audit view up to date, if that was asked for, and let go of its connections at the end."""
        async with AsyncExitStack() as stack:
            if self._audit is not None:
                await stack.enter_async_context(self._audit)
            if self.settings.follow and self._follow_url is not None:
                try:
                    await stack.enter_async_context(Follower(self._follow_url, Audit()))
                except AmendsError as error:
                    _logger.warning("the audit view is not kept up to date: %s", error)
            yield
            self.closing = True
