"""What a handler may know about the attempt that it is entered for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How an attempt ended, as far as anybody can say."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One entry into a handler. A handler gets it by annotating a parameter with `Call`.

    Attributes:
        run_id: the run.
        step: the step's path in the run, `1`, `3.1.2`.
        attempt: 1, 2, 3 ...; an undo counts its own.
        idempotency_key: the same for every attempt of a step, and another one for its undo; pass it to whatever
            system the handler talks to. A UUID in its usual text form.
        undoes: for an undo, the key that the step's attempts carried, to find by it what they may have left; else None.
        deadline: when the attempt will be given up (aware UTC), or None where it has no time limit.
        connection: for a transactional action, what it writes through: its writes and the record of its success are
            committed together, after it has returned. A `psycopg.AsyncConnection` for an async handler and a
            `psycopg.Connection` for a plain one, or a `sqlite3.Connection`; None for all other actions.
        outcome: for an undo, how the step ended: `succeeded`, or `unknown` (its output is then None, and nothing may
            be there to undo). None for the action itself.
    """

    run_id: str
    step: str
    attempt: int
    idempotency_key: str
    undoes: str | None = None
    deadline: datetime | None = None
    outcome: Outcome | None = None
    connection: Any = None
