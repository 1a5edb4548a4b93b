"""Writes the start of a run that is left to whichever worker claims it first."""

from .events import RunStarted
from .host import Host
from .standing import standing_of_start

__all__ = ["start_for_anybody"]


async def start_for_anybody(host: Host, run_id: str, started: RunStarted) -> None:
    """Append the start of a run, so that it may be claimed.

    Raises:
        AppendConflict: there is a run of that id.
        LogUnavailable: nobody knows whether it was started.
    """
    await host.log.append(run_id, 0, [host.codec.encode(started)], standing_of_start(started))
    host.observers.recorded_start(run_id, started)
