"""The audit view as a projection: which runs, in what state, since when and why; which steps and waits; who intervened.

Inputs, outputs and payloads are not copied: a view is read by more people than the log, and what it holds is held
twice. `RunHandle.history` has them. A state that depends on more than one event is worked out from stored facts: that
of a run by the database (a generated column, so that it can be searched for), that of a step and of a wait when it is
read (`audit_rows.py`, `audit_waits.py`), because it also depends on its run, or on the signals that came.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from ..saga import events as e
from ..saga.access import PayloadsViewed
from ..saga.codec import reads_encrypted
from ..saga.events import ErrorInfo, Event, FailingReason, Remaining
from ..saga.slots import BEFORE_ALL
from .digest import clean
from .projection import Cell, Delete, Projection, RecordedEvent, Table, Upsert
from .rows import as_json
from .statements import statement

__all__ = ["Audit"]

RUNS = "amends_audit_runs"
STEPS = "amends_audit_steps"
TAGS = "amends_audit_tags"
COMMANDS = "amends_audit_commands"
WAITS = "amends_audit_waits"

_TEXT_LEFT_OUT = "(not copied from an encrypted log)"

Changes = Iterable[Upsert]


class Audit(Projection):
    """The audit view; `AuditView` reads it.

    Args:
        texts: whether texts are copied that people and errors have put into the log: messages, reasons, names of
            people, values of tags. Left out: unless the log is encrypted (`CIPHER_TOPIC` in the environment), because
            the view is not.
    """

    name = "audit"
    version = 3
    tables = (
        Table(
            RUNS,
            key=("run_id",),
            firsts=("completed_at", "committed_at"),
            sums=("attempts", "undo_attempts", "wait_count"),
        ),
        Table(STEPS, key=("run_id", "step"), firsts=("started_at", "started_position", "undo_started_at")),
        Table(TAGS, key=("name", "value", "started_at", "position")),
        Table(COMMANDS, key=("position",)),
        Table(WAITS, key=("run_id", "step")),
    )

    def __init__(self, *, texts: bool | None = None) -> None:
        self.sql = {kind: statement("audit_tables", kind) for kind in ("sqlite", "postgresql")}
        self.texts = not reads_encrypted() if texts is None else texts

    def changes(self, recorded: RecordedEvent) -> Iterable[Upsert | Delete]:
        """Return what an event changes in the view."""
        event = recorded.event
        if isinstance(event, PayloadsViewed):
            return (self._command(recorded._replace(run_id=event.run_id), "view", event.by, event.what),)
        row: dict[str, Cell] = {
            "last_position": recorded.position,
            "version": recorded.version,
            "last_at": event.occurred_at,
        }
        more = self._BY_TYPE[type(event)](self, recorded, event, row)
        return (Upsert(RUNS, (recorded.run_id,), row), *more)

    def _text(self, text: str | None) -> str | None:
        return text if text is None else clean(text) if self.texts else _TEXT_LEFT_OUT

    def _error(self, prefix: str, error: ErrorInfo) -> dict[str, Cell]:
        return {f"{prefix}error_type": clean(error.type), f"{prefix}error": self._text(error.message)}

    # The run

    def _started(self, recorded: RecordedEvent, event: e.RunStarted, row: dict[str, Cell]) -> Changes:
        tags = {name: self._text(value) or "" for name, value in event.tags.items()}
        row |= {
            "saga": event.saga,
            "saga_version": event.saga_version,
            "started_at": event.occurred_at,
            "started_position": recorded.position,
            "deadline": event.deadline,
            "tags": as_json(tags),
        }
        for name, value in tags.items():
            key = (name, value, event.occurred_at, recorded.position)
            yield Upsert(TAGS, key, {"run_id": recorded.run_id})
        for number, limit in enumerate(event.limits or (), start=1):
            row["wait_count"] = number
            yield self._wait(recorded, f"{BEFORE_ALL}{number}", slot=self._text(limit.name))

    def _claimed(self, recorded: RecordedEvent, event: e.RunClaimed, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        row |= {"owner": event.worker, "epoch": event.epoch}
        return ()

    def _failing(self, recorded: RecordedEvent, event: e.RunFailing, row: dict[str, Cell]) -> Changes:
        row |= {
            "failing_reason": event.reason.value,
            "failing_action": event.action,
            "failing_step": event.step,
            "failing_by": self._text(event.by),
            "failing_at": event.occurred_at,
            "failing_version": recorded.version,
            "parked_reason": None,
            # A run that had completed is undone: it has not ended any more, and what was unknown is undone with it.
            "outcome": None,
            "ended_at": None,
            "unresolved": None,
            **self._error("", event.error),
        }
        if event.by is None:
            return ()
        kind = "undo" if event.reason is FailingReason.UNDONE else "cancel"
        return (self._command(recorded, kind, event.by, event.error.message),)

    def _parked(self, recorded: RecordedEvent, event: e.RunParked, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        row |= {
            "parked_reason": event.reason.value,
            "parked_detail": self._text(event.detail),
            "parked_at": event.occurred_at,
            "remaining": _remaining(event.remaining),
        }
        return ()

    def _resumed(self, recorded: RecordedEvent, event: e.RunResumed, row: dict[str, Cell]) -> Changes:
        row |= {"parked_reason": None, "remaining": _remaining(())}
        kind = "retry" if event.retries else "resume"
        yield self._command(recorded, kind, event.by, event.reason, event.retries)
        for step in event.retries:
            resumed: dict[str, Cell] = {"resumed_version": recorded.version, "resumed_at": event.occurred_at}
            yield Upsert(STEPS, (recorded.run_id, step), resumed)

    def _completed(self, recorded: RecordedEvent, event: e.RunCompleted, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        row |= {
            "outcome": e.RunStatus.COMPLETED.value,
            "ended_at": event.occurred_at,
            "completed_at": event.occurred_at,
            "unresolved": as_json(event.unresolved),
        }
        return ()

    def _compensated(self, recorded: RecordedEvent, event: e.RunCompensated, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        partly = e.RunStatus.PARTIALLY_COMPENSATED if event.remaining else e.RunStatus.COMPENSATED
        row |= {"outcome": partly.value, "ended_at": event.occurred_at, "remaining": _remaining(event.remaining)}
        return ()

    def _abandoned(self, recorded: RecordedEvent, event: e.RunAbandoned, row: dict[str, Cell]) -> Changes:
        row |= {
            "outcome": e.RunStatus.ABANDONED.value,
            "ended_at": event.occurred_at,
            "remaining": _remaining(event.remaining),
            "abandoned_by": self._text(event.by),
            "abandoned_reason": self._text(event.reason),
        }
        return (self._command(recorded, "abandon", event.by, event.reason),)

    def _committed(self, recorded: RecordedEvent, event: e.RunCommitted, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        row["committed_at"] = event.occurred_at
        return ()

    # What it waits for

    def _waits(self, recorded: RecordedEvent, event: e.TimerSet | e.SignalAwaited, row: dict[str, Cell]) -> Changes:
        row["wait_count"] = 1
        signal = event.signal if isinstance(event, e.SignalAwaited) else None
        return (self._wait(recorded, event.step, signal=signal, due_at=event.due_at),)

    def _locks(self, recorded: RecordedEvent, event: e.LockAwaited, row: dict[str, Cell]) -> Changes:
        row["wait_count"] = 1
        return (self._wait(recorded, event.step, slot=self._text(f"lock {event.key}")),)

    def _wait(self, recorded: RecordedEvent, step: str, **values: Cell) -> Upsert:
        began: dict[str, Cell] = {"began_at": recorded.event.occurred_at, "began_position": recorded.position}
        return Upsert(WAITS, (recorded.run_id, step), {**began, **values})

    def _fired(self, recorded: RecordedEvent, event: e.TimerFired | e.SlotTaken, row: dict[str, Cell]) -> Changes:
        row["wait_count"] = -1
        values: dict[str, Cell] = {"fired_at": event.occurred_at, "fired_position": recorded.position}
        return (Upsert(WAITS, (recorded.run_id, event.step), values),)

    def _signalled(self, recorded: RecordedEvent, event: e.SignalReceived, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        command = self._command(recorded, "signal", event.by, "")
        named: dict[str, Cell] = {"signal": event.signal, "signal_key": self._text(event.key)}
        return (command._replace(values={**command.values, **named}),)

    def _command(self, recorded: RecordedEvent, kind: str, by: str, reason: str, steps: Iterable[str] = ()) -> Upsert:
        values: dict[str, Cell] = {
            "run_id": recorded.run_id,
            "kind": kind,
            "by_whom": self._text(by),
            "reason": self._text(reason),
            "given_at": recorded.event.occurred_at,
            "steps": as_json(tuple(steps)),
        }
        return Upsert(COMMANDS, (recorded.position,), values)

    # The steps

    def _action_started(self, recorded: RecordedEvent, event: e.ActionStarted, row: dict[str, Cell]) -> Changes:
        row["attempts"] = 1
        return (
            _step(
                recorded,
                event.step,
                version=recorded.version,
                phase="running",
                attempts=event.attempt,
                action=event.action,
                idempotency_key=event.idempotency_key,
                irreversible=event.irreversible,
                started_at=event.occurred_at,
                started_position=recorded.position,
                attempt_at=event.occurred_at,
            ),
        )

    def _succeeded(self, recorded: RecordedEvent, event: e.ActionSucceeded, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        return (
            _step(
                recorded,
                event.step,
                version=recorded.version,
                phase="succeeded",
                doubtful=False,
                retry_at=None,
                ended_at=event.occurred_at,
            ),
        )

    def _attempt_failed(self, recorded: RecordedEvent, event: e.ActionFailed, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        settled = "held" if event.parks else "failed"
        return (self._ended(recorded, event, settled if event.retry_at is None else "waiting"),)

    def _unknown(self, recorded: RecordedEvent, event: e.ActionUnknown, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        settled = "held" if event.parks else "failed"
        step = self._ended(recorded, event, settled if event.retry_at is None else "waiting")
        doubts: dict[str, Cell] = {"doubtful": True, "unknown_why": event.why.value}
        return (step._replace(values={**step.values, **doubts}),)

    def _ended(self, recorded: RecordedEvent, event: e.ActionFailed | e.ActionUnknown, phase: str) -> Upsert:
        return _step(
            recorded,
            event.step,
            version=recorded.version,
            phase=phase,
            retry_at=event.retry_at,
            ended_at=event.occurred_at,
            **self._error("", event.error),
        )

    def _undo_started(self, recorded: RecordedEvent, event: e.CompensationStarted, row: dict[str, Cell]) -> Changes:
        row["undo_attempts"] = 1
        return (_undo(recorded, event.step, "running", undo_attempts=event.attempt, undo_started_at=event.occurred_at),)

    def _undone(self, recorded: RecordedEvent, event: e.ActionCompensated, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        return (_undo(recorded, event.step, "compensated", undo_retry_at=None, undo_ended_at=event.occurred_at),)

    def _undo_failed(self, recorded: RecordedEvent, event: e.CompensationFailed, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        return (
            _undo(
                recorded,
                event.step,
                "failed" if event.retry_at is None else "waiting",
                undo_retry_at=event.retry_at,
                undo_ended_at=event.occurred_at,
                **self._error("undo_", event.error),
            ),
        )

    def _waived(self, recorded: RecordedEvent, event: e.CompensationWaived, row: dict[str, Cell]) -> Changes:  # noqa: ARG002
        yield _undo(
            recorded,
            event.step,
            "waived",
            undo_retry_at=None,
            undo_ended_at=event.occurred_at,
            waived_by=self._text(event.by),
            waived_reason=self._text(event.reason),
        )
        yield self._command(recorded, "waive", event.by, event.reason, (event.step,))

    _BY_TYPE: ClassVar[Mapping[type[Event], Callable[["Audit", RecordedEvent, Any, dict[str, Cell]], Changes]]] = {
        e.RunStarted: _started,
        e.RunClaimed: _claimed,
        e.RunFailing: _failing,
        e.RunParked: _parked,
        e.RunResumed: _resumed,
        e.RunCompleted: _completed,
        e.RunCompensated: _compensated,
        e.RunAbandoned: _abandoned,
        e.RunCommitted: _committed,
        e.TimerSet: _waits,
        e.SignalAwaited: _waits,
        e.LockAwaited: _locks,
        e.TimerFired: _fired,
        e.SlotTaken: _fired,
        e.SignalReceived: _signalled,
        e.ActionStarted: _action_started,
        e.ActionSucceeded: _succeeded,
        e.ActionFailed: _attempt_failed,
        e.ActionUnknown: _unknown,
        e.CompensationStarted: _undo_started,
        e.ActionCompensated: _undone,
        e.CompensationFailed: _undo_failed,
        e.CompensationWaived: _waived,
    }


def _step(recorded: RecordedEvent, step: str, **values: Cell) -> Upsert:
    return Upsert(STEPS, (recorded.run_id, step), values)


def _undo(recorded: RecordedEvent, step: str, phase: str, **values: Cell) -> Upsert:
    return Upsert(STEPS, (recorded.run_id, step), {"undo_phase": phase, "undo_version": recorded.version, **values})


def _remaining(remaining: Iterable[Remaining]) -> str:
    return as_json([[each.step, each.action, each.why.value] for each in remaining])
