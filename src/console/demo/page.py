"""Shows the runs of the demo in a browser while its systems are still there: what is told a run there happens."""

import socket
from collections.abc import Callable
from http import HTTPStatus

from ...projections import Audit, Follower
from ..factories import speaker, stop_signal
from ..web import ConsoleSettings, console_app
from ..web.server import serve_until
from .contacts import problem
from .stage import Stage

__all__ = ["get_stuck", "serve_page"]

_REFUSED = problem(HTTPStatus.FORBIDDEN, "MISSING_SCOPES", "This token may not archive contacts")


async def get_stuck(stage: Stage, run_id: str) -> None:
    """Have a completed run undone, and wait until it is parked, because the CRM refuses once."""
    stage.crm.fail_next(1, _REFUSED, method="DELETE")
    await stage.coordinator.undo(run_id, by="demo", reason="she has asked to be forgotten")
    await stage.coordinator.runs.at_rest(run_id)


async def serve_page(stage: Stage, run_id: str, listening: socket.socket, say: Callable[[str], None]) -> None:
    """Serve the pages until the process is told to stop.

    Args:
        stage: the systems.
        run_id: a completed run, which is undone first and gets stuck: so one sees what needs a person.
        listening: where to serve.
        say: prints lines.
    """
    await get_stuck(stage, run_id)
    async with Follower(stage.systems.log_url, Audit()) as follower:
        await follower.caught_up()
    stopping = stop_signal(speaker("demo"))
    say(f"\nThe runs in a browser: http://127.0.0.1:{listening.getsockname()[1]}/ (Ctrl-C ends it)")
    say(f"{run_id} was undone and got stuck at the CRM. Retry it there: by now the CRM lets it.")
    await serve_until(console_app(stage.coordinator, ConsoleSettings(follow=True)), listening, stopping)
