"""The metrics of a coordinator: counters of durable events, histograms of times in seconds, and what it has in hand.

Attributes are names of sagas, actions and classes of errors and members of closed sets, so their number is bounded by
the code: never a run id, a tag or a worker.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from ..saga import events as e
from ..saga.events import RunStatus
from ..saga.observing import Attempt, Figures, ReadFigures, Recorded
from .ends import outcome_of, run_end, step_end

ATTEMPT_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Seconds. A handler calls a database or a web service; its time limit is 60 unless set."""

RUN_BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400, 604_800)
"""Seconds. A run may wait for days."""


class Metrics:
    """Keeps the instruments.

    Args:
        meter: what makes them.
    """

    def __init__(self, meter: Meter) -> None:
        self._open: tuple[ReadFigures, ...] = ()
        self._started = meter.create_counter("amends.runs.started", "{run}", "Runs that were started")
        self._ended = meter.create_counter("amends.runs.ended", "{run}", "Runs that have ended, by status")
        self._parked = meter.create_counter("amends.runs.parked", "{run}", "Runs that came to need a person, by reason")
        self._waits = meter.create_counter("amends.waits", "{wait}", "Waits that have begun, by what they wait for")
        self._signals = meter.create_counter("amends.signals", "{signal}", "Signals that runs were told")
        self._attempts = meter.create_counter("amends.attempts", "{attempt}", "Attempts that have ended, by outcome")
        self._compensations = meter.create_counter(
            "amends.compensations", "{step}", "Steps whose undoing is settled, by outcome"
        )
        self._attempt_seconds = meter.create_histogram(
            "amends.attempt.duration",
            "s",
            "How long attempts took that were made here",
            explicit_bucket_boundaries_advisory=ATTEMPT_BOUNDS,
        )
        self._run_seconds = meter.create_histogram(
            "amends.run.duration",
            "s",
            "How long runs took, from their start to their end; or their undoing, where that was asked for later",
            explicit_bucket_boundaries_advisory=RUN_BOUNDS,
        )
        self._observe(meter)

    def _observe(self, meter: Meter) -> None:
        meter.create_observable_up_down_counter(
            "amends.runs.hosted", [self._sum(lambda now: now.hosted_count)], "{run}", "Runs that are hosted here"
        )
        meter.create_observable_up_down_counter(
            "amends.backlog.appends",
            [self._sum(lambda now: now.backlog.append_count)],
            "{append}",
            "Appends that wait for the database",
        )
        meter.create_observable_up_down_counter(
            "amends.backlog.size", [self._sum(lambda now: now.backlog.size_bytes)], "By", "How large they are"
        )

    def _sum(self, figure: Callable[[Figures], int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(sum(figure(read()) for read in self._open))]

        return observe

    def opened(self, figures: ReadFigures) -> None:
        """Read these figures from now on."""
        self._open = (*self._open, figures)  # A new tuple: another thread may be reading the old one.

    def closed(self, figures: ReadFigures) -> None:
        """Read them no more."""
        self._open = tuple(read for read in self._open if read != figures)

    def attempted(self, attempt: Attempt) -> None:
        """Note how long an attempt took."""
        attributes = {
            "amends.action": attempt.action,
            "amends.handler": "undo" if attempt.undoes else "do",
            "amends.outcome": attempt.outcome.value,
        }
        if attempt.error is not None:
            attributes["error.type"] = attempt.error.type
        self._attempt_seconds.record(attempt.seconds, attributes)

    def recorded(self, recorded: Recorded) -> None:
        """Count an event."""
        event, run = recorded.event, recorded.run
        if isinstance(event, e.RunStarted):
            self._started.add(1, {"amends.saga": run.saga})
        elif isinstance(event, e.TimerSet | e.SignalAwaited):
            awaited = "time" if isinstance(event, e.TimerSet) else "signal"
            self._waits.add(1, {"amends.saga": run.saga, "amends.wait": awaited})
        elif isinstance(event, e.LockAwaited):
            self._waits.add(1, {"amends.saga": run.saga, "amends.wait": "lock"})
        elif isinstance(event, e.SignalReceived):
            # Not by its name: where a saga declares none, anybody may send any.
            self._signals.add(1, {"amends.saga": run.saga})
        elif recorded.action is not None:
            self._count_step(recorded, recorded.action)
        elif (end := run_end(run, event)) is not None:
            attributes = {"amends.saga": run.saga}
            if end.reason is not None:
                attributes["error.type"] = end.reason
            if end.status is RunStatus.PARKED:
                self._parked.add(1, attributes)
                return
            attributes["amends.status"] = end.status.value
            self._ended.add(1, attributes)
            seconds = max(timedelta(), end.ended_at - end.began_at).total_seconds()
            self._run_seconds.record(seconds, attributes)

    def _count_step(self, recorded: Recorded, action: str) -> None:
        event = recorded.event
        if (outcome := outcome_of(event)) is not None:
            undoes = isinstance(event, e.ActionCompensated | e.CompensationFailed)
            handler = "undo" if undoes else "do"
            counted = {"amends.action": action, "amends.handler": handler, "amends.outcome": outcome.value}
            self._attempts.add(1, counted)
        end = step_end(recorded)
        if isinstance(event, e.CompensationWaived):
            self._compensations.add(1, {"amends.action": action, "amends.outcome": "waived"})
        elif end is not None and end.undoes:
            settled = "failed" if end.error else "compensated"
            self._compensations.add(1, {"amends.action": action, "amends.outcome": settled})
