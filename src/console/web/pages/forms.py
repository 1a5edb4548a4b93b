"""What the forms of the pages bring: read within bounds, and taken only from a page of this console."""

import hmac
from typing import TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ..bodies import bytes_of
from ..problems import Problem, invalid
from ..table import Ask

__all__ = ["check_from_here", "form_of", "read_form"]

M = TypeVar("M", bound=BaseModel)

FIELD = "secret"
"""The field in which a form brings the secret of its page."""

MAX_FIELDS = 20


async def form_of(ask: Ask, model: type[M]) -> M:
    """Return what a form brings.

    A browser sends a session's cookie, and whatever else it knows, with every form that any page makes it send. So a
    form must come from a page of ours: the browser says so (`Origin`), and it knows the secret of the page. A caller
    who is known by the token that they send themselves needs neither.

    Raises:
        Problem: it is from elsewhere, or is too large, too slow, or does not fit.
    """
    form, secret = await read_form(ask, model)
    if ask.actor.is_ambient:
        session = ask.request.scope["state"]["session"]
        check_from_here(ask.request, secret, session.secret if session else ask.console.sessions.secret)
    return form


async def read_form(ask: Ask, model: type[M]) -> tuple[M, str]:
    """Return what a form brings, wherever it is from, and the secret that it brings.

    Raises:
        Problem: it is too large, too slow, or does not fit.
    """
    given = await _fields(ask)
    secret = given.pop(FIELD, "")
    try:
        return model.model_validate(given), secret
    except ValidationError as error:
        raise invalid(error, "form", model.model_fields) from None


def check_from_here(request: Request, secret: str, expected: str) -> None:
    """Do nothing if a form is of a page of this console; what `Origin` says has been looked at at the door.

    Raises:
        Problem: it is not.
    """
    if "origin" not in request.headers:
        raise Problem(403, "origin-missing", "a form is taken only from a browser that says from which page it is")
    if not _is_same(secret, expected):
        said = "this form is of a page that is too old, or of another one; go back, load the page again, and repeat"
        raise Problem(403, "foreign-form", said, field=FIELD)


def _is_same(given: str, expected: str) -> bool:
    """Compare secrets in constant time."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


async def _fields(ask: Ask) -> dict[str, str]:
    raw = await bytes_of(ask.request, ask.console.settings)
    kind = ask.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if raw and kind != "application/x-www-form-urlencoded":
        raise Problem(415, "unsupported-media-type", "send a form, as the pages do", field="Content-Type")
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise Problem(400, "malformed-form", "that is no form that can be taken", field="body") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Problem(422, "invalid-value", "a field is given twice", field="form")
    return fields
