"""What all drivers of a coordinator share."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..actions.threads import Threads
from ..clock import Clock
from .codec import EventCodec
from .limits import Limits
from .log.port import Log
from .observers import Observers
from .places import Places
from .registry import Registry
from .stragglers import Stragglers
from .surroundings import Substitute
from .turns import Turns

if TYPE_CHECKING:
    from .runs import Runs


async def _always() -> None:
    return None


@dataclass(slots=True)
class Host:
    """What all drivers of a coordinator share. Made on the event loop that they run on.

    Attributes:
        runs: reads, awaits and commands runs, wherever they are hosted.
        places: of the runs that are hosted here.
        may_enter: awaited before each entry into a handler; returns when this worker's lease holds.
        substitute: see `Surroundings`.
        limits: of this worker's actions; None if none has any.
    """

    log: Log
    codec: EventCodec
    registry: Registry
    clock: Clock
    threads: Threads
    runs: "Runs"
    places: Places
    may_enter: Callable[[], Awaitable[None]] = _always
    substitute: Substitute | None = None
    limits: Limits | None = None
    observers: Observers = field(default_factory=Observers)
    stragglers: Stragglers = field(default_factory=Stragglers)
    turns: Turns = field(default_factory=Turns)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
