"""Leases that end when a test says so."""

import sqlite3

import psycopg

from amends.saga.log.memory import MemoryLog
from amends.saga.log.port import Log

__all__ = ["is_known", "let_lapse"]

_POSTGRES = "UPDATE amends_workers SET heartbeat_at = heartbeat_at - make_interval(secs => %s) WHERE worker = %s"
_SQLITE = "UPDATE amends_workers SET heartbeat_at = datetime(heartbeat_at, '-' || ? || ' seconds') WHERE worker = ?"


def let_lapse(log: Log, url: str, worker: str, seconds: float = 86_400) -> None:
    """Make a worker's last beat so much older than it is."""
    if isinstance(log, MemoryLog):
        log._roster._leases[worker] -= seconds
    elif url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None) as connection:
            assert connection.execute(_SQLITE, (seconds, worker)).rowcount == 1
        connection.close()
    else:
        with psycopg.connect(url) as server:
            assert server.execute(_POSTGRES, (seconds, worker)).rowcount == 1


def is_known(url: str, worker: str) -> bool:
    """Whether a database has a row for a worker's lease."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            found = connection.execute("SELECT 1 FROM amends_workers WHERE worker = ?", (worker,)).fetchall()
        connection.close()
        return bool(found)
    with psycopg.connect(url) as server:
        return bool(server.execute("SELECT 1 FROM amends_workers WHERE worker = %s", (worker,)).fetchall())
