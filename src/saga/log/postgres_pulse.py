"""Renews one worker's lease in PostgreSQL, without an event loop.

A connection of its own, made when it is first needed and let go of at the first error, like those of the log. Nothing
here waits for longer than `BEAT_SECONDS`, whatever the server does or does not do.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.types.numeric import Float8

from ...errors import LogUnavailable
from .postgres_session import cut
from .statements import statement

__all__ = ["BEAT_SECONDS", "PostgresPulse"]

BEAT_SECONDS = 3.0

_CONNECT_SECONDS = 2  # the least that libpq knows


class PostgresPulse:
    """A `Pulse` on a connection of its own.

    Args:
        parameters: from `conninfo`.
        worker: the worker's token.
        lease_seconds: how long a beat lasts.
    """

    def __init__(self, parameters: Mapping[str, Any], worker: str, lease_seconds: float) -> None:
        self._parameters = {**parameters, "connect_timeout": _CONNECT_SECONDS}
        self._lease = {"worker": worker, "lease_seconds": Float8(lease_seconds)}
        self._connection: psycopg.Connection | None = None

    def beat(self) -> None:
        """Set the heartbeat to the server's present; see `Pulse.beat`.

        Raises:
            LogUnavailable: the server does not answer, or refuses. Whatever is wrong may be mended while a heart goes
                on beating.
        """
        until = time.monotonic() + BEAT_SECONDS
        try:
            is_new = self._connection is None
            connection = self._connection or self._connect()
            guard = threading.Timer(max(0.0, until - time.monotonic()), _cut, [connection])
            guard.start()
            try:
                if is_new:
                    connection.execute(statement("postgres_session"))
                    connection.execute(statement("postgres_bury"))
                connection.execute(statement("postgres_beat"), self._lease)
            finally:
                guard.cancel()
                guard.join()
        except psycopg.Error as error:
            self.close()
            raise LogUnavailable(f"PostgreSQL: {error}") from error

    def close(self) -> None:
        """Let go of the connection; see `Pulse.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> psycopg.Connection:
        self._connection = psycopg.Connection.connect(autocommit=True, **self._parameters)
        return self._connection


def _cut(connection: psycopg.Connection) -> None:
    with suppress(psycopg.Error, OSError):  # it may be lost at this very moment
        cut(connection)
