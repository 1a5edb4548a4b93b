"""Tells the observers of a coordinator, and keeps their faults away from the runs.

Whatever an observer raises is caught here, of any kind, and logged once for each kind of it. Only its class and place
are logged: an observer holds payloads in its hands, and the text of its error may quote them.
"""

import logging
import traceback
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any, TypeGuard

from ..errors import DefinitionError
from . import events as e
from .definition import Saga
from .events import Event
from .observing import Attempt, ObservedRun, Observer, ReadFigures, Recorded, Start
from .state import RunState, Step, evolve

TRACE_LIMIT = 256
"""Characters of a trace context that are recorded; a `traceparent` has 55."""

_logger = logging.getLogger("amends.observers")

_OF_UNDO = (e.CompensationStarted, e.ActionCompensated, e.CompensationFailed, e.CompensationWaived)


class Observers:
    """The observers of one coordinator; false where there are none, so that nothing need be made for them.

    Args:
        observers: in the order in which they are told.

    Raises:
        DefinitionError: one of them is no `Observer`, or it is one and no list.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        if isinstance(observers, Observer):
            raise DefinitionError(f"observers: {observers!r} is one Observer; use a list")
        self._observers = tuple(observers)
        self._complained: set[tuple[type[Observer], str, type[BaseException]]] = set()
        for observer in self._observers:
            if not isinstance(observer, Observer):
                raise DefinitionError(f"observers: {observer!r} is not an Observer; make an object of a subclass")

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._observers)

    def opened(self, figures: ReadFigures) -> None:
        """Tell that the coordinator is open."""
        self._tell("opened", figures)

    def closed(self, figures: ReadFigures) -> None:
        """Tell that the coordinator is closed."""
        self._tell("closed", figures)

    def starting(self, run_id: str, saga: Saga[Any, Any]) -> AbstractContextManager[Start]:
        """Wrap what starts a run; the context manager yields the start, with the trace to record."""
        start = Start(run_id, saga.name, saga.version)
        return self._starting(start) if self._observers else nullcontext(start)

    @contextmanager
    def _starting(self, start: Start) -> Iterator[Start]:
        with self._around("starting", start) as yielded:
            start.trace = next((each for each in yielded if _is_trace(each)), None)
            try:
                yield start
            except BaseException as error:
                start.error = error
                raise

    @contextmanager
    def attempting(self, attempt: Attempt) -> Iterator[None]:
        """Wrap an attempt."""
        with self._around("attempting", attempt):
            yield

    def recorded(self, state: RunState, events: Iterable[Event]) -> None:
        """Tell of events that have become durable; `state` is the run after them, or later."""
        if not self._observers:
            return
        run = observed(state)
        for event in events:
            step = state.steps.get(getattr(event, "step", None) or "")
            told = Recorded(run, event, step.action, _began_at(step, event)) if step else Recorded(run, event)
            self._tell("recorded", told)

    def recorded_start(self, run_id: str, started: e.RunStarted) -> None:
        """Tell of the start of a run that is left to others."""
        if self._observers:
            self.recorded(evolve(RunState(run_id), started), (started,))

    @contextmanager
    def _around(self, hook: str, told: Start | Attempt) -> Iterator[list[object]]:
        """Wrap something in what the observers return for it, and yield what these yield.

        They are not told of exceptions, so they can neither swallow nor replace one.
        """
        entered: list[tuple[Observer, AbstractContextManager[object]]] = []
        yielded: list[object] = []
        for observer in self._observers:
            try:
                context = getattr(observer, hook)(told)
                yielded.append(context.__enter__())
                entered.append((observer, context))
            except BaseException as error:
                self._complain(observer, hook, error)
        try:
            yield yielded
        finally:
            for observer, context in reversed(entered):
                try:
                    context.__exit__(None, None, None)
                except BaseException as error:
                    self._complain(observer, hook, error)

    def _tell(self, hook: str, told: object) -> None:
        for observer in self._observers:
            try:
                getattr(observer, hook)(told)
            except BaseException as error:
                self._complain(observer, hook, error)

    def _complain(self, observer: Observer, hook: str, error: BaseException) -> None:
        """Log a fault, once for each kind. An observer must not harm a run, whatever it raises."""
        kind = (type(observer), hook, type(error))
        if kind in self._complained:
            return
        self._complained.add(kind)
        with suppress(Exception):  # A logging filter is a user's as well.
            _logger.error(
                "the observer %s failed in %s with %s at %s; the runs go on, and this is not said again",
                type(observer).__qualname__,
                hook,
                type(error).__qualname__,
                _place(error),
            )


def observed(state: RunState) -> ObservedRun:
    """Return what observers know a run by; it has been started."""
    assert state.started_at is not None
    return ObservedRun(
        run_id=state.run_id,
        saga=state.saga,
        saga_version=state.saga_version,
        started_at=state.started_at,
        tags=dict(state.tags),
        trace=state.trace,
        failing=state.failing.reason if state.failing else None,
        failing_at=state.failing.occurred_at if state.failing else None,
    )


def _began_at(step: Step, event: Event) -> datetime | None:
    return step.undo_started_at if isinstance(event, _OF_UNDO) else step.started_at


def _is_trace(yielded: object) -> TypeGuard[str]:
    """Whether it may be recorded: an observer may yield anything."""
    return isinstance(yielded, str) and 0 < len(yielded) <= TRACE_LIMIT and yielded.isascii() and yielded.isprintable()


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
