"""What requests are answered with, as models: the OpenAPI document is made of them. Their shapes only grow."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ...projections import AuditCommand, AuditRun
from ...saga.events import Remaining, RunStatus
from .json_text import json_bytes

__all__ = [
    "ActionList",
    "ActionShown",
    "CommandPage",
    "CommandTaken",
    "CountList",
    "CountShown",
    "EventPage",
    "Failure",
    "Health",
    "PlannedUndoShown",
    "RunPage",
    "RunShown",
    "RunStarted",
    "SagaList",
    "SagaShown",
    "SignalTaken",
    "UndoPlanShown",
    "answer",
]


class _Shown(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Health(_Shown):
    """That the process serves."""

    status: str = Field("ok", description="`ok`")


class ActionShown(_Shown):
    """An action that may be invoked."""

    name: str
    irreversible: bool
    transactional: bool
    input: Any = Field(description="the JSON schema of its input")
    output: Any = Field(description="the JSON schema of its output")


class ActionList(_Shown):
    """The actions."""

    actions: list[ActionShown]


class SagaShown(_Shown):
    """A saga that may be started."""

    name: str
    version: int = Field(description="the newest that is known here")
    input: Any = Field(description="the JSON schema of its input")
    output: Any = Field(description="the JSON schema of its output")
    signals: dict[str, Any] = Field(description="the signals that it declares, each with its payload's JSON schema")


class SagaList(_Shown):
    """The sagas."""

    sagas: list[SagaShown]


class Failure(_Shown):
    """Why a run has no result."""

    action: str | None = Field(description="the action whose failure was the reason")
    reason: str | None = Field(description="one sentence; null without the right to see payloads")
    remaining: list[Remaining] = Field(description="the steps whose effects still stand")


class RunStarted(_Shown):
    """A run, as far as it was waited for."""

    run_id: str
    status: RunStatus
    at_rest: bool = Field(description="it has ended or is parked")
    output: Any = Field(None, description="of a completed run; null without the right to see payloads")
    failure: Failure | None = Field(None, description="of a run at rest that has not completed")


class RunShown(_Shown):
    """A run: what was done, what went wrong, what was undone, what remains. Times are seconds since its start."""

    run_id: str
    saga: str
    version: int
    status: RunStatus
    started_at: datetime | None
    took_seconds: float
    tags: dict[str, str]
    deadline: datetime | None
    committed_at_seconds: float | None
    event_count: int
    steps: list[dict[str, Any]]
    waits: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    remaining: list[Remaining]
    output: Any = Field(None, description="of a completed run; null without the right to see payloads")
    failure: Failure | None = Field(None, description="of a run at rest that has not completed")


class RunPage(_Shown):
    """A page of runs, those first that were started last."""

    runs: list[AuditRun]
    next: str | None = Field(description="the cursor of the next page; null if there is none")


class EventPage(_Shown):
    """Events of a run, in order."""

    run_id: str
    events: list[dict[str, Any]]
    next_after_version: int | None = Field(description="`after_version` of the next page; null if this is the last")


class CommandPage(_Shown):
    """What people told runs, newest first."""

    commands: list[AuditCommand]
    next: str | None = Field(description="the cursor of the next page; null if there is none")


class CountShown(_Shown):
    """How many runs of a saga stand in a state."""

    saga: str
    state: RunStatus
    run_count: int


class CountList(_Shown):
    """How many runs there are."""

    counts: list[CountShown]


class CommandTaken(_Shown):
    """What came of a command."""

    run_id: str
    changed: bool = Field(description="whether it was recorded; if not, the run stays as it is")
    status: RunStatus


class SignalTaken(_Shown):
    """That a signal is on record."""

    run_id: str
    signal: str
    key: str


class PlannedUndoShown(_Shown):
    """An undo that would be entered."""

    step: str
    action: str
    stage: int = Field(description="every undo of the stages before has ended before this one begins")


class UndoPlanShown(_Shown):
    """What undoing a run would do."""

    run_id: str
    is_committed: bool = Field(description="it has passed its point of no return: nothing at all is undone")
    is_failing: bool = Field(description="it unwinds already, or was undone: asking for it changes nothing")
    undos: list[PlannedUndoShown]
    remaining: list[Remaining] = Field(description="what would stand all the same")


def answer(shown: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return what is shown, as an answer."""
    return Response(json_bytes(shown.model_dump(mode="json")), status, dict(headers or {}), "application/json")
