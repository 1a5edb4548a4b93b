"""Who saw the payloads of which run: written down before they are shown."""

import logging

from .roles import Actor

__all__ = ["Views"]

_logger = logging.getLogger("amends.console.views")


class Views:
    """Writes down views of payloads."""

    async def record(self, actor: Actor, run_id: str, what: str) -> None:
        """Write down that somebody is about to see payloads of a run; nothing for those who do not see them."""
        if actor.payloads:
            _logger.info("%s sees payloads of %s (%s)", actor.name, run_id, what)
