"""What a request brings, read within bounds and checked: its body, and its query."""

import asyncio
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from .json_text import parsed
from .problems import Problem, invalid, too_large
from .settings import ConsoleSettings

__all__ = ["body_of", "bytes_of", "query_of"]

M = TypeVar("M", bound=BaseModel)

QUERY_LIMIT_BYTES = 8_192


async def body_of(request: Request, model: type[M], settings: ConsoleSettings) -> M:
    """Return the body of a request.

    Raises:
        Problem: it is too large, too slow, no JSON, or not of the model's form.
    """
    raw = await bytes_of(request, settings)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if raw and kind != "application/json":
        raise Problem(
            415, "unsupported-media-type", "send JSON, with Content-Type: application/json", field="Content-Type"
        )
    try:
        value = parsed(raw) if raw else {}
    except ValueError as error:
        raise Problem(400, "malformed-json", f"the body is no JSON that can be taken: {error}", field="body") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error, "body", model.model_fields) from None


async def bytes_of(request: Request, settings: ConsoleSettings) -> bytes:
    """Return the body of a request as it came.

    Raises:
        Problem: it is too large, too slow, or incomplete.
    """
    try:
        async with asyncio.timeout(settings.body_seconds):
            return await request.body()
    except TimeoutError:
        said = f"the body took longer than {settings.body_seconds:g} seconds; send it faster, or less of it"
        raise Problem(408, "request-timeout", said, field="body") from None
    except ClientDisconnect:
        raise Problem(400, "incomplete-body", "the body ended early", field="body") from None
    except HTTPException:  # It was counted as it came.
        raise too_large(settings.body_limit_bytes) from None


def query_of(request: Request, model: type[M]) -> M:
    """Return the parameters of a request.

    Raises:
        Problem: one is unknown, stands there twice, or is not of its form.
    """
    raw: dict[str, Any] = {}
    if len(request.url.query) > QUERY_LIMIT_BYTES:
        raise Problem(414, "query-too-long", f"use at most {QUERY_LIMIT_BYTES:,} bytes of query", field="query")
    for name, value in request.query_params.multi_items():
        if name in raw:
            raise Problem(422, "invalid-value", f"query.{name[:80]}: is given twice", field=f"query.{name[:80]}")
        raw[name] = value
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise invalid(error, "query", model.model_fields) from None
