"""What stands for the world around a coordinator: time, threads, and the beat of its lease.

A service has the real ones. A simulation puts virtual ones in their place and then runs the very same engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..actions.call import Call
from ..actions.handlers import Handler
from ..actions.threads import Threads
from ..clock import Clock, SystemClock
from .heart import Heart, ThreadHeart
from .ids import new_worker
from .log.port import Pulse

Substitute = Callable[[Handler, Call], Handler]


@dataclass(frozen=True)
class Surroundings:
    """What stands for the world around a coordinator.

    Attributes:
        clock: tells the time.
        threads: makes what plain handlers run in.
        heart: makes what renews the lease, from a pulse and the lease's length in seconds.
        worker: makes the token of this boot.
        substitute: returns what is entered in a handler's place, for one call; None enters the handlers themselves.
    """

    clock: Clock = field(default_factory=SystemClock)
    threads: Callable[[], Threads] = Threads
    heart: Callable[[Pulse, float], Heart] = ThreadHeart
    worker: Callable[[], str] = new_worker
    substitute: Substitute | None = None
