"""The routes of the pages: rows of the console's one table."""

from collections.abc import Sequence

from pydantic import BaseModel

from ..asked import StreamAsked
from ..roles import Role
from ..table import Endpoint, Handler
from ..telling import SAID
from . import asked, commanding, files, listing, showing, signing

__all__ = ["page_routes"]


def page_routes() -> Sequence[Endpoint]:
    """Return the rows of the pages."""
    return (
        _row(
            "GET",
            "/",
            Role.VIEWER,
            listing.runs,
            "runsPage",
            "The runs, those first that need a person",
            asked.ListAsked,
        ),
        _row(
            "GET", "/figures", Role.VIEWER, listing.figures, "figuresPage", "Counts and durations", asked.FiguresAsked
        ),
        _row("GET", "/run", Role.VIEWER, showing.run, "runPage", "One run", asked.RunAsked),
        _row("GET", "/live/{run_id:path}", Role.VIEWER, showing.run_stream, "liveRun", "That a run moves", StreamAsked),
        *(
            _row(
                "POST",
                f"/tell/{name}",
                Role.ADMIN if name == "abandon" else Role.OPERATOR,
                commanding.commanding(name),
                f"{name}Form",
                "Tell a run something",
            )
            for name in SAID
        ),
        _row(
            "GET", "/sign-in", Role.PUBLIC, signing.sign_in_form, "signInPage", "Ask for a token", signing.SignInAsked
        ),
        _row("POST", "/sign-in", Role.PUBLIC, signing.sign_in, "signIn", "Begin a session"),
        _row("POST", "/sign-out", Role.VIEWER, signing.sign_out, "signOut", "End the session"),
        *(
            _row("GET", f"/static/{name}", Role.PUBLIC, files.file, f"static-{name}", "A file of the pages")
            for name in files.FILES
        ),
    )


def _row(
    method: str, path: str, role: Role, handler: Handler, name: str, summary: str, query: type[BaseModel] | None = None
) -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        role=role,
        handler=handler,
        summary=summary,
        name=name,
        query=query,
        media_type="text/html",
        is_page=True,
    )
