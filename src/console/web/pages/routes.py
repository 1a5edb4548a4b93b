"""The routes of the pages: rows of the console's one table."""

from collections.abc import Sequence
from typing import Any

from ..asked import StreamAsked
from ..roles import Role
from ..table import Endpoint, Handler
from ..telling import SAID
from . import asked, commanding, files, listing, showing, signing

__all__ = ["page_routes"]


def page_routes() -> Sequence[Endpoint]:
    """Return the rows of the pages."""
    return (*_PAGES, *_COMMANDS, *_SIGNING, *_FILES)


def _seen(path: str, handler: Handler, name: str, summary: str, **more: Any) -> Endpoint:
    given: dict[str, Any] = {"role": Role.VIEWER, "media_type": "text/html", "is_page": True, **more}
    return Endpoint(method="GET", path=path, handler=handler, name=name, summary=summary, **given)


def _sent(path: str, handler: Handler, name: str, summary: str, role: Role) -> Endpoint:
    return Endpoint(method="POST", path=path, handler=handler, name=name, summary=summary, role=role, is_page=True)


_PAGES = (
    _seen("/", listing.runs, "runsPage", "The runs, those first that need a person", query=asked.ListAsked),
    _seen("/figures", listing.figures, "figuresPage", "Counts and durations", query=asked.FiguresAsked),
    _seen("/run", showing.run, "runPage", "One run", query=asked.OneRunAsked),
    _seen("/live/{run_id:path}", showing.run_stream, "liveRun", "That a run moves", query=StreamAsked),
)

_COMMANDS = tuple(
    _sent(
        f"/tell/{name}",
        commanding.commanding(name),
        f"{name}Form",
        "Tell a run something",
        Role.ADMIN if name == "abandon" else Role.OPERATOR,
    )
    for name in SAID
)

_SIGNING = (
    _seen(
        "/sign-in", signing.sign_in_form, "signInPage", "Ask for a token", role=Role.PUBLIC, query=signing.SignInAsked
    ),
    _sent("/sign-in", signing.sign_in, "signIn", "Begin a session", Role.PUBLIC),
    _sent("/sign-out", signing.sign_out, "signOut", "End the session", Role.VIEWER),
)

_FILES = tuple(
    _seen(f"/static/{name}", files.file, f"static-{name}", "A file of the pages", role=Role.PUBLIC)
    for name in files.FILES
)
