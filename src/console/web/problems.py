"""Errors as RFC 9457 problem documents: which status an error has, and what is said of it. Pure.

What the caller can mend is said in the error's own words. Of what they cannot mend (the database, a fault of ours)
they learn that it is so, and no more.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from ... import errors as e
from .json_text import json_bytes

__all__ = ["Problem", "ProblemShown", "invalid", "problem_of", "too_large"]

MEDIA_TYPE = "application/problem+json"

_STATUSES: Mapping[type[e.AmendsError], int] = {
    e.ValueTooLarge: 413,
    e.InvalidValue: 422,
    e.InvalidName: 422,
    e.DefinitionError: 422,
    e.UnknownName: 404,
    e.RunConflict: 409,
    e.SignalConflict: 409,
    e.CommandRefused: 409,
    e.LogUnavailable: 503,
    e.SchemaMismatch: 503,
    e.ProjectionError: 503,
    e.CoordinatorClosed: 503,
    e.AmendsError: 500,
}

_KEPT_BACK: Mapping[type[e.AmendsError], str] = {
    e.LogUnavailable: "the database does not answer; ask again, with the same Idempotency-Key or key",
    e.SchemaMismatch: "the tables are not those that this version knows; an engineer runs `amends migrate`",
    e.CoordinatorClosed: "the service is closing; ask again",
    e.LogCorrupt: "an event cannot be read; an engineer runs `amends verify`",
}

_FACTS = ("run_id", "kind", "name", "status", "size_bytes", "limit_bytes", "projection")


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    problem: str


class ProblemShown(BaseModel):
    """What went wrong, which field it is about, and how to mend it (RFC 9457)."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(description="`urn:amends:problem:` and a name that does not change")
    title: str
    status: int
    detail: str
    field: str | None = Field(None, description="the header, parameter or part of the body that it is about")
    errors: list[FieldProblem] = Field(default=[], description="all of them, where there are several")


class Problem(Exception):
    """An answer that says what went wrong.

    Args:
        status: the status of the response.
        name: what it is called: `rate-limited`.
        detail: what happened, and how to mend it.
        field: what it is about.
        headers: further headers of the response.
        facts: further members of the document.
    """

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        self.facts = dict(facts or {})

    def response(self) -> Response:
        """Return the answer."""
        shown = {
            "type": f"urn:amends:problem:{self.name}",
            "title": self.name.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            **({"field": self.field} if self.field else {}),
            **self.facts,
        }
        return Response(json_bytes(shown), self.status, self.headers, MEDIA_TYPE)


def problem_of(error: e.AmendsError) -> Problem:
    """Return what a caller is told of an error of the library."""
    kind = next(kind for kind in type(error).__mro__ if kind in _STATUSES)
    status = _STATUSES[kind]
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    kept_back = next((_KEPT_BACK[kind] for kind in type(error).__mro__ if kind in _KEPT_BACK), None)
    facts = {fact: getattr(error, fact) for fact in _FACTS if isinstance(getattr(error, fact, None), str | int)}
    headers = {"Retry-After": "1"} if status == 503 else {}
    if isinstance(error, e.InvalidValue):
        return Problem(status, name, str(error), field=error.field, headers=headers, facts=facts)
    detail = kept_back or (str(error) if status < 500 or isinstance(error, e.ProjectionError) else "see the log")
    # A fact called `status` is how the run stands; the member of that name is the response's.
    if "status" in facts:
        facts["run_status"] = str(facts.pop("status"))
    return Problem(status, name, detail, headers=headers, facts=facts)


def too_large(limit_bytes: int) -> Problem:
    """Return what a caller is told whose body is too large."""
    said = f"the body is larger than {limit_bytes:,} bytes; store it elsewhere and send a reference"
    return Problem(413, "body-too-large", said, field="body", facts={"limit_bytes": limit_bytes})


def invalid(error: ValidationError, where: str, known: Iterable[str]) -> Problem:
    """Return what a caller is told of a body or a query that does not fit; without the values that they sent.

    Args:
        error: what pydantic says of it.
        where: what the names of the fields begin with.
        known: the fields that there are.
    """
    found = [
        FieldProblem(field=".".join(map(str, (where, *each["loc"]))), problem=_said(each["type"], each["msg"], known))
        for each in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]
    facts = {"errors": [each.model_dump() for each in found]}
    return Problem(422, "invalid-value", f"{found[0].field}: {found[0].problem}", field=found[0].field, facts=facts)


def _said(kind: str, message: str, known: Iterable[str]) -> str:
    """Return what is wrong in words for clients, who know neither pydantic nor our classes."""
    match kind:
        case "extra_forbidden":
            return f"is not known; use {', '.join(known)}"
        case "model_type" | "model_attributes_type":
            return "send an object, in braces"
    return message.removeprefix("Value error, ")
