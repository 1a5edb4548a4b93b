"""The stylesheet, the script and the icon of the pages. There is nothing secret in them."""

from functools import cache
from importlib.resources import files

from starlette.responses import Response

from ...svg import stylesheet
from ..table import Ask

__all__ = ["FILES", "file"]

FILES = {
    "amends.css": "text/css; charset=utf-8",
    "amends.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


async def file(ask: Ask) -> Response:
    """Answer with a file."""
    name = ask.request.url.path.rpartition("/")[2]
    return Response(content(name), media_type=FILES[name])


@cache
def content(name: str) -> bytes:
    """Return what is in a file; the stylesheet with the style of the pictures."""
    text = files(__package__).joinpath("static", name).read_text(encoding="utf-8")
    return (text + stylesheet() if name == "amends.css" else text).encode()
