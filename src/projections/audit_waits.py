"""What the runs of the audit view wait for: their waits and signals, put together as the engine does it.

A row of the view is made of one event, and which signal ends which wait depends on all of them. So the rows are kept
apart, and meet here in the engine's own queue of waits and signals, in the order of the log.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..saga.waits import Wait, Waits, WaitStatus
from .audit_rows import AuditRun, AuditWait, WaitState, audit_run
from .database import Transaction

_STATES = {
    WaitStatus.OPEN: WaitState.LEFT,
    WaitStatus.FIRED: WaitState.TIMED_OUT,
    WaitStatus.SIGNALLED: WaitState.SIGNALLED,
}


def runs_with_waits(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> tuple[AuditRun, ...]:
    """Return runs from their columns, with what they wait for now."""
    waits = waits_of(transaction, [row for row in rows if row["wait_count"] and _may_wait(row)])
    return tuple(
        audit_run(row, [wait for wait in waits.get(row["run_id"], ()) if wait.state is WaitState.WAITING])
        for row in rows
    )


def waits_of(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> dict[str, list[AuditWait]]:
    """Return all waits of some runs, by run, in the order in which they began."""
    found: dict[str, list[AuditWait]] = {row["run_id"]: [] for row in rows}
    if not found:
        return found
    wanted = {"run_ids": json.dumps(list(found))}
    waits, signals = defaultdict(list), defaultdict(list)
    for wait in transaction.records("audit_waits", wanted):
        waits[wait["run_id"]].append(wait)
    for signal in transaction.records("audit_signals", wanted) if waits else ():
        signals[signal["run_id"]].append(signal)
    for row in rows:
        run_id = row["run_id"]
        found[run_id] = _put_together(waits[run_id], signals[run_id], may_wait=_may_wait(row))
    return found


def _may_wait(row: dict[str, Any]) -> bool:
    return row["outcome"] is None and row["failing_reason"] is None


def _put_together(
    wait_rows: Sequence[dict[str, Any]], signal_rows: Sequence[dict[str, Any]], *, may_wait: bool
) -> list[AuditWait]:
    begun = {row["step"]: row for row in wait_rows if row["began_at"] is not None}
    moves: list[tuple[int, datetime, Wait | str, dict[str, Any]]] = []
    for path, row in begun.items():
        moves.append(
            (row["began_position"], row["began_at"], Wait(path, row["signal"], row["due_at"], key=row["slot"]), row)
        )
        if row["fired_at"] is not None:
            moves.append((row["fired_position"], row["fired_at"], path, row))
    moves += [(row["position"], row["given_at"], "", row) for row in signal_rows]
    waits = Waits()
    for position, at, what, row in sorted(moves, key=lambda move: move[0]):
        if isinstance(what, Wait):
            waits.begin(what, at)
        elif not what:
            waits.receive(row["signal"], "", str(position), at)
        elif what in waits.open:  # It is not, where an event of the run is quarantined.
            waits.fire(what, at)
    return [_wait(begun[path], wait, is_open=may_wait and path in waits.open) for path, wait in waits.all.items()]


def _wait(row: dict[str, Any], wait: Wait, *, is_open: bool) -> AuditWait:
    state = WaitState.WAITING if is_open else _STATES[wait.status]
    if state is WaitState.TIMED_OUT and wait.key is not None:
        state = WaitState.TAKEN
    times = (row["began_at"], wait.due_at, state, wait.settled_at)
    return AuditWait(row["run_id"], wait.path, wait.signal, *times, slot=wait.key)
