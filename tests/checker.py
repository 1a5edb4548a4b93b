"""The shipped checker (`amends.testing.checker`) for the tests' own ledger, whose entries are plain tuples."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from amends.saga import events as e
from amends.testing.checker import check
from amends.testing.traces import Trace, trace

__all__ = ["Entry", "Trace", "check_history", "check_ledger", "trace"]


class Entry(NamedTuple):
    """One entry into a handler, as a ledger outside the engine saw it; `kind` is do, undo or probe."""

    kind: str
    run_id: str
    action: str
    step: str
    attempt: int
    key: str


def check_history(events: Sequence[e.Event], ledger: Iterable[Entry] | None = None) -> list[str]:
    """Return every breach of an invariant in a run's events, and in what its handlers did if that is known."""
    found = [str(violation) for violation in check(events)]
    return found + (check_ledger(events, ledger) if ledger is not None else [])


def check_ledger(events: Sequence[e.Event], ledger: Iterable[Entry]) -> list[str]:
    """I4, I11: a handler is entered at most once for each started event, with its key, and never without one."""
    started: dict[tuple[str, str, int], str] = {}
    for event in events:
        if isinstance(event, e.ActionStarted | e.CompensationStarted):
            kind = "do" if isinstance(event, e.ActionStarted) else "undo"
            started[kind, event.step, event.attempt] = event.idempotency_key
    entered = [entry for entry in ledger if entry.kind != "probe"]
    found = [
        f"check_ledger: {entry} has no started event of its key"
        for entry in entered
        if started.get((entry.kind, entry.step, entry.attempt)) != entry.key
    ]
    twice = Counter((entry.kind, entry.step, entry.attempt) for entry in entered)
    return found + [f"check_ledger: {what} was entered {count} times" for what, count in twice.items() if count > 1]
