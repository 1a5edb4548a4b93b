"""Makes text from the log safe to show: ids, names and errors are written by others, and may be hostile.

A control character could repaint a terminal, a bidirectional one could turn a line around, and several are not
allowed in XML at all. None of them is shown as itself.
"""

import unicodedata
from urllib.parse import urlsplit

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Control, format, surrogate, private, unassigned, line and paragraph separators (Unicode general categories)."""


def plain(text: str, limit: int = 200) -> str:
    r"""Return `text` on one line, without anything invisible, cut to `limit` characters.

    >>> plain("all is\x1b[2J well\n")
    'all is�[2J well'
    """
    one_line = " ".join(text[: limit * 4].split())
    shown = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _HIDDEN else char for char in one_line)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def plain_middle(text: str, limit: int) -> str:
    """Return `text` as `plain` does, but cut in its middle: names that begin alike often differ in their ends.

    >>> plain_middle("send-the-invoice-to-the-customer", 17)
    'send-the…customer'
    """
    shown = plain(text, max(limit, 2_000))
    kept = limit - 1
    return shown if len(shown) <= limit else f"{shown[: kept - kept // 2]}…{shown[len(shown) - kept // 2 :]}"


def plain_lines(text: str, limit: int) -> str:
    r"""Return `text` with its lines and their indentation, without anything invisible, cut to `limit` characters.

    >>> plain_lines("{\n  a\x1b\r\n}", 100)
    '{\n  a�\n}'
    """
    lines = text[:limit].replace("\r\n", "\n").split("\n")
    return "\n".join(
        "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(char) else char for char in line) for line in lines
    )


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN and char != "\t"


def seconds(value: float) -> str:
    """Return a span as people read it.

    >>> seconds(0.0042), seconds(1.5), seconds(4000)
    ('4 ms', '1.50 s', '1:06:40')
    """
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.2f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02} min"


def without_password(url: str) -> str:
    """Return `url` as it may be shown.

    >>> without_password("postgresql://app:secret@db/app?password=secret")
    'postgresql://app@db/app'
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query="").geturl()
