"""What the addresses of pages ask for: the conditions of the API, as a form writes them, with empty fields."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...moments import moment
from ..asked import RunsAsked, Time
from ..telling import SAID

__all__ = ["FiguresAsked", "ListAsked", "OneRunAsked"]


def _given(raw: Any) -> Any:
    """Leave out the fields of a form that nobody has filled in."""
    return {name: value for name, value in raw.items() if value != ""} if isinstance(raw, dict) else raw


class ListAsked(RunsAsked):
    """Which runs are listed."""

    _given = model_validator(mode="before")(_given)

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for some runs only, or for a further page."""
        return bool(self.model_fields_set - {"limit"})


class FiguresAsked(BaseModel):
    """Of which time figures are shown."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = Field(None, description="of runs started then or later; of the last 7 days if left out")
    until: Time | None = Field(None, description="started before then")

    _given = model_validator(mode="before")(_given)

    def range(self, now: datetime) -> dict[str, datetime | None]:
        """Return it as the audit view takes it."""
        return {"since": self.since or moment("7d", now), "until": self.until}


class OneRunAsked(BaseModel):
    """Which run is shown, and what of it."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=200, description="the run")
    step: str = Field("", pattern=r"^([0-9]+(\.[0-9]+)*|run)?$", max_length=200, description="whose values are shown")
    told: str = Field("", pattern=f"^({'|'.join(SAID)})?$", description="what it was told just now")
    changed: bool = Field(False, description="and whether that was recorded")
    before: int | None = Field(None, ge=1, le=10_000_000, description="steps before this one, of a long run")
