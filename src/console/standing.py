"""Why a run stands as it does, and what of it stands: in a few words, for lists."""

from typing import TYPE_CHECKING

from ..saga.events import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ..projections import AuditRun, AuditWait

SHOWN_COUNT = 3
"""How many of the steps that remain are named."""


def why(run: "AuditRun") -> str:
    """Return why a run stands as it does, in a few words; empty where all is well."""
    if run.state is RunStatus.PARKED:
        return f"{(run.parked_reason or '?').replace('_', ' ')}: {run.parked_detail}"
    if run.state is RunStatus.ABANDONED:
        return f"abandoned by {run.abandoned_by}: {run.abandoned_reason}"
    if run.failing_reason is None:
        return "; ".join(_under_way(run)) if run.state is RunStatus.RUNNING else ""
    by = f" by {run.failing_by}" if run.failing_by else ""
    return f"{run.failing_action or run.failing_reason.replace('_', ' ')}{by}: {run.error}"


def _under_way(run: "AuditRun") -> "Iterator[str]":
    """Yield what there is to say of a run that goes forward: what it waits for, and what binds it."""
    yield from map(_waits, run.waiting_for[:SHOWN_COUNT])
    if len(run.waiting_for) > SHOWN_COUNT:
        yield f"{len(run.waiting_for) - SHOWN_COUNT:,} more waits"
    if run.deadline is not None:
        yield f"deadline {_time(run.deadline)}"
    if run.committed_at is not None:
        yield "past its point of no return"


def _waits(wait: "AuditWait") -> str:
    until = "" if wait.due_at is None else f" until {_time(wait.due_at)}"
    what = "sleeps" if wait.signal is None and wait.slot is None else f"waits for {wait.slot or wait.signal}"
    return f"{what}{until}, since {_time(wait.began_at)}"


def _time(at: "datetime") -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def stands(run: "AuditRun") -> str:
    """Return which steps stand although the run was undone or abandoned, or is parked; empty where there are none."""
    shown = [f"{each.action} ({each.step}) {each.why.replace('_', ' ')}" for each in run.remaining[:SHOWN_COUNT]]
    more = len(run.remaining) - SHOWN_COUNT
    return ", ".join([*shown, f"and {more:,} more"] if more > 0 else shown)
