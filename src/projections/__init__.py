"""Projections: read models that are made of the log, can be thrown away, and are rebuilt while everything goes on.

The audit view is one of them; `Projection` is how to write another.
"""

from .audit import Audit
from .audit_durations import AuditDurations, Durations
from .audit_rows import (
    AuditCommand,
    AuditRun,
    AuditRunDetail,
    AuditStep,
    AuditWait,
    CommandKind,
    StepState,
    UndoState,
    WaitState,
)
from .audit_search import AuditPage, RunFilter
from .audit_view import AuditView, SagaCount
from .bulk import BulkOutcome, BulkResult, tell_all
from .chain import Breach, BreachKind
from .follower import Follower
from .hook_rows import Since
from .hooks import Hooks
from .notices import RunNotice
from .projection import Delete, Projection, RecordedEvent, Table, Upsert
from .pursuit import FollowerState, Role
from .rebuilding import RebuildProgress, rebuild
from .sealing import Sealer, SealProgress
from .status import Projections, ProjectionStatus, Quarantined
from .verifying import KeptHead, Verification, VerifyProgress, verify, verify_run

__all__ = [
    "Audit",
    "AuditCommand",
    "AuditDurations",
    "AuditPage",
    "AuditRun",
    "AuditRunDetail",
    "AuditStep",
    "AuditView",
    "AuditWait",
    "Breach",
    "BreachKind",
    "BulkOutcome",
    "BulkResult",
    "CommandKind",
    "Delete",
    "Durations",
    "Follower",
    "FollowerState",
    "Hooks",
    "KeptHead",
    "Projection",
    "ProjectionStatus",
    "Projections",
    "Quarantined",
    "RebuildProgress",
    "RecordedEvent",
    "Role",
    "RunFilter",
    "RunNotice",
    "SagaCount",
    "SealProgress",
    "Sealer",
    "Since",
    "StepState",
    "Table",
    "UndoState",
    "Upsert",
    "Verification",
    "VerifyProgress",
    "WaitState",
    "rebuild",
    "tell_all",
    "verify",
    "verify_run",
]
