"""Moves starts that their callers have committed into the log: by workers, and by whoever asks for such a run."""

import logging

from ..errors import AmendsError, LogUnavailable
from .events import RunStarted
from .host import Host
from .log.transactions import Taken, Transactional, lending
from .sameness import check_same
from .state import fold

__all__ = ["move_starts"]

STARTS_AT_ONCE = 50
"""How many are moved in one transaction, which holds up every append to the log."""

_logger = logging.getLogger("amends.starts")


async def move_starts(host: Host, wanted: str | None = None) -> bool:
    """Move all that are there, each once however many processes do this; returns whether there were any.

    Args:
        host: has the log.
        wanted: only if the start of this run is among them.

    Raises:
        LogUnavailable: the database does not answer.
    """
    log = lending(host.log)
    if log is None or (wanted is not None and not await log.has_start(wanted)):
        return False
    has_moved = False
    while True:
        taken = await log.take_starts(STARTS_AT_ONCE)
        for start in taken:
            await _note(host, log, start)
        has_moved = has_moved or bool(taken)
        if len(taken) < STARTS_AT_ONCE:
            return has_moved


async def _note(host: Host, log: Transactional, start: Taken) -> None:
    if not start.refused:
        if host.observers:
            started = host.codec.decode(start.record)
            assert isinstance(started, RunStarted)
            host.observers.recorded_start(start.run_id, started)
        return
    try:
        await _check_same(host, start)
    except LogUnavailable:
        raise
    except AmendsError as error:
        await log.settle_start(start.run_id, keep=True)
        said = f"the start of run {start.run_id} was set aside in amends_starts: {error}"
        _logger.error(said, extra={"run_id": start.run_id})  # noqa: TRY400 - the traceback is ours and says nothing
    else:
        await log.settle_start(start.run_id, keep=False)


async def _check_same(host: Host, start: Taken) -> None:
    """Do nothing if the run that has the id is the one that was to be started: it has been, without a transaction.

    Raises:
        RunConflict: it is another one.
        LogCorrupt: one of the two cannot be read.
    """
    started = host.codec.decode(start.record)
    assert isinstance(started, RunStarted)
    there = fold(start.run_id, map(host.codec.decode, await host.log.read(start.run_id)))
    check_same(start.run_id, there, started)
