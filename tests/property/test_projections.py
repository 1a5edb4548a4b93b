"""The audit view is the fold of the log, however it was followed; and merging changes nothing."""

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amends.projections import Audit, Delete, Projection, RecordedEvent, Table, Upsert
from amends.projections.applying import Applier
from amends.projections.copies import place, write_rows
from amends.projections.database import Database, Transaction, open_database
from amends.projections.merging import Merged
from amends.saga import events as e
from amends.testing import simulate
from amends.testing.strategies import fault_plans, saga_shapes
from tests.reporting import counted
from tests.unit.recorded import BUSY, at, did, doing, failed, started, undoing
from tests.views import CLOCK, CODEC, Histories, applied, fill, hold_to_the_log, rows_after
from tests.walks import walks


@contextmanager
def a_file() -> Iterator[str]:
    """The URL of a new file, one for each example."""
    with tempfile.TemporaryDirectory() as directory:
        yield f"sqlite:///{directory}/log.db"


@st.composite
def histories(draw: st.DrawFn) -> Histories:
    """One to three runs as the engine really records them, under random faults; each may be cut short."""
    found = {}
    for number in range(draw(st.integers(1, 3))):
        shape = draw(saga_shapes())
        events = simulate(shape.scenario, draw(fault_plans(shape.scenario, commands=True))).events
        found[f"run-{number}"] = events[: draw(st.integers(1, len(events)))] if draw(st.booleans()) else events
    return found


class Killed(BaseException):
    """The process dies here."""


class Dying:
    """A transaction in which the process dies after so many verbs."""

    def __init__(self, inner: Transaction, verbs_left: int) -> None:
        self._inner = inner
        self._verbs_left = verbs_left

    def __getattr__(self, name: str) -> Any:
        if self._verbs_left == 0:
            raise Killed
        self._verbs_left -= 1
        return getattr(self._inner, name)


def killed(database: Database, applier: Applier, copy: Any, rows: Any, verbs: int) -> None:
    """Apply rows, and die in the middle of it."""
    real = database.write

    def write(work: Any) -> Any:
        return real(lambda transaction: work(Dying(transaction, verbs)))

    database.write = write  # type: ignore[method-assign]
    with pytest.raises(Killed):
        applier.apply(database, copy, rows)


@settings(max_examples=max(5, settings().max_examples // 8))
@given(histories=histories(), seed=st.integers(0, 1_000))
def test_the_audit_view_is_the_fold_of_the_log(histories: Histories, seed: int) -> None:
    """In batches of any size; whatever dies in the middle of one; and a batch that comes twice changes nothing."""
    counted["audit views"] += 1
    drawn, projection = random.Random(seed), Audit()
    applier = Applier(projection, CODEC, CLOCK)
    with a_file() as url:
        fill(url, histories, seed)
        database = open_database(url)
        copy = place(database, projection, CLOCK)
        while rows := rows_after(database, copy.position):
            rows = rows[: drawn.randint(1, 15)]
            if drawn.random() < 0.2:
                killed(database, applier, copy, rows, drawn.randint(0, 2))
                database.close()
                database = open_database(url)
                assert place(database, projection, CLOCK).position == copy.position
            before, copy_after = copy, applier.apply(database, copy, rows)
            assert copy_after is not None
            copy = copy_after
            if drawn.random() < 0.3:
                assert applier.apply(database, before, rows) is None
        database.close()
        hold_to_the_log(url, histories)


@settings(max_examples=max(20, settings().max_examples // 4))
@given(runs=st.lists(walks(), min_size=1, max_size=5), seed=st.integers(0, 1_000))
def test_the_audit_view_is_the_fold_of_every_kind_of_event(runs: list[list[e.Event]], seed: int) -> None:
    """Waits, signals, deadlines, commits; what people say, at any moment; and an undo after an end."""
    walked = {f"run-{number}": events for number, events in enumerate(runs)}
    with a_file() as url:
        fill(url, walked, seed)
        applied(url, Audit(), random.Random(seed))
        hold_to_the_log(url, walked)


def unknown(stop: float, *, retry_at: float | None = None, parks: bool = False) -> e.Event:
    when = None if retry_at is None else at(retry_at)
    why = e.UnknownWhy.TIMED_OUT
    return e.ActionUnknown(occurred_at=at(stop), step="1", attempt=1, why=why, error=BUSY, retry_at=when, parks=parks)


def parked(when: float) -> e.Event:
    remaining = (e.Remaining(step="1", action="a", why=e.RemainingWhy.UNDO_FAILED),)
    return e.RunParked(occurred_at=at(when), reason=e.ParkReason.UNDO_FAILED, detail="look", remaining=remaining)


def undo_failed(start: float, attempt: int, retry_at: float | None = None) -> list[e.Event]:
    when = None if retry_at is None else at(retry_at)
    return [
        e.CompensationStarted(occurred_at=at(start), step="1", attempt=attempt, idempotency_key="undo"),
        e.CompensationFailed(occurred_at=at(start + 1), step="1", attempt=attempt, error=BUSY, retry_at=when),
    ]


RESUMED = e.RunResumed(occurred_at=at(50), by="ada", reason="mended", retries=("1",))
LEFT = (e.Remaining(step="2", action="a", why=e.RemainingWhy.ABANDONED),)
CANCELLED = e.RunFailing(occurred_at=at(60), reason=e.FailingReason.CANCELLED, error=BUSY, by="bob")

PEOPLE: dict[str, list[e.Event]] = {
    "held, tried again, done": [
        doing("1", "a", 1),
        unknown(2, parks=True),
        parked(3),
        RESUMED,
        doing("1", "a", 51, attempt=2),
        did("1", 52, attempt=2),
        e.RunCompleted(occurred_at=at(53), output="{}", unresolved=("1",)),
    ],
    "held, tried again, cancelled before that": [
        doing("1", "a", 1),
        unknown(2, parks=True),
        parked(3),
        RESUMED,
        CANCELLED,
        *undo_failed(61, 1, retry_at=63),
        *undo_failed(63, 2),
        parked(65),
        RESUMED,
        *undo_failed(71, 3),
        parked(73),
        e.CompensationWaived(occurred_at=at(74), step="1", by="eve", reason="by hand"),
        e.RunCompensated(occurred_at=at(75)),
    ],
    "held, cancelled": [doing("1", "a", 1), unknown(2, parks=True), parked(3), CANCELLED],
    "unknown, then failed": [doing("1", "a", 1), unknown(2, retry_at=3), doing("1", "a", 3), failed("1", 4)],
    "waiting, cancelled": [doing("1", "a", 1), failed("1", 2, retry_at=99), CANCELLED],
    "completed, undone": [
        doing("1", "a", 1),
        did("1", 2),
        e.SignalReceived(occurred_at=at(3), signal="paid", payload="{}", by="ada", key="a"),
        e.SignalAwaited(occurred_at=at(4), step="2", signal="paid"),
        e.RunCompleted(occurred_at=at(5), output="{}", unresolved=("1",)),
        e.RunFailing(occurred_at=at(90), reason=e.FailingReason.UNDONE, error=BUSY, by="eve"),
        *undoing("1", 91, 92),
        e.RunCompensated(occurred_at=at(92)),
    ],
    "past the point of no return, parked, tried again, abandoned": [
        e.RunCommitted(occurred_at=at(1), step="1"),
        doing("2", "a", 2),
        e.ActionFailed(occurred_at=at(3), step="2", attempt=1, error=BUSY, parks=True),
        e.RunParked(occurred_at=at(3), reason=e.ParkReason.FORWARD_FAILED, detail="look"),
        e.RunResumed(occurred_at=at(50), by="ada", reason="mended", retries=("2",)),
        e.RunAbandoned(occurred_at=at(51), by="bob", reason="no use", remaining=LEFT),
    ],
    "waiting, told, waiting, cancelled": [
        e.TimerSet(occurred_at=at(1), step="1", due_at=at(2)),
        e.SignalAwaited(occurred_at=at(1), step="2.1", signal="paid", due_at=at(9)),
        e.TimerFired(occurred_at=at(2), step="1"),
        e.SignalReceived(occurred_at=at(3), signal="paid", payload="{}", by="ada", key="a"),
        e.SignalAwaited(occurred_at=at(4), step="2.2", signal="paid"),
        CANCELLED,
        e.RunCompensated(occurred_at=at(61)),
    ],
    "waiting and unknown, cancelled": [doing("1", "a", 1), unknown(2, retry_at=99), CANCELLED],
}


def test_every_prefix_of_a_history_with_people_in_it() -> None:
    """What a person says comes after what it is about, and changes how that stands."""
    histories = {
        f"run-{number}-{length}": [*started(), *events[:length]]
        for number, events in enumerate(PEOPLE.values())
        for length in range(len(events) + 1)
    }
    with a_file() as url:
        fill(url, histories)
        applied(url, Audit(), random.Random(0))
        hold_to_the_log(url, histories)


class Odd(Projection):
    """A projection whose changes are drawn."""

    name = "odd"
    tables = (Table("odd", key=("a", "b"), firsts=("first",), sums=("sum",)),)
    sql = "CREATE TABLE {odd} (a text, b bigint, first text, sum bigint, plain text, PRIMARY KEY (a, b))"

    def changes(self, recorded: RecordedEvent) -> list[Upsert | Delete]:
        raise NotImplementedError


KEYS = st.tuples(st.sampled_from("xy"), st.integers(1, 2))
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "first": st.none() | st.sampled_from("abc"),
        "sum": st.none() | st.integers(-3, 3),
        "plain": st.none() | st.sampled_from("abc"),
    },
)
CHANGES = st.builds(Upsert, st.just("odd"), KEYS, VALUES) | st.builds(Delete, st.just("odd"), KEYS)


def table(url: str, batches: list[list[Upsert | Delete]]) -> list[Any]:
    """What is in the table when each batch is merged and written."""
    database, projection = open_database(url), Odd()
    copy = place(database, projection, CLOCK)
    for batch in batches:
        merged = Merged(projection)
        merged.add(batch)
        database.write(partial(write_rows, copy=copy, merged=merged))
    database.close()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return connection.execute("SELECT * FROM odd ORDER BY a, b").fetchall()


@settings(max_examples=max(5, settings().max_examples // 8))
@given(changes=st.lists(CHANGES, max_size=12), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_merged_changes_are_the_changes_one_after_the_other(changes: list[Any], cuts: list[int]) -> None:
    """Sums add up, firsts stay, deleted rows begin anew, whatever shares a batch."""
    places = [0, *sorted(cuts), len(changes)]
    with a_file() as one, a_file() as other:
        fill(one, {})
        shutil.copy(one.removeprefix("sqlite:///"), other.removeprefix("sqlite:///"))
        batches = [changes[start:end] for start, end in pairwise(places)]
        assert table(one, batches) == table(other, [[change] for change in changes])
