"""What a measurement reads before and after: time, the process's CPU, and what the database server did meanwhile."""

import time
from pathlib import Path
from typing import NamedTuple, Self

import psycopg


class Reading(NamedTuple):
    """The gauges at one moment, or between two.

    Attributes:
        seconds: on the clock.
        cpu_seconds: of all threads of this process.
        write_commits: transactions of the server that wrote something, as its transaction ids count them.
        wal_bytes: of the server.
    """

    seconds: float
    cpu_seconds: float
    write_commits: int = 0
    wal_bytes: int = 0

    def since(self, earlier: "Reading") -> "Reading":
        """Return what happened between the two."""
        return Reading(
            self.seconds - earlier.seconds,
            self.cpu_seconds - earlier.cpu_seconds,
            self.write_commits - earlier.write_commits,
            self.wal_bytes - earlier.wal_bytes,
        )


class Gauges:
    """Reads the process and, given the URL of a PostgreSQL database, its server. A context manager."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True) if url.startswith("postgres") else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def reads_server(self) -> bool:
        """Whether there is a server to read."""
        return self._connection is not None

    def read(self) -> Reading:
        """Return what the gauges show now. Takes a fraction of a millisecond."""
        server = () if self._connection is None else self._server(self._connection)
        return Reading(time.perf_counter(), time.process_time(), *server)

    @staticmethod
    def _server(connection: psycopg.Connection) -> tuple[int, int]:
        row = connection.execute(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, (pg_current_wal_lsn() - '0/0')::bigint"
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def peak_megabytes(pid: int | str = "self") -> float:
    """Return the most memory that a process ever had."""
    return _status_kilobytes(pid, "VmHWM") / 1024


def present_megabytes(pid: int | str = "self") -> float:
    """Return the memory that a process has now."""
    return _status_kilobytes(pid, "VmRSS") / 1024


def _status_kilobytes(pid: int | str, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
