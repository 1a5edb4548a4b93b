"""The SQLite connection that a handler gets: inside a transaction that is not the handler's to end.

A handler may go on after its time is up, in a thread that nobody can stop. What it executes then must neither land nor
disturb: each statement passes a gate, and the gate is shut for good before the transaction is rolled back. (A
`Connection.close` from another thread is no way to do that: the module crashes where a statement is under way.)
"""

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn, cast

__all__ = ["LentConnection"]

_NOT_YOURS = "the run commits this transaction, together with its own record: return, or raise to have it rolled back"
_INTERRUPT_SECONDS = 0.05


class LentConnection(sqlite3.Connection):
    """A `sqlite3.Connection` that refuses to end its transaction. Use a SAVEPOINT to undo a part of it."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._gate = threading.RLock()
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        self._is_lent = self._is_shut = self._is_closed = False

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor whose statements pass the gate."""
        if factory is not None:
            raise sqlite3.NotSupportedError("a cursor of another class would get round the end of the transaction")
        cursor = super().cursor(_LentCursor)
        self._cursors.add(cursor)
        return cursor

    # sqlite3's own shortcuts make a cursor of the plain class, whatever `cursor` returns.

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute one statement."""
        return cast("sqlite3.Cursor", self.cursor().execute(sql, parameters))

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """Execute one statement for each of several parameters."""
        return cast("sqlite3.Cursor", self.cursor().executemany(sql, parameters))

    def executescript(self, sql_script: str, /) -> NoReturn:
        """Refuse; see the cursor's."""
        self.cursor().executescript(sql_script)
        raise AssertionError

    def commit(self) -> NoReturn:
        """Refuse.

        Raises:
            sqlite3.ProgrammingError: always.
        """
        raise sqlite3.ProgrammingError(_NOT_YOURS)

    rollback = commit

    def __enter__(self) -> NoReturn:
        """Refuse: leaving the block would commit."""
        raise sqlite3.ProgrammingError(_NOT_YOURS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        """Never come to."""
        raise sqlite3.ProgrammingError(_NOT_YOURS)

    def close(self) -> None:
        """Refuse.

        Raises:
            sqlite3.ProgrammingError: it is lent.
        """
        if self._is_lent:
            raise sqlite3.ProgrammingError(_NOT_YOURS)
        super().close()

    # What the engine does

    def lend(self) -> None:
        """Begin the transaction, with the file's write lock."""
        self.own("BEGIN IMMEDIATE")
        self._is_lent = True

    def own(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Execute something of the engine's own."""
        cursor = super().cursor(sqlite3.Cursor)
        cursor.row_factory = None
        return cursor.execute(statement, parameters)

    def shut(self) -> None:
        """Let no further statement begin. Does not wait for one that is under way, but interrupts it."""
        self._is_shut = True
        self.interrupt()

    def discard(self) -> None:
        """Shut the gate, roll back what was not committed, and close. Not on the event loop: it may have to wait.

        A handler that sits in `executemany` with a generator of its own holds the gate until it is through.
        """
        self._is_shut = True
        while not self._gate.acquire(timeout=_INTERRUPT_SECONDS):
            self.interrupt()
        try:
            if not self._is_closed:
                self._roll_back()
        finally:
            self._is_closed = True
            super().close()
            self._gate.release()

    def _roll_back(self) -> None:
        """Roll back, not interrupted: an interrupt holds until the last statement has ended, a SELECT too."""
        for cursor in list(self._cursors):
            cursor.close()
        if self.in_transaction:
            self.own("ROLLBACK")

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Pass the gate with one statement, or with one row of its result.

        Raises:
            sqlite3.ProgrammingError: the transaction is over, or this statement has ended it.
        """
        with self._gate:
            if self._is_shut:
                raise sqlite3.ProgrammingError("the transaction is over: the handler's time was up, or it has returned")
            try:
                yield
            finally:
                # Not only after a COMMIT: an INSERT OR ROLLBACK ends it as well, and then raises.
                if self._is_lent and not self.in_transaction:
                    self._is_shut = True
                    raise sqlite3.ProgrammingError(_NOT_YOURS)

    @property
    def is_shut(self) -> bool:
        """Whether no further statement is let through."""
        return self._is_shut


class _LentCursor(sqlite3.Cursor):
    connection: LentConnection

    def execute(self, sql: str, parameters: Any = (), /) -> "_LentCursor":
        with self.connection.passing():
            super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> "_LentCursor":
        with self.connection.passing():
            super().executemany(sql, parameters)
        return self

    def __next__(self) -> Any:
        with self.connection.passing():
            return super().__next__()

    def fetchone(self) -> Any:
        with self.connection.passing():
            return super().fetchone()

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        with self.connection.passing():
            return super().fetchmany(size)

    def fetchall(self) -> list[Any]:
        with self.connection.passing():
            return super().fetchall()

    def executescript(self, sql_script: str, /) -> NoReturn:  # noqa: ARG002 - the name is sqlite3's
        raise sqlite3.ProgrammingError("a script would end the transaction first; execute its statements one by one")
