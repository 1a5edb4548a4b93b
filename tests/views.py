"""What the tests of projections have in common: logs with histories in them, and what the audit view must say."""

import asyncio
import random
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

from amends.clock import SystemClock
from amends.projections import AuditRunDetail, AuditView, Projection, RunFilter
from amends.projections.applying import Applier
from amends.projections.copies import Copy, place
from amends.projections.database import Database, open_database
from amends.saga import events as e
from amends.saga.codec import EventCodec
from amends.saga.log.pages import Row
from amends.saga.log.port import Log
from amends.saga.state import RunState, fold
from tests.logs import opened

CODEC = EventCodec()
CLOCK = SystemClock()

Histories = Mapping[str, Sequence[e.Event]]

ENDS = (e.RunCompleted, e.RunCompensated, e.RunAbandoned)


def fill(url: str, histories: Histories, seed: int = 0) -> None:
    """Append histories to a log, in pieces that take turns."""

    async def scenario() -> None:
        async with opened(url) as log:
            if not url.startswith("sqlite:///"):
                await append(log, histories, seed)

    asyncio.run(scenario())
    if url.startswith("sqlite:///"):
        _insert(url.removeprefix("sqlite:///"), histories, seed)


def _insert(path: str, histories: Histories, seed: int) -> None:
    """Insert the rows that `append` would have written, without waiting for the disk after each piece."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for run_id, version, event in taking_turns(histories, seed):
            topic, state = CODEC.encode(event)
            row = (run_id, version, topic, state)
            connection.execute(
                "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)", row
            )


def taking_turns(histories: Histories, seed: int) -> Iterator[tuple[str, int, e.Event]]:
    """Yield run, version and event, in an order that may be."""
    drawn = random.Random(seed)
    written = dict.fromkeys(histories, 0)
    while left := [run_id for run_id, events in histories.items() if written[run_id] < len(events)]:
        run_id = drawn.choice(left)
        for event in histories[run_id][written[run_id] :][: drawn.randint(1, 4)]:
            written[run_id] += 1
            yield run_id, written[run_id], event


async def append(log: Log, histories: Histories, seed: int = 0) -> None:
    """Append histories to an open log, event by event."""
    for run_id, version, event in taking_turns(histories, seed):
        await log.append(run_id, version - 1, [CODEC.encode(event)])


def rows_after(database: Database, position: int) -> list[Row]:
    """Everything in the log behind a position."""
    rows: list[Row] = []
    while page := database.page(rows[-1][4] if rows else position):
        rows += page
    return rows


def applied(url: str, projection: Projection, pieces: random.Random | None = None) -> Copy:
    """Apply the whole log to the live copy, in pieces of random sizes."""
    database, applier = open_database(url), Applier(projection, CODEC, CLOCK)
    try:
        copy = place(database, projection, CLOCK)
        rows = rows_after(database, copy.position)
        while rows:
            size = len(rows) if pieces is None else pieces.randint(1, 12)
            moved = applier.apply(database, copy, rows[:size])
            assert moved is not None
            copy, rows = moved, rows[size:]
        return copy
    finally:
        database.close()


async def details(url: str, run_ids: Iterable[str]) -> dict[str, AuditRunDetail]:
    async with AuditView(url) as view:
        return {run_id: await view.run(run_id) for run_id in run_ids}


def hold_to_the_log(url: str, histories: Histories) -> None:
    """Hold the audit view to the engine's own fold of each history."""
    found = asyncio.run(details(url, [run_id for run_id, events in histories.items() if events]))
    for run_id, detail in found.items():
        events = histories[run_id]
        state = fold(run_id, events)
        assert seen_run(detail) == expected_run(state, events)
        assert {step.step: seen_step(step) for step in detail.steps} == {
            path: expected_step(step) for path, step in state.steps.items()
        }
        assert [(c.kind, c.by, c.reason, tuple(c.steps), c.given_at) for c in detail.commands] == list(
            expected_commands(events)
        )
        assert [(c.signal, c.signal_key) for c in detail.commands if c.kind == "signal"] == [
            (event.signal, event.key) for event in events if isinstance(event, e.SignalReceived)
        ]
        assert list(map(seen_wait, detail.waits)) == [expected_wait(wait, state) for wait in state.waits.all.values()]
        assert [wait.step for wait in detail.run.waiting_for] == list(state.waits.open)
    hold_the_waiting_to_the_log(url, histories)


def hold_the_waiting_to_the_log(url: str, histories: Histories) -> None:
    """Hold the search for runs that wait to the engine's own fold."""
    states = [fold(run_id, events) for run_id, events in histories.items() if events]
    waiting = {state.run_id for state in states if state.status is e.RunStatus.RUNNING and state.waits.open}
    assert asyncio.run(waiting_runs(url)) == waiting


async def waiting_runs(url: str) -> set[str]:
    async with AuditView(url) as view:
        page = await view.runs(RunFilter(waiting=True), limit=1_000)
        assert all(run.waiting_for for run in page.rows)
        return {run.run_id for run in page.rows}


def seen_run(detail: AuditRunDetail) -> dict[str, Any]:
    run = detail.run
    parked = run.state is e.RunStatus.PARKED
    return {
        "state": run.state,
        "saga": (run.saga, run.saga_version),
        "started_at": run.started_at,
        "tags": dict(run.tags),
        "owner": (run.owner, run.epoch),
        "version": run.version,
        "last_at": run.last_at,
        "remaining": tuple(run.remaining),
        "failing": (run.failing_reason, run.failing_action, run.failing_step, run.failing_by, run.failing_at),
        "error": (run.error_type, run.error),
        "parked": (run.parked_reason, run.parked_detail if parked else None),
        "unresolved": tuple(run.unresolved),
        "ended_at": run.ended_at,
        "attempts": (run.attempts, run.undo_attempts),
        "deadline": run.deadline,
        "committed": run.committed_at is not None,
        "abandoned": (run.abandoned_by, run.abandoned_reason),
        "duration": run.duration,
    }


def expected_run(state: RunState, events: Sequence[e.Event]) -> dict[str, Any]:
    failing, last = state.failing, events[-1]
    parked = state.parked if state.status is e.RunStatus.PARKED else None
    return {
        "state": state.status,
        "saga": (state.saga, state.saga_version),
        "started_at": state.started_at,
        "tags": dict(state.tags),
        "owner": (state.worker or None, state.epoch),
        "version": state.version,
        "last_at": last.occurred_at,
        "remaining": state.remaining,
        "failing": (failing.reason, failing.action, failing.step, failing.by, failing.occurred_at)
        if failing
        else (None,) * 5,
        "error": (failing.error.type, failing.error.message) if failing else (None, None),
        "parked": (parked.reason, parked.detail) if parked else (None, None),
        "unresolved": last.unresolved if isinstance(last, e.RunCompleted) else (),
        "ended_at": last.occurred_at if state.status.ended else None,
        "attempts": (
            sum(isinstance(event, e.ActionStarted) for event in events),
            sum(isinstance(event, e.CompensationStarted) for event in events),
        ),
        "deadline": state.deadline,
        "committed": bool(state.commits),
        "abandoned": (state.abandoned.by, state.abandoned.reason) if state.abandoned else (None, None),
        "duration": expected_duration(state, events),
    }


def expected_duration(state: RunState, events: Sequence[e.Event]) -> timedelta | None:
    """From the start to the first end, of a run that has ended."""
    if not state.status.ended:
        return None
    ends = (event.occurred_at for event in events if isinstance(event, ENDS))
    return next(ends) - events[0].occurred_at


def seen_wait(wait: Any) -> tuple[Any, ...]:
    return wait.step, wait.signal, wait.due_at, wait.state.name, wait.ended_at


def expected_wait(wait: Any, state: RunState) -> tuple[Any, ...]:
    names = {"OPEN": "WAITING" if wait.path in state.waits.open else "LEFT", "FIRED": "TIMED_OUT"}
    return wait.path, wait.signal, wait.due_at, names.get(wait.status.name, wait.status.name), wait.settled_at


def seen_step(step: Any) -> dict[str, Any]:
    return {
        "action": (step.action, step.irreversible, step.idempotency_key),
        "state": step.state.name,
        "attempts": (step.attempts, step.undo_attempts),
        "times": (step.started_at, step.undo_started_at),
        "due": (step.retry_at, step.undo_retry_at if step.undo.name == "WAITING" else None),
        "error": (step.error_type, step.error, step.undo_error_type, step.undo_error),
        "undo": step.undo.name,
    }


def expected_step(step: Any) -> dict[str, Any]:
    return {
        "action": (step.action, step.irreversible, step.idempotency_key),
        "state": step.status.name,
        "attempts": (step.attempts, step.undo_attempts),
        "times": (step.started_at, step.undo_started_at),
        "due": (
            step.due_at if step.status.name == "WAITING" else None,
            step.undo_due_at if step.undo.name == "WAITING" else None,
        ),
        "error": (
            *((step.error.type, step.error.message) if step.error else (None, None)),
            *((step.undo_error.type, step.undo_error.message) if step.undo_error else (None, None)),
        ),
        "undo": step.undo.name,
    }


def expected_commands(events: Sequence[e.Event]) -> Iterable[tuple[Any, ...]]:
    for event in events:
        match event:
            case e.RunFailing(by=str(by)):
                kind = "undo" if event.reason is e.FailingReason.UNDONE else "cancel"
                yield kind, by, event.error.message, (), event.occurred_at
            case e.RunResumed():
                kind = "retry" if event.retries else "resume"
                yield kind, event.by, event.reason, event.retries, event.occurred_at
            case e.RunAbandoned():
                yield "abandon", event.by, event.reason, (), event.occurred_at
            case e.SignalReceived():
                yield "signal", event.by, "", (), event.occurred_at
            case e.CompensationWaived():
                yield "waive", event.by, event.reason, (event.step,), event.occurred_at
