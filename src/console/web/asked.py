"""What requests bring: bodies and queries, as models. The checks are the library's own; these say what JSON must be."""

import argparse
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from ...actions.action import checked_name
from ...errors import DefinitionError
from ...saga.events import ParkReason, RunStatus
from ..moments import SPAN, moment

__all__ = [
    "Counted",
    "EventsAsked",
    "Paged",
    "Reason",
    "RunAsked",
    "RunsAsked",
    "SignalSaid",
    "Start",
    "StreamAsked",
    "Waited",
    "Waiver",
]

MAX_ROWS = 1_000


def _tag(value: object) -> object:
    name, separator, text = value.partition("=") if isinstance(value, str) else ("", "", "")
    if not separator or not name:
        raise ValueError("is not NAME=VALUE")
    return name, text


def _aware(time: datetime) -> datetime:
    """Without a time zone it is UTC; and it is one that every database can hold."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    if not 1970 <= aware.year <= 9_998:
        raise ValueError("use a time from 1970 on")
    return aware.astimezone(UTC)


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds the character NUL, which nothing stored can hold")
    return text


def _moment(value: object, taken: ValidatorFunctionWrapHandler) -> object:
    """So long ago, as on the command line, or a time."""
    try:
        return moment(value) if isinstance(value, str) and SPAN.fullmatch(value.strip()) else taken(value)
    except (ValidationError, argparse.ArgumentTypeError):
        raise ValueError("use so long ago (30m, 2h, 7d), or a time in ISO 8601") from None


def _signal_name(name: str) -> str:
    try:
        return checked_name("signal", name)
    except DefinitionError:
        raise ValueError("use 1 to 128 letters, digits and _ . : -") from None


Time = Annotated[
    datetime, WrapValidator(_moment), AfterValidator(_aware), WithJsonSchema({"type": "string", "examples": ["7d"]})
]
Text = Annotated[str, Field(max_length=200), AfterValidator(_storable)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Start(_Asked):
    """What is started."""

    input: Any = Field(None, description="of the type that the action or saga takes")
    run_id: str | None = Field(None, description="what the run is to be known by; not beside an Idempotency-Key")
    tags: dict[str, str] = Field(default={}, max_length=50, description="to find it by later")
    deadline_seconds: float | None = Field(None, description="a run that has not ended by then is undone")


class Waited(_Asked):
    """How long a request waits for a run."""

    wait_seconds: float | None = Field(
        None, ge=0, description="wait so long for the run to end or to be parked; the same as `Prefer: wait=N`"
    )


class RunAsked(Waited):
    """The parameters of a request for one run."""


class Reason(_Asked):
    """A command of a person. Who says it is known by the token."""

    reason: str = Field(min_length=1, max_length=2_000, description="why; it is on record")


class Waiver(Reason):
    """That a step needs no more undoing."""

    step: str = Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=200, description="its path")


class SignalSaid(_Asked):
    """What a run is told."""

    name: Annotated[str, AfterValidator(_signal_name)] = Field(
        description="the signal's name, as in `run.wait_for(NAME)`"
    )
    payload: Any = Field(None, description="of the type that the saga declares for it")
    key: str | None = Field(
        None, min_length=1, max_length=200, description="one with the same key is taken once; or an Idempotency-Key"
    )


class Paged(_Asked):
    """The parameters of a page."""

    limit: int = Field(50, ge=1, le=MAX_ROWS, description="at most so many rows")
    cursor: str | None = Field(None, max_length=500, description="`next` of the page before")


class RunsAsked(Paged):
    """Which runs. Conditions are combined."""

    state: RunStatus | None = Field(None, description="how they stand")
    parked_reason: ParkReason | None = Field(None, description="parked, for this reason")
    saga: Text | None = Field(None, description="of this saga; of `invoke:NAME` for an action that was invoked")
    action: Text | None = Field(None, description="that failed because of this action")
    tag: Annotated[tuple[str, str], BeforeValidator(_tag)] | None = Field(
        None, description="NAME=VALUE", json_schema_extra={"type": "string"}
    )
    since: Time | None = Field(None, description="started then or later: `30m`, `7d`, or ISO 8601")
    until: Time | None = Field(None, description="started before then")
    text: Text | None = Field(None, description="whose error holds this text; needs the right to see payloads")
    waiting: bool = Field(False, description="running, and at a wait for a signal, a time or a lock")


class Counted(_Asked):
    """A range of time."""

    since: Time | None = Field(None, description="started then or later: `30m`, `7d`, or ISO 8601")
    until: Time | None = Field(None, description="started before then")


class EventsAsked(_Asked):
    """Which events of a run."""

    after_version: int = Field(0, ge=0, lt=2**31, description="those behind this one")
    limit: int = Field(200, ge=1, le=MAX_ROWS, description="at most so many")


class StreamAsked(_Asked):
    """From where on events are streamed."""

    after_version: int = Field(0, ge=0, lt=2**31, description="those behind this one; `Last-Event-ID` goes before it")
