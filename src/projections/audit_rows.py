"""What the audit view answers with: runs, steps, waits, commands, as frozen values; and how rows become them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ..saga.events import FailingReason, ParkReason, Remaining, RunStatus, UnknownWhy

__all__ = [
    "AuditCommand",
    "AuditRun",
    "AuditRunDetail",
    "AuditStep",
    "AuditWait",
    "CommandKind",
    "StepState",
    "UndoState",
    "WaitState",
]


class StepState(StrEnum):
    """How the doing of a step stands."""

    RUNNING = "running"
    WAITING = "waiting"
    """The next attempt is due at `retry_at`."""
    HELD = "held"
    """Unknown, and a person is to decide."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class UndoState(StrEnum):
    """How the undoing of a step stands."""

    NONE = "none"
    RUNNING = "running"
    WAITING = "waiting"
    COMPENSATED = "compensated"
    FAILED = "failed"
    WAIVED = "waived"


class WaitState(StrEnum):
    """How a wait stands."""

    WAITING = "waiting"
    SIGNALLED = "signalled"
    TIMED_OUT = "timed_out"
    """Its time was up. That is how a sleep ends, and what a wait for a signal gives up at."""
    TAKEN = "taken"
    """The run had the lock, or what its saga's limit allows."""
    LEFT = "left"
    """The run has ended or is undone, so nobody waits any more."""


class CommandKind(StrEnum):
    """What a person told a run."""

    CANCEL = "cancel"
    RETRY = "retry"
    """Let it go on, and try these steps again."""
    RESUME = "resume"
    """Let it go on, without trying a step again."""
    WAIVE = "waive"
    ABANDON = "abandon"
    UNDO = "undo"
    SIGNAL = "signal"
    VIEW = "view"
    """They told it nothing: they saw its inputs and outputs, and the reason says where."""


@dataclass(frozen=True)
class AuditWait:
    """A place in its saga where a run waits, or waited.

    Attributes:
        run_id: the run.
        step: the path of the wait; it is numbered with the steps.
        signal: the name of the signal that it waits for; None for a sleep, or where there is a slot.
        began_at: when it began.
        due_at: until when at most; None if it waits for ever.
        state: how it stands.
        ended_at: when the signal came, the time was up or it had the slot, or None. A signal that came before is there
            at once.
        slot: what it waits for that only so many runs may have: `lock KEY`, or a limit, `saga NAME` or
            `saga NAME TAG=VALUE`.
    """

    run_id: str
    step: str
    signal: str | None
    began_at: datetime
    due_at: datetime | None
    state: WaitState
    ended_at: datetime | None
    slot: str | None = None


@dataclass(frozen=True)
class AuditRun:
    """One run. Times are aware UTC.

    Attributes:
        run_id: its id.
        saga: its saga; None if the event that says so is quarantined.
        saga_version: and its version.
        state: how it stands.
        started_at: when it was started.
        deadline: by when it is to have ended, or None.
        ended_at: when it ended, or None.
        tags: what it was started with.
        owner: the token of the worker that had it last, or None.
        epoch: how many times it was claimed.
        attempts: entries into `do` handlers, of all its steps.
        undo_attempts: entries into `undo` handlers.
        failing_reason: why it is or was undone, or None.
        failing_action: the action whose failure was the reason, or None.
        failing_step: and its step.
        failing_by: who cancelled it, or had it undone; None if nobody did.
        failing_at: since when nothing new is done.
        error_type: what was raised, or None.
        error: its text, as the log has it.
        parked_reason: why it needs a person; None when it is not parked (or not any more).
        parked_detail: what the last parking said.
        parked_at: when it was last parked.
        remaining: the steps whose effects stand although it was undone or abandoned, or is parked.
        unresolved: the steps that stayed unknown although it completed.
        completed_at: when its saga returned, also of a run that was undone later; None if it did not.
        committed_at: when it passed its (first) point of no return, or None.
        abandoned_by: who abandoned it, or None.
        abandoned_reason: and why.
        waiting_for: its waits that are not over, in the order in which they began.
        version: how many events it has.
        last_position: the position of the last one in the log.
        last_at: when that one happened.
    """

    run_id: str
    saga: str | None
    saga_version: int | None
    state: RunStatus
    started_at: datetime | None
    deadline: datetime | None
    ended_at: datetime | None
    tags: Mapping[str, str]
    owner: str | None
    epoch: int
    attempts: int
    undo_attempts: int
    failing_reason: FailingReason | None
    failing_action: str | None
    failing_step: str | None
    failing_by: str | None
    failing_at: datetime | None
    error_type: str | None
    error: str | None
    parked_reason: ParkReason | None
    parked_detail: str | None
    parked_at: datetime | None
    remaining: Sequence[Remaining]
    unresolved: Sequence[str]
    completed_at: datetime | None
    committed_at: datetime | None
    abandoned_by: str | None
    abandoned_reason: str | None
    waiting_for: Sequence[AuditWait]
    version: int
    last_position: int
    last_at: datetime

    @property
    def duration(self) -> timedelta | None:
        """From its start to its end; None while it has not ended.

        Of a run that had completed and was undone later, to its completion: the time until somebody had it undone, and
        the undoing itself (from `failing_at` to `ended_at`), are no part of it.
        """
        if self.ended_at is None or self.started_at is None:
            return None
        return (self.completed_at or self.ended_at) - self.started_at


@dataclass(frozen=True)
class AuditStep:
    """One step of a run.

    Attributes:
        run_id: the run.
        step: its path.
        action: what it calls; None if the event that says so is quarantined.
        idempotency_key: what its attempts carry.
        irreversible: it has no undo.
        state: how its doing stands.
        attempts: entries into the handler.
        started_at: the first attempt.
        attempt_at: the last attempt.
        ended_at: when the last attempt that ended did so, or None.
        retry_at: when the next attempt is due, or None.
        unknown_why: why an attempt's outcome is, or was, unknown.
        error_type: what the last attempt that failed raised, or None.
        error: its text.
        undo: how its undoing stands.
        undo_attempts: entries into the undo handler.
        undo_started_at: the first of them.
        undo_ended_at: when the last one that ended did so; or when it was waived.
        undo_retry_at: when the next one is due.
        undo_error_type: what the last one that failed raised, or None.
        undo_error: its text.
        waived_by: who said that it needs no more undoing.
        waived_reason: and why.
    """

    run_id: str
    step: str
    action: str | None
    idempotency_key: str | None
    irreversible: bool
    state: StepState
    attempts: int
    started_at: datetime | None
    attempt_at: datetime | None
    ended_at: datetime | None
    retry_at: datetime | None
    unknown_why: UnknownWhy | None
    error_type: str | None
    error: str | None
    undo: UndoState
    undo_attempts: int
    undo_started_at: datetime | None
    undo_ended_at: datetime | None
    undo_retry_at: datetime | None
    undo_error_type: str | None
    undo_error: str | None
    waived_by: str | None
    waived_reason: str | None


@dataclass(frozen=True)
class AuditCommand:
    """What a person told a run.

    Attributes:
        position: of its event in the log.
        run_id: the run.
        kind: what was told.
        by: who.
        reason: why; empty for a signal, which has none.
        given_at: when.
        steps: the steps that it names; for a retry those that are tried again.
        signal: the name of the signal, or None if it was none.
        signal_key: and what it is known by.
    """

    position: int
    run_id: str
    kind: CommandKind
    by: str
    reason: str
    given_at: datetime
    steps: Sequence[str]
    signal: str | None = None
    signal_key: str | None = None


@dataclass(frozen=True)
class AuditRunDetail:
    """One run, as it was at one moment.

    Attributes:
        run: the run.
        steps: its steps, in the order in which they began.
        commands: what people told it, in order; signals too.
        waits: all its waits, in the order in which they began.
    """

    run: AuditRun
    steps: Sequence[AuditStep]
    commands: Sequence[AuditCommand]
    waits: Sequence[AuditWait] = ()


def audit_run(row: dict[str, Any], waiting_for: Sequence[AuditWait] = ()) -> AuditRun:
    """Return a run from its columns, and its waits that are not over."""
    values: dict[str, Any] = {name: row.get(name) for name in AuditRun.__dataclass_fields__}
    values |= {
        "state": RunStatus(row["state"]),
        "tags": json.loads(row["tags"] or "{}"),
        "epoch": row["epoch"] or 0,
        "failing_reason": row["failing_reason"] and FailingReason(row["failing_reason"]),
        # A run that a waiver ends was parked to its end.
        "parked_reason": ParkReason(row["parked_reason"]) if row["state"] == RunStatus.PARKED else None,
        "remaining": tuple(
            Remaining(step=step, action=action, why=why) for step, action, why in json.loads(row["remaining"] or "[]")
        ),
        "unresolved": tuple(json.loads(row["unresolved"] or "[]")),
        "waiting_for": tuple(waiting_for),
    }
    return AuditRun(**values)


def audit_step(row: dict[str, Any], failing_version: int | None) -> AuditStep:
    """Return a step from its columns and the version of its run's `RunFailing`."""
    state, undo = step_state(row, failing_version), undo_state(row)
    values: dict[str, Any] = {name: row.get(name) for name in AuditStep.__dataclass_fields__}
    values |= {
        "state": state,
        "undo": undo,
        "irreversible": bool(row["irreversible"]),
        "attempts": row["attempts"] or 0,
        "undo_attempts": row["undo_attempts"] or 0,
        "unknown_why": row["unknown_why"] and UnknownWhy(row["unknown_why"]),
    }
    if state is not StepState.WAITING:
        values["retry_at"] = None
    elif row["phase"] == StepState.HELD:
        values["retry_at"] = row["resumed_at"]
    if undo is UndoState.WAITING and row["undo_phase"] == UndoState.FAILED:
        values["undo_retry_at"] = row["resumed_at"]
    return AuditStep(**values)


def audit_command(row: dict[str, Any]) -> AuditCommand:
    """Return a command from its columns."""
    kind, steps = CommandKind(row["kind"]), tuple(json.loads(row["steps"]))
    said = (row["by_whom"], row["reason"], row["given_at"], steps, row["signal"], row["signal_key"])
    return AuditCommand(row["position"], row["run_id"], kind, *said)


def step_state(row: Mapping[str, Any], failing_version: int | None) -> StepState:
    """Return how a step stands, from what its own events say and what came after them.

    A run that fails starts no further attempt, so what waited for one then is as settled as it will ever be. A step
    that was held is due when a person lets the run go on.
    """
    phase, version = row["phase"], row["version"] or 0
    if phase in (StepState.WAITING, StepState.HELD) and version < (failing_version or 0):
        phase = StepState.FAILED
    if phase == StepState.HELD and (row["resumed_version"] or 0) > version:
        return StepState.WAITING
    if phase == StepState.FAILED and row["doubtful"]:
        return StepState.UNKNOWN
    return StepState(phase or StepState.RUNNING)


def undo_state(row: Mapping[str, Any]) -> UndoState:
    """Return how the undo of a step stands. One that failed is due again when a person says so."""
    if row["undo_phase"] == UndoState.FAILED and (row["resumed_version"] or 0) > row["undo_version"]:
        return UndoState.WAITING
    return UndoState(row["undo_phase"] or UndoState.NONE)
