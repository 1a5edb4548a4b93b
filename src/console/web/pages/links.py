"""Addresses of pages. The id of a run stands in the query, because a browser takes `..` out of a path. Pure."""

from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

__all__ = ["Links", "back_to"]


class Links:
    """Addresses below the place where the console is mounted.

    Args:
        root: that place; empty for `/`.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def __call__(self, path: str, /, **query: object) -> Markup:
        """Return an address, as it stands in an attribute of HTML; what is None or empty is left out."""
        return Markup(escape(self.plain(path, **query)))  # noqa: S704 - it is escaped

    def plain(self, path: str, /, **query: object) -> str:
        """Return an address, as it stands in a header."""
        given = {name: value for name, value in query.items() if value is not None and value != ""}
        text = urlencode(given, quote_via=quote, safe=":@/")
        return f"{quote(self._root + path, safe='/:@')}{'?' if text else ''}{text}"


def back_to(address: str, root: str) -> str:
    """Return an address that a request gives as the one to go back to, or the first page if it is not one of ours."""
    # Browsers read a backslash as a slash, leave out tabs and line breaks, and take two slashes or more for the
    # beginning of another host. What a parser says of it does not matter: ours and theirs do not agree.
    is_ours = address.startswith(f"{root}/") and not address.startswith("//")
    is_plain = "\\" not in address and address.isascii() and address.isprintable()
    return address if is_ours and is_plain else f"{root}/"
