"""A ledger outside the engine's database: what handlers of many processes did, one short JSON line each.

Lines are appended with one `write` to a file opened with O_APPEND, so they survive the process that wrote them, and
never mix. A process that is killed while it writes may leave the beginning of a line, where the line crosses a page of
memory: that `write` never returned, so it says nothing. Each line brings a newline before it too, and is whole if it
ends with its bracket. The effects that the handlers have on the world are lines too: what has landed and was not undone
stands.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from amends import Call

__all__ = ["At", "Ledger", "Line", "Tail", "standing"]


class At(StrEnum):
    """What a line says."""

    BOOT = "boot"
    """A worker is up."""
    ACK = "ack"
    """`start` has returned for a run."""
    ENTER = "enter"
    """A handler was entered."""
    LAND = "land"
    """It had its effect; the key is the one that its step's attempts carry, for an undo as well."""
    EXIT = "exit"
    """It returns now."""
    RAISE = "raise"
    """It raises now."""
    CONT = "cont"
    """Somebody lets a stopped worker go on."""


class Line(NamedTuple):
    """One line; `kind` is do, undo or probe, `worker` the token of the boot, `at_ns` wall time."""

    at: At
    kind: str
    run_id: str
    step: str
    action: str
    attempt: int
    key: str
    pid: int
    worker: str
    at_ns: int


class Ledger:
    """A process's pen.

    Attributes:
        path: the file; made if it is not there.
        worker: the token of this process's coordinator, once it is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.worker = ""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def note(self, at: At, kind: str, action: str, call: Call, key: str | None = None) -> None:
        """Note something that a handler does."""
        self._write(at, kind, call.run_id, call.step, action, call.attempt, key or call.idempotency_key)

    def boot(self, worker: str) -> None:
        """Note that this process's coordinator is open."""
        self.worker = worker
        self._write(At.BOOT, *_NO_CALL)

    def acknowledge(self, run_id: str) -> None:
        """Note that the start of a run was acknowledged."""
        self._write(At.ACK, "", run_id, *_NO_CALL[2:])

    def continued(self, pid: int) -> None:
        """Note that a stopped process is about to go on."""
        self._write(At.CONT, *_NO_CALL, pid=pid)

    def has_landed(self, key: str) -> bool:
        """Look for the effect of a step, as a probe does in a real system."""
        needle = key.encode()
        lines = [line for line in self.path.read_bytes().splitlines() if needle in line]
        return key in standing(_read(lines))

    def close(self) -> None:
        """Put the pen down."""
        os.close(self._file)

    def _write(self, at: At, *call: str | int, pid: int = 0) -> None:
        line = [at, *call, pid or os.getpid(), self.worker, time.time_ns()]
        os.write(self._file, b"\n" + json.dumps(line).encode() + b"\n")


_NO_CALL = ("", "", "", "", 0, "")
"""Kind, run, step, action, attempt and key of a line that is about no call."""


class Tail:
    """Reads a ledger while it grows.

    Attributes:
        lines: all that was read so far.
    """

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self._path = path
        self._offset = 0

    def read(self) -> list[Line]:
        """Return the lines that are new."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        new = list(_read(whole.splitlines()))
        self.lines += new
        return new


def _read(lines: Iterable[bytes]) -> Iterator[Line]:
    """Yield what the whole lines say."""
    for text in lines:
        if text.endswith(b"]"):
            at, *values = json.loads(text)
            yield Line(At(at), *values)


def standing(lines: Iterable[Line]) -> set[str]:
    """Return the keys whose effect stands.

    The world fences by key, as the guarantees ask of it: an effect that lands after it was undone (a worker that was
    stopped in its handler while others undid the step) has no effect.
    """
    landed = {True: set[str](), False: set[str]()}
    for line in lines:
        if line.at is At.LAND:
            landed[line.kind == "do"].add(line.key)
    return landed[True] - landed[False]
