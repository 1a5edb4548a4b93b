"""A connection to an SQLite file, and the one thread that touches it.

All work of the log is done in such threads, so nothing that waits for a disk or a lock waits in the event loop. A
connection is let go of when anything but a lock goes wrong, and made anew when it is next needed.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ...errors import LogCorrupt, LogUnavailable
from .sqlite_errors import mapped

__all__ = ["SQLiteConnection", "SQLiteFile", "transaction"]

T = TypeVar("T")

_BUSY_SECONDS = 1.0
"""How long SQLite itself waits for a lock; `Patience` asks again after that."""

FileIdentity = tuple[int, int]


def _identity(path: Path) -> FileIdentity:
    """Return what stays the same while a name means the same file.

    Raises:
        LogCorrupt: there is no file of that name any more.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise LogCorrupt(f"{path} was removed while it was open; nothing more is written") from error
    return found.st_dev, found.st_ino


class SQLiteFile:
    """A connection that one thread at a time may use.

    Args:
        path: the database file. It is created for its owner alone (mode 0600; SQLite gives the files beside it the
            same mode). The mode of a file that is already there is left alone.
        busy_seconds: how long SQLite itself waits for a lock.
        settings: statements that each new connection begins with.
        factory: the class of the connection.
    """

    def __init__(
        self,
        path: Path,
        busy_seconds: float,
        settings: Sequence[str],
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._settings = settings
        self._factory = factory
        self._connection: sqlite3.Connection | None = None
        self._files: dict[Path, FileIdentity] = {}

    def create(self) -> None:
        """Make the file if it is not there.

        A file that is there must not even be opened and closed: that drops every POSIX lock that this process holds on
        it, those of other connections included (sqlite.org/howtocorrupt.html, section 2.2).

        Raises:
            LogUnavailable: it cannot be created.
        """
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return
        except OSError as error:
            raise LogUnavailable(f"cannot open {self._path}: {error.strerror}") from error

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns for the connection, which is made if there is none.

        Raises:
            LogUnavailable: the file is locked, cannot be opened or is full.
            LogCorrupt: the file is no database, or was replaced or removed under us.
            SchemaMismatch: the tables are of another shape.
        """
        try:
            connection = self._connect()
            self._check_files()
            return work(connection)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") != "SQLITE_BUSY":
                self.disconnect()
            raise mapped(error) from error

    def disconnect(self) -> None:
        """Let go of the connection. Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            # mode=rw: a file that was removed is not made anew, empty and readable for others.
            uri = f"{self._path.absolute().as_uri()}?mode=rw"
            connection = sqlite3.connect(
                uri,
                uri=True,
                timeout=self._busy_seconds,
                isolation_level=None,
                check_same_thread=False,
                factory=self._factory,
            )
            try:
                # Write-ahead logging lets readers go on beside the writer.
                for setting in ("PRAGMA journal_mode = WAL", *self._settings):
                    connection.execute(setting).fetchall()
                connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # makes the -wal file appear
                self._remember_files()
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _remember_files(self) -> None:
        wal = self._path.with_name(self._path.name + "-wal")
        # The database file must stay the one of the first connection; the -wal file is made anew when all have closed.
        self._files = {self._path: self._files.get(self._path, _identity(self._path)), wal: _identity(wal)}

    def _check_files(self) -> None:
        """Refuse to write into a file that nobody will find again (two `stat` calls, some microseconds).

        Raises:
            LogCorrupt: the database or its write-ahead log was replaced or removed while it was open.
        """
        for path, identity in self._files.items():
            if _identity(path) != identity:
                raise LogCorrupt(f"{path} was replaced while it was open; nothing more is written")


class SQLiteConnection:
    """Runs functions on a connection of its own, one at a time, in a thread of its own.

    Args:
        path: the database file; see `SQLiteFile`.
        name: the thread's name.
    """

    def __init__(self, path: Path, name: str) -> None:
        # FULL makes a commit wait for the disk.
        self._file = SQLiteFile(path, _BUSY_SECONDS, ["PRAGMA synchronous = FULL"])
        self._name = name
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Make the connection usable; it is opened at first use.

        Raises:
            LogUnavailable: the file is not there and cannot be created.
        """
        self._file.create()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def check_started(self) -> ThreadPoolExecutor:
        """Return the thread.

        Raises:
            LogUnavailable: it is not started; asking again would not help.
        """
        if self._threads is None:
            raise LogUnavailable("the log is not open")
        return self._threads

    async def stop(self) -> None:
        """Close the connection and end the thread, after the work that was handed in before."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(threads, self._file.disconnect)
            threads.shutdown(wait=False)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns for the connection.

        Raises:
            LogUnavailable: as for `SQLiteFile.run`, or the connection is stopped.
            LogCorrupt: as for `SQLiteFile.run`.
            SchemaMismatch: as for `SQLiteFile.run`.
        """
        return await asyncio.get_running_loop().run_in_executor(self.check_started(), self._file.run, work)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock, so that what was read still holds when it is written; commit, or undo everything."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has already rolled back by itself
            connection.execute("ROLLBACK")
        raise


def single_statements(script: str) -> Iterator[str]:
    """Yield the statements of a script. sqlite3's own `executescript` would end the transaction first."""
    single = ""
    for line in script.splitlines(keepends=True):
        single += line
        if sqlite3.complete_statement(single):
            yield single
            single = ""
    if single.strip():
        yield single
