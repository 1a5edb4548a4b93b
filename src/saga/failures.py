"""An exception as it may be recorded: its class and its text, without secrets, cut to a bound.

Events cannot be edited, so the text is redacted before it is cut and before it is written. Tracebacks and local
variables never enter an event.
"""

import re

from .events import ErrorInfo

MESSAGE_LIMIT = 2_000
"""Characters of an error's text that are kept."""

_NAMED = r"(?:password|passwd|pwd|secret|token|(?:api|access|private)[_-]?key|authorization|credential)[\w-]{0,64}"
_QUOTE = r"(?P<quote>\\*[\"'])"
"""A quotation mark, escaped as often as JSON inside JSON has it."""

_SECRETS = (
    # scheme://user:SECRET@host. Each repetition has a bound, so that no text makes the search quadratic.
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@]{0,256}:)[^\s/]{1,1000}(?=@)", re.IGNORECASE),
    re.compile(r"(?P<keep>\b(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(
        rf"(?P<keep>{_NAMED}(?:\\*[\"'])?\s*[=:]\s*{_QUOTE})(?:(?!(?P=quote))(?:\\.|.))*",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(
        rf"(?P<keep>{_NAMED}(?:\\*[\"'])?\s*[=:]\s*)(?!\\*[\"']|(?:bearer|basic|token)\s)[^\s&;)}}\]\"'\\]+",
        re.IGNORECASE,
    ),
)


def describe(error: BaseException) -> ErrorInfo:
    """Return the class and the text of `error`, fit to be recorded. Never raises."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = _text(error)
    return ErrorInfo(type=_storable(name)[:200], message=_cut(redact(_storable(text)), len(text)))


def redact(text: str) -> str:
    """Return `text` with what looks like a credential replaced by `***`."""
    for secret in _SECRETS:
        text = secret.sub(r"\g<keep>***", text)
    return text


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # A user's __str__ may do anything; the attempt's outcome must not depend on it.
        return f"(its text cannot be had: __str__ raised {type(broken).__name__})"


def _storable(text: str) -> str:
    return text[: 4 * MESSAGE_LIMIT].encode("utf-8", "backslashreplace").decode("utf-8")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= MESSAGE_LIMIT else f"{text[:MESSAGE_LIMIT]}... ({length:,} characters)"
