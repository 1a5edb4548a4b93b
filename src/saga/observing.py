"""What an observer is told: of each start, of each attempt made here, and of each event that has become durable here.

An observer looks on. It decides nothing, and nothing that it does or raises changes a run (`observers.py` sees to
that). It is called on the event loop, so it must not block. What was recorded before is never told again: a worker that
takes a run up tells of what it adds itself. What a process that dies had still to tell is lost.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ..actions.call import Outcome
from .events import ErrorInfo, Event, FailingReason
from .log.port import Backlog
from .moments import value


@value
class ObservedRun:
    """The run that something is told of.

    Attributes:
        run_id: the run.
        saga: the name of its saga.
        saga_version: the saga's version.
        started_at: when it was started (aware UTC).
        tags: what it was started with; users' words, so whoever passes them on has asked first.
        trace: the W3C `traceparent` that was recorded with its start, or None.
        failing: why it is being undone, or None.
        failing_at: since when (aware UTC), or None.
    """

    run_id: str
    saga: str
    saga_version: int
    started_at: datetime
    tags: Mapping[str, str]
    trace: str | None
    failing: FailingReason | None
    failing_at: datetime | None = None


@dataclass(slots=True)
class Start:
    """A call that starts a run, or finds it.

    Attributes:
        run_id: the run.
        saga: the name of the saga that was asked for.
        saga_version: its version.
        trace: the `traceparent` of the run: until it is started what will be recorded, afterwards what is. The two
            differ where the run was there already.
        error: why there is no run, once that is known.
    """

    run_id: str
    saga: str
    saga_version: int
    trace: str | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class Attempt:
    """One attempt of a step or of its undo, made in this process; `outcome` and what follows are set when it is over.

    Attributes:
        run: the run.
        step: the step's path.
        action: the name of its action.
        attempt: 1, 2, 3 ...; an undo counts its own.
        undoes: it is an attempt of the undo.
        began_at: when it began (aware UTC); it may then have waited for a thread.
        outcome: how it ended; `unknown` as well where it was cut off with its coordinator.
        error: what it raised, redacted and cut, or None.
        seconds: how long it took.
    """

    run: ObservedRun
    step: str
    action: str
    attempt: int
    undoes: bool
    began_at: datetime
    outcome: Outcome = Outcome.UNKNOWN
    error: ErrorInfo | None = None
    seconds: float = 0.0


@value
class Recorded:
    """An event that has become durable, appended by this process.

    Attributes:
        run: the run.
        event: the event. It may hold an input or an output, and people's words.
        action: for an event of a step, the name of the action.
        began_at: for an event of a step, when its first attempt began (aware UTC); for one of its undo, the first of
            that.
    """

    run: ObservedRun
    event: Event
    action: str | None = None
    began_at: datetime | None = None


class Figures(NamedTuple):
    """What can be counted at any time.

    Attributes:
        hosted_count: the runs that this coordinator hosts.
        backlog: what waits to be written.
    """

    hosted_count: int
    backlog: Backlog


ReadFigures = Callable[[], Figures]


_NOTHING = nullcontext()


class Observer:
    """Looks on. Override what you want to be told of; each method does nothing here.

    The context managers are entered and left in the task that makes the start or the attempt, so that a context
    variable which is set in them reaches the handler, in a thread as well. They are never told of an exception.
    """

    def opened(self, figures: ReadFigures) -> None:
        """Take note of a coordinator that is open now.

        Args:
            figures: returns its figures; may be called from any thread.
        """

    def closed(self, figures: ReadFigures) -> None:
        """Take note that a coordinator is closed; `figures` is what `opened` got."""

    def starting(self, start: Start) -> AbstractContextManager[str | None]:  # noqa: ARG002 - for those who override it
        """Return what the call that starts a run is wrapped in.

        It yields the W3C `traceparent` that is to be recorded with the run, or None.
        """
        return _NOTHING

    def attempting(self, attempt: Attempt) -> AbstractContextManager[object]:  # noqa: ARG002 - as above
        """Return what an attempt is wrapped in."""
        return _NOTHING

    def recorded(self, recorded: Recorded) -> None:
        """Take note of an event that is durable."""
