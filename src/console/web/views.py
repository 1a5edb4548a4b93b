"""Who saw the payloads of which run, or the texts of its errors: an event in the log before they are shown.

So it is sealed and searched as others.

The events stand in a stream of this process, not in the run's: looking at a run must not disturb who has it, and an end
stays the last thing that happens to it (decision record 035). Where nothing can be written, nothing is shown.

Texts of errors stand in every list, and a page that is live is fetched at each move of its run. So one look at them is
on record for an hour, for each token and run.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ...saga.access import PayloadsViewed
from ...saga.coordinator import Coordinator
from .roles import Actor

__all__ = ["Views"]

TEXTS_LAST = timedelta(hours=1)
"""For how long a view of the texts of a run's errors is not written down again."""

MAX_REMEMBERED = 20_000
"""Of how many views of texts that is known. Beyond, one is written down again earlier, which says nothing wrong."""

NO_RUN = "*"
"""What stands in the place of the run where all were searched."""


class Views:
    """Writes down views of payloads.

    Args:
        coordinator: into whose log.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._stream = _new_stream()
        self._version = 0
        self._writing = asyncio.Lock()
        self._texts: dict[tuple[str, str], datetime] = {}

    async def record(self, actor: Actor, run_id: str, what: str) -> None:
        """Write down that somebody is about to see payloads of a run; nothing for those who do not see them.

        Raises:
            LogUnavailable: the database does not answer: show nothing.
        """
        if actor.payloads:
            await self._write(actor, [run_id], what)

    async def record_search(self, actor: Actor) -> None:
        """Write down that somebody searches the texts of errors; not for what, which may be a payload itself.

        Raises:
            LogUnavailable: the database does not answer: find nothing.
        """
        await self.record(actor, NO_RUN, "a search for a text of errors")

    async def record_texts(self, actor: Actor, run_ids: Iterable[str]) -> None:
        """Write down that somebody is about to see texts of errors of runs, where that is not on record by now.

        Raises:
            LogUnavailable: the database does not answer: show nothing.
        """
        if not actor.payloads:
            return
        now = self._coordinator.runs.opened()[0].clock.now()
        seen_at = {run_id: self._texts.get((actor.name, run_id)) for run_id in run_ids}
        unseen = [run_id for run_id, at in seen_at.items() if at is None or now - at >= TEXTS_LAST]
        if not unseen:
            return
        await self._write(actor, unseen, "texts of errors")
        for run_id in unseen:
            self._texts.pop((actor.name, run_id), None)
            self._texts[actor.name, run_id] = now
        while len(self._texts) > MAX_REMEMBERED:
            del self._texts[next(iter(self._texts))]

    async def _write(self, actor: Actor, run_ids: Sequence[str], what: str) -> None:
        host, _ = self._coordinator.runs.opened()
        now = host.clock.now()
        views = [PayloadsViewed(occurred_at=now, run_id=run_id, by=actor.name, what=what) for run_id in run_ids]
        async with self._writing:
            stream, version = self._stream, self._version
            # Until the reply is there nobody knows how long the stream is: the next one begins another.
            self._stream, self._version = _new_stream(), 0
            await host.log.append(stream, version, [host.codec.encode(view) for view in views])
            self._stream, self._version = stream, version + len(views)


def _new_stream() -> str:
    return f"~views/{os.urandom(12).hex()}"
