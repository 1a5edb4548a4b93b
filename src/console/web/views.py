"""Who saw the payloads of which run: an event in the log before they are shown, so it is sealed and searched as others.

The events stand in a stream of this process, not in the run's: looking at a run must not disturb who has it, and an end
stays the last thing that happens to it (decision record 035). Where nothing can be written, nothing is shown.
"""

import asyncio
import os

from ...saga.access import PayloadsViewed
from ...saga.coordinator import Coordinator
from .roles import Actor

__all__ = ["Views"]


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

    async def record(self, actor: Actor, run_id: str, what: str) -> None:
        """Write down that somebody is about to see payloads of a run; nothing for those who do not see them.

        Raises:
            LogUnavailable: the database does not answer: show nothing.
        """
        if not actor.payloads:
            return
        host, _ = self._coordinator.runs.opened()
        event = PayloadsViewed(occurred_at=host.clock.now(), run_id=run_id, by=actor.name, what=what)
        async with self._writing:
            stream, version = self._stream, self._version
            # Until the reply is there nobody knows how long the stream is: the next one begins another.
            self._stream, self._version = _new_stream(), 0
            await host.log.append(stream, version, [host.codec.encode(event)])
            self._stream, self._version = stream, version + 1


def _new_stream() -> str:
    return f"~views/{os.urandom(12).hex()}"
