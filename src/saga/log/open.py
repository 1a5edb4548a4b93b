"""Which log a URL names."""

from pathlib import Path
from urllib.parse import unquote

from ...errors import InvalidName
from .memory import MemoryLog
from .port import Log

__all__ = ["open_log"]

_FORMS = "memory://, sqlite:///relative.db, sqlite:////absolute/path.db, postgresql://user@host/database"


def open_log(url: str) -> Log:
    """Return the log that a URL names, not yet opened.

    Args:
        url: `memory://`, `sqlite:///relative.db`, `sqlite:////absolute/path.db`, or a libpq URL that begins with
            `postgresql://` or `postgres://`.

    Raises:
        InvalidName: the URL is of no such form. The message never repeats the URL, which may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "memory" and not rest:
        return MemoryLog()
    if separator and scheme == "sqlite":
        return _sqlite(rest)
    if separator and scheme in ("postgresql", "postgres"):
        # Imported when asked for: most processes use one driver, and a driver is most of the start-up time.
        from .postgres import PostgresLog

        return PostgresLog(url)
    raise InvalidName(f"the URL of a log is one of: {_FORMS}")


def _sqlite(rest: str) -> Log:
    from .sqlite import SQLiteLog

    path = unquote(rest.removeprefix("/"))
    if not path or ":memory:" in path or not rest.startswith("/"):
        raise InvalidName(f"an SQLite log is a file; for one in memory use memory://. The URL is one of: {_FORMS}")
    if "?" in rest or "#" in rest:
        raise InvalidName("the URL of an SQLite log takes no options; a ? or # in a file name is written %3F or %23")
    return SQLiteLog(Path(path))
