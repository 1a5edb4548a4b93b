"""Handlers that begin and end a session: a token goes in, and a cookie comes out that no script can read."""

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse, Response

from ..sessions import COOKIE, must_be_safe
from ..table import Ask
from ..tokens import bearer
from .forms import check_from_here, form_of, read_form
from .links import back_to
from .refusing import COOKIE as FORM_COOKIE
from .refusing import sign_in_page
from .rendering import root_of

__all__ = ["SignInAsked", "sign_in", "sign_in_form", "sign_out"]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignInAsked(_Form):
    """The parameters of the sign-in page."""

    wanted: str = Field("", max_length=8_192, description="where to go on")


class _Token(_Form):
    token: str = Field(max_length=500)
    wanted: str = Field("", max_length=8_192)


class _Nothing(_Form):
    pass


async def sign_in_form(ask: Ask) -> Response:
    """Ask for a token; there is nothing to ask for where none is configured."""
    if not ask.console.settings.tokens:
        return _to(f"{root_of(ask.request)}/")
    return sign_in_page(ask.console, ask.request, ask.query.wanted)


async def sign_in(ask: Ask) -> Response:
    """Begin a session with a token."""
    form, secret = await read_form(ask, _Token)
    check_from_here(ask.request, secret, ask.request.cookies.get(FORM_COOKIE, ""))
    actor = bearer(ask.console.settings.tokens, form.token.strip())
    if actor is None:
        refusal = "That is none of the tokens of this console."
        return sign_in_page(ask.console, ask.request, form.wanted, status=401, refusal=refusal)
    root = root_of(ask.request)
    ask.console.sessions.end(ask.request)
    response = _to(back_to(form.wanted, root))
    cookie = ask.console.sessions.begin(actor)
    response.set_cookie(
        COOKIE, cookie, path=f"{root}/", secure=must_be_safe(ask.request), httponly=True, samesite="strict"
    )
    response.delete_cookie(FORM_COOKIE, path=f"{root}/sign-in")
    return response


async def sign_out(ask: Ask) -> Response:
    """End the session."""
    await form_of(ask, _Nothing)
    root = root_of(ask.request)
    ask.console.sessions.end(ask.request)
    response = _to(f"{root}/")
    response.delete_cookie(COOKIE, path=f"{root}/")
    return response


def _to(address: str) -> Response:
    return RedirectResponse(address, 303)
