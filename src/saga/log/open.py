"""Which log a URL names."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ...errors import InvalidName
from .memory import MemoryLog
from .port import Log

if TYPE_CHECKING:
    from .postgres import PostgresLog
    from .sqlite import SQLiteLog

__all__ = ["migrate_log", "open_log"]

_FORMS = "memory://, sqlite:///relative.db, sqlite:////absolute/path.db, postgresql://user@host/database"


def open_log(url: str) -> Log:
    """Return the log that a URL names, not yet opened.

    Args:
        url: `memory://`, `sqlite:///relative.db`, `sqlite:////absolute/path.db`, or a libpq URL that begins with
            `postgresql://` or `postgres://`.

    Raises:
        InvalidName: the URL is of no such form. The message never repeats the URL, which may hold a password.
    """
    return _named(url)


async def migrate_log(url: str) -> Sequence[int]:
    """Make the tables that a URL names what this code knows; return the versions that were applied, or nothing.

    Args:
        url: as for `open_log`, but not `memory://`.

    Raises:
        InvalidName: the URL is of no such form.
        LogUnavailable: the database does not answer.
        SchemaMismatch: the tables are of another shape, or newer than this code.
    """
    log = _named(url)
    if isinstance(log, MemoryLog):
        raise InvalidName("a log in memory has no tables; give --url or AMENDS_URL")
    return await log.migrate()


def _named(url: str) -> "MemoryLog | SQLiteLog | PostgresLog":
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


def _sqlite(rest: str) -> "SQLiteLog":
    from .sqlite import SQLiteLog

    path = unquote(rest.removeprefix("/"))
    if not path or ":memory:" in path or not rest.startswith("/"):
        raise InvalidName(f"an SQLite log is a file; for one in memory use memory://. The URL is one of: {_FORMS}")
    if "?" in rest or "#" in rest:
        raise InvalidName("the URL of an SQLite log takes no options; a ? or # in a file name is written %3F or %23")
    return SQLiteLog(Path(path))
