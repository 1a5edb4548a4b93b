"""Why a run stands as it does, and what of it stands: in a few words, for lists."""

from typing import TYPE_CHECKING

from ..saga.events import RunStatus

if TYPE_CHECKING:
    from ..projections import AuditRun

SHOWN_COUNT = 3
"""How many of the steps that remain are named."""


def why(run: "AuditRun") -> str:
    """Return why a run stands as it does, in a few words; empty where all is well."""
    if run.state is RunStatus.PARKED:
        return f"{(run.parked_reason or '?').replace('_', ' ')}: {run.parked_detail}"
    if run.failing_reason is None:
        return ""
    by = f" by {run.failing_by}" if run.failing_by else ""
    return f"{run.failing_action or run.failing_reason.replace('_', ' ')}{by}: {run.error}"


def stands(run: "AuditRun") -> str:
    """Return which steps stand although the run was undone, or is parked; empty where there are none."""
    shown = [f"{each.action} ({each.step}) {each.why.replace('_', ' ')}" for each in run.remaining[:SHOWN_COUNT]]
    more = len(run.remaining) - SHOWN_COUNT
    return ", ".join([*shown, f"and {more:,} more"] if more > 0 else shown)
