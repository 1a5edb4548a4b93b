"""Templates and what they may show: every text is escaped and made visible (`plain`), unless it is markup of ours."""

import re
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from ...paint import STATUS_COLOURS
from ...plain import plain, seconds
from ..console import Console
from ..table import Ask
from .links import Links

__all__ = ["html", "page", "root_of", "words"]

TEXT_LIMIT = 2_000
"""How much of a text is shown in a line; payloads have a place of their own."""


def _shown(value: object) -> object:
    return plain(value, TEXT_LIMIT) if isinstance(value, str) and not isinstance(value, Markup) else value


def words(value: object) -> str:
    """Return a name of ours as people write it: `undo_failed` is `undo failed`."""
    return str(value).replace("_", " ")


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def breakable(text: str) -> Markup:
    """Return an id or a name that a line is broken in where its parts end, if it must be broken at all."""
    return Markup("<wbr>").join(escape(part) for part in _ENDS.split(plain(text, TEXT_LIMIT)))


_ENDS = re.compile(r"(?<=[:/@.-])(?=[^:/@.-])")

_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_ENVIRONMENT.filters.update(
    breakable=breakable,
    # Lines stay lines; whoever made them has taken out what cannot be seen.
    lines=lambda text: Markup(escape(text)),  # noqa: S704 - it is escaped
    merge=lambda given, **more: {**given, **more},
    seconds=seconds,
    time=_time,
    words=words,
)
_ENVIRONMENT.globals.update(colour_of=lambda status: STATUS_COLOURS.get(status, "soft"))


def root_of(request: Request) -> str:
    """Return where the console is mounted."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def page(ask: Ask, template: str, **shown: Any) -> Response:
    """Return a page for whoever asks."""
    return html(ask.console, ask.request, template, **shown)


def html(console: Console, request: Request, template: str, status: int = 200, **shown: Any) -> Response:
    """Return a page.

    Args:
        console: whose.
        request: what asked for it.
        template: its file in `templates/`.
        status: of the answer.
        shown: what it shows.
    """
    state = request.scope["state"]
    session = state["session"]
    given = {
        "link": Links(root_of(request)),
        "actor": state["actor"],
        "is_session": session is not None,
        "secret": session.secret if session else console.sessions.secret,
        **shown,
    }
    text = _ENVIRONMENT.get_template(template).render(given)
    return Response(text.encode("utf-8", "replace"), status, {"Vary": "Cookie, Accept"}, "text/html; charset=utf-8")
