"""The words of a story: one phrase for each kind of event, and one sentence for each kind of fault."""

from collections.abc import Iterable, Sequence

from ..saga import events as e
from .ledger import Kind
from .plan import AppendFault, AppendMode, HandlerFault, HandlerMode
from .spoken import Abandon, Cancel, Deadline, Signal, Spoken, Undo

__all__ = ["Phrases", "said"]

_APPEND_STRUCK = {
    AppendMode.FAIL_BEFORE: "the log did not answer, and had not written that {what}",
    AppendMode.DO_THEN_FAIL: "the log did not answer, but had written that {what}",
    AppendMode.CRASH_BEFORE: "the process died after {facts} and before that was recorded",
    AppendMode.CRASH_AFTER: "the process died after it was recorded that {what}, and before anything came of it",
    AppendMode.PAUSE_BEFORE: "the process was stopped after {facts} and before that was recorded",
    AppendMode.PAUSE_AFTER: "the process was stopped after it was recorded that {what}",
}

_ENTRY_STRUCK = {
    HandlerMode.RAISES: "{handler} raised, with nothing done",
    HandlerMode.VANISHES: "{handler} did nothing, and nobody knows",
    HandlerMode.LOSES_REPLY: "{handler} landed, and its reply was lost",
    HandlerMode.HANGS: "{handler} hung, with nothing done",
    HandlerMode.LANDS_AND_HANGS: "{handler} landed, and hung",
    HandlerMode.LANDS_AND_RAISES: "{handler} landed, and raised as if it had not",
}

_HAD: dict[type[e.Event], str] = {
    e.RunStarted: "the run had been asked for",
    e.RunClaimed: "it had claimed the run",
    e.ActionStarted: "{action} was to begin",
    e.ActionSucceeded: "{action} had landed",
    e.ActionFailed: "{action} had failed",
    e.ActionUnknown: "{action} was unknown",
    e.RunFailing: "the run had failed",
    e.CompensationStarted: "the undo of {action} was to begin",
    e.ActionCompensated: "{action} had been undone",
    e.CompensationFailed: "the undo of {action} had failed",
    e.RunParked: "the run had been parked",
    e.RunCompleted: "the run had ended",
    e.RunCompensated: "the run had ended",
    e.RunAbandoned: "the run had been abandoned",
    e.TimerSet: "the run was to sleep",
    e.SignalAwaited: "the run was to wait for a signal",
    e.LockAwaited: "the run was to take a lock",
    e.SlotTaken: "the run had what it waited for",
    e.TimerFired: "a wait was over",
    e.SignalReceived: "the run had been told something",
    e.RunCommitted: "the run had passed its point of no return",
}

_OUTSIDE = (e.ActionSucceeded, e.ActionFailed, e.ActionUnknown, e.ActionCompensated, e.CompensationFailed)


class Phrases:
    """Words for the events of one run.

    Args:
        events: all of them, to know which step is of which action.
    """

    def __init__(self, events: Iterable[e.Event]) -> None:
        self._actions = {event.step: event.action for event in events if isinstance(event, e.ActionStarted)}

    def event(self, event: e.Event) -> str:
        """Return what an event says, in the present tense."""
        match event:
            case e.RunStarted(saga=saga, saga_version=version):
                return f"the run of {saga} version {version} starts"
            case e.RunClaimed(epoch=epoch, lapsed=lapsed):
                return f"claims the run, epoch {epoch}{', its owner having fallen silent' if lapsed else ''}"
            case e.ActionStarted(attempt=attempt):
                return f"{self._step(event.step)} begins{_attempt(attempt)}"
            case e.ActionSucceeded():
                return f"{self._step(event.step)} succeeds"
            case e.ActionFailed(error=error, retry_at=retry_at):
                return f"{self._step(event.step)} fails{_finally(retry_at is None)}: {error.message}"
            case e.ActionUnknown(why=why, retry_at=retry_at):
                return f"{self._step(event.step)} is unknown{_finally(retry_at is None)}: {why}"
            case e.RunFailing(reason=e.FailingReason.UNDONE, error=error, by=by):
                return f"{by} has the completed run undone: {error.message}"
            case e.RunFailing(reason=reason, error=error):
                return f"the run fails ({reason}): {error.message}"
            case _:
                return self._wait(event) or self._undo_or_end(event)

    def _wait(self, event: e.Event) -> str | None:
        match event:
            case e.TimerSet(step=step, due_at=due_at):
                return f"the run sleeps at {step}, until {due_at:%H:%M:%S}"
            case e.SignalAwaited(step=step, signal=signal, due_at=due_at):
                until = "" if due_at is None else f", until {due_at:%H:%M:%S} at most"
                return f"the run waits for {signal!r} at {step}{until}"
            case e.LockAwaited(step=step, key=key):
                return f"the run waits for the lock {key!r} at {step}"
            case e.SlotTaken(name=name):
                return f"the run has {name!r}"
            case e.TimerFired(step=step):
                return f"the wait at {step} is over: its time is up"
            case e.SignalReceived(signal=signal, by=by):
                return f"{by} tells the run {signal!r}"
            case e.RunCommitted(step=step):
                return f"the run passes its point of no return at {step}"
            case e.RunAbandoned(by=by, reason=reason, remaining=remaining):
                left = ", ".join(f"{item.action} ({item.why})" for item in remaining) or "nothing"
                return f"{by} abandons the run ({reason}), and what stands is {left}"
        return None

    def _undo_or_end(self, event: e.Event) -> str:
        match event:
            case e.CompensationStarted(attempt=attempt):
                return f"the undo of {self._step(event.step)} begins{_attempt(attempt)}"
            case e.ActionCompensated():
                return f"{self._step(event.step)} is undone"
            case e.CompensationFailed(error=error, retry_at=retry_at):
                return f"the undo of {self._step(event.step)} fails{_finally(retry_at is None)}: {error.message}"
            case e.CompensationWaived(by=by, reason=reason):
                return f"{by} waives the undo of {self._step(event.step)}: {reason}"
            case e.RunParked(reason=reason, detail=detail):
                return f"the run is parked ({reason}): {detail}"
            case e.RunResumed(by=by, reason=reason):
                return f"{by} lets the run go on: {reason}"
            case e.RunCompleted():
                return "the run is completed"
            case e.RunCompensated(remaining=remaining):
                return f"the run is compensated{_left(remaining)}"
            case _:
                return type(event).__name__

    def struck_append(self, fault: AppendFault, batch: Sequence[e.Event]) -> str:
        """Return what a fault did to the append of these events."""
        for event in batch:
            if isinstance(event, e.ActionStarted):
                self._actions.setdefault(event.step, event.action)
        # What has happened outside counts more than what follows from it: an effect that landed, before a next step.
        facts = [event for event in batch if isinstance(event, _OUTSIDE)]
        what = ", and ".join(map(self._had, facts or batch))
        return _APPEND_STRUCK[fault.mode].format(what=what, facts=what)

    def struck_entry(self, fault: HandlerFault, kind: Kind, action: str, step: str) -> str:
        """Return what a fault did to an entry into a handler."""
        handler = {Kind.DO: "", Kind.UNDO: "the undo of ", Kind.PROBE: "the probe of "}[kind]
        return _ENTRY_STRUCK[fault.mode].format(handler=f"{handler}{action} ({step})")

    def _had(self, event: e.Event) -> str:
        """Return what an event says, in the past perfect."""
        return _HAD.get(type(event), "somebody had spoken").format(action=self._action(getattr(event, "step", "")))

    def _action(self, step: str) -> str:
        return self._actions.get(step, f"step {step}")

    def _step(self, step: str) -> str:
        return f"{self._action(step)} ({step})"


def said(spoken: Spoken) -> str:
    """Return what somebody says to a run."""
    where = " from elsewhere" * getattr(spoken, "elsewhere", False)
    match spoken:
        case Cancel():
            return f"somebody cancels the run{where}"
        case Abandon():
            return f"somebody abandons the run{where}"
        case Signal(name=name, payload=payload):
            return f"somebody tells the run {name}: {payload!r}{where}"
        case Undo():
            return "somebody has the completed run undone"
        case Deadline(seconds=seconds):
            return f"the run is to end within {seconds:g} s"


def _left(remaining: Sequence[e.Remaining]) -> str:
    left = ", ".join(f"{item.action} ({item.why})" for item in remaining)
    return f", but for {left}" if left else ""


def _attempt(number: int) -> str:
    return f", attempt {number}" if number > 1 else ""


def _finally(final: bool) -> str:
    return " for good" if final else ""
