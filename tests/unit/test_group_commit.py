"""What the writer makes of a backend that answers as it is told; no database is needed for any of it."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from amends.errors import AppendConflict, LogError, LogUnavailable
from amends.saga.log.port import Backlog, Record
from amends.saga.log.writer import Append, GroupCommit
from tests.logs import a_record

Fault = Callable[[Sequence[Append]], None]


class Scripted:
    """A backend in memory. `faults` are called with each batch, in turn, before or after it is written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.runs: dict[str, list[Record]] = {}
        self.before: list[Fault] = []
        self.after: list[Fault] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def commit(self, batch: Sequence[Append]) -> list[str]:
        self.batches.append([append.run_id for append in batch])
        await self.gate.wait()
        if self.before:
            self.before.pop(0)(batch)
        conflicted = [a.run_id for a in batch if len(self.runs.get(a.run_id, [])) != a.expected_version]
        for append in batch:
            if append.run_id not in conflicted:
                self.runs.setdefault(append.run_id, []).extend(append.records)
        if self.after:
            self.after.pop(0)(batch)
        return conflicted

    async def read(self, run_id: str, after_version: int) -> list[Record]:
        await asyncio.sleep(0)
        return self.runs.get(run_id, [])[after_version:]


def unavailable(_: Sequence[Append]) -> None:
    raise LogUnavailable("away")


def poisoned(batch: Sequence[Append]) -> None:
    if any(append.run_id == "poison" for append in batch):
        raise LogError("refused")


def well(_: Sequence[Append]) -> None:
    """Do nothing."""


async def _turns() -> None:
    """Let everybody get as far as they can, however slow the machine is at that."""
    for _ in range(20):
        await asyncio.sleep(0)


async def _append_all(writer: GroupCommit, *names: str) -> list[BaseException | None]:
    return await asyncio.gather(*(writer.append(name, 0, [a_record("x")]) for name in names), return_exceptions=True)


def test_what_waits_goes_together() -> None:
    """Three come at once, and four more while the first batch is under way: two commits."""

    async def scenario() -> None:
        backend = Scripted()
        writer = GroupCommit(backend)
        backend.gate.clear()
        first = asyncio.create_task(_append_all(writer, "a", "b", "c"))
        await _turns()
        second = asyncio.create_task(_append_all(writer, "d", "e", "f", "g"))
        await _turns()
        backend.gate.set()
        await asyncio.gather(first, second)
        assert backend.batches == [["a", "b", "c"], ["d", "e", "f", "g"]]

    asyncio.run(scenario())


def test_a_single_append_takes_two_turns_of_the_loop_beside_the_commit() -> None:
    """One to start the writer and one to wake the caller: nothing waits for a timer."""

    async def scenario() -> None:
        writer = GroupCommit(Scripted())
        append = asyncio.ensure_future(writer.append("a", 0, [a_record()]))
        turns = 0
        while not append.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns <= 4

    asyncio.run(scenario())


def test_a_batch_is_bounded_in_bytes_and_a_larger_append_goes_alone() -> None:
    """Order of arrival is kept, so nothing large is overtaken for ever."""

    async def scenario() -> None:
        backend = Scripted()
        writer = GroupCommit(backend, batch_bytes=1000)
        sizes = {"a": 400, "b": 400, "large": 5000, "c": 400, "d": 400}
        await asyncio.gather(*(writer.append(name, 0, [a_record("x" * size)]) for name, size in sizes.items()))
        assert backend.batches == [["a", "b"], ["large"], ["c", "d"]]

    asyncio.run(scenario())


def test_a_batch_is_bounded_in_appends() -> None:
    """However small they are."""

    async def scenario() -> None:
        backend = Scripted()
        await _append_all(GroupCommit(backend, batch_count=2), *"abcde")
        assert backend.batches == [["a", "b"], ["c", "d"], ["e"]]

    asyncio.run(scenario())


def test_a_batch_has_one_append_of_a_run_at_most() -> None:
    """The second waits for the next batch, and overtakes nobody of its own run."""

    async def scenario() -> None:
        backend = Scripted()
        writer = GroupCommit(backend)
        await asyncio.gather(
            *(writer.append("a", version, [a_record(str(version))]) for version in range(3)),
            writer.append("b", 0, [a_record()]),
        )
        assert backend.batches == [["a", "b"], ["a"], ["a"]]
        assert backend.runs["a"] == [a_record("0"), a_record("1"), a_record("2")]

    asyncio.run(scenario())


def test_an_unanswered_batch_is_repeated_as_it_was() -> None:
    """Whoever came in the meantime is not added: the repetition must be the same write."""

    async def scenario() -> None:
        backend = Scripted()
        backend.before = [unavailable, unavailable]
        writer = GroupCommit(backend)
        late = asyncio.create_task(asyncio.sleep(0.002, "late"))
        late.add_done_callback(lambda _: tasks.append(asyncio.create_task(_append_all(writer, "late"))))
        tasks: list[asyncio.Task[list[BaseException | None]]] = []
        assert await _append_all(writer, "a", "b") == [None, None]
        await asyncio.gather(*tasks)
        assert backend.batches[:3] == [["a", "b"]] * 3

    asyncio.run(scenario())


def test_a_commit_whose_reply_was_lost_is_no_conflict() -> None:
    """The repetition is refused by our own first write, and reading back finds our own bytes."""

    async def scenario() -> None:
        backend = Scripted()
        backend.runs["theirs"] = [a_record("theirs")]
        backend.after = [unavailable, unavailable]
        outcomes = await _append_all(GroupCommit(backend), "a", "theirs", "b")
        assert [type(outcome) for outcome in outcomes] == [type(None), AppendConflict, type(None)]
        assert backend.runs == {"theirs": [a_record("theirs")], "a": [a_record("x")], "b": [a_record("x")]}

    asyncio.run(scenario())


def test_when_patience_ends_everybody_of_the_batch_is_told() -> None:
    """Each by an error of its own; the writer goes on with whoever comes next."""

    async def scenario() -> None:
        backend = Scripted()
        backend.before = [unavailable]
        writer = GroupCommit(backend, patience_seconds=0)
        errors = await _append_all(writer, "a", "b")
        assert [type(error) for error in errors] == [LogUnavailable] * 2
        assert errors[0] is not errors[1]
        assert await _append_all(writer, "a", "b") == [None, None]

    asyncio.run(scenario())


def test_those_who_wait_behind_a_long_silence_are_asked_for_once() -> None:
    """The second batch is not kept for another full spell of patience when the first has used it up."""

    async def scenario() -> None:
        backend = Scripted()
        backend.before = [unavailable] * 1000
        writer = GroupCommit(backend, patience_seconds=0.05, batch_count=1)
        errors = await _append_all(writer, "a", "b", "c")
        assert [type(error) for error in errors] == [LogUnavailable] * 3
        assert backend.batches[-2:] == [["b"], ["c"]]
        assert backend.batches.count(["a"]) == len(backend.batches) - 2 > 1

    asyncio.run(scenario())


def test_poison_in_a_batch_harms_nobody_else() -> None:
    """The batch is refused as a whole, then each append is written alone."""

    async def scenario() -> None:
        backend = Scripted()
        backend.before = [poisoned] * 5
        outcomes = await _append_all(GroupCommit(backend), "a", "poison", "b")
        assert [type(outcome) for outcome in outcomes] == [type(None), LogError, type(None)]
        assert backend.batches == [["a", "poison", "b"], ["a"], ["poison"], ["b"]]

    asyncio.run(scenario())


def test_cancelling_callers_does_not_stop_the_writer() -> None:
    """One whose commit is under way, and one that still waits: that one is not written any more."""

    async def scenario() -> None:
        backend = Scripted()
        backend.gate.clear()
        writer = GroupCommit(backend)
        under_way = asyncio.create_task(writer.append("under way", 0, [a_record()]))
        await _turns()
        queued = asyncio.create_task(writer.append("queued", 0, [a_record()]))
        kept = asyncio.create_task(writer.append("kept", 0, [a_record()]))
        await _turns()
        under_way.cancel()
        queued.cancel()
        await asyncio.wait([under_way, queued])
        backend.gate.set()
        await kept
        assert set(backend.runs) == {"under way", "kept"}

    asyncio.run(scenario())


def test_closing_waits_for_what_was_handed_in_and_refuses_the_rest() -> None:
    """Twice is once."""

    async def scenario() -> None:
        backend = Scripted()
        writer = GroupCommit(backend, batch_count=1)
        backend.gate.clear()
        pending = asyncio.create_task(_append_all(writer, "a", "b", "c"))
        await _turns()
        closing = asyncio.gather(writer.close(), writer.close())
        await _turns()
        assert not closing.done()
        backend.gate.set()
        await closing
        assert set(backend.runs) == {"a", "b", "c"}
        assert await pending == [None, None, None]
        with pytest.raises(LogUnavailable):
            await writer.append("d", 0, [a_record()])

    asyncio.run(scenario())


def test_a_writer_that_is_cancelled_leaves_nobody_waiting() -> None:
    """As at the end of the event loop: those in the batch and those behind it are told."""

    async def scenario() -> None:
        backend = Scripted()
        backend.gate.clear()
        writer = GroupCommit(backend, batch_count=1)
        pending = asyncio.create_task(_append_all(writer, "a", "b"))
        await _turns()
        task = writer._writer
        assert task is not None
        task.cancel()
        assert [type(outcome) for outcome in await pending] == [LogUnavailable] * 2

    asyncio.run(scenario())


def test_the_backlog_is_bounded_by_the_runs_in_flight_when_the_database_is_slow() -> None:
    """A run waits for its append before it hands in the next, so however much there is to do, little waits."""

    async def scenario() -> None:
        backend = Scripted()
        writer = GroupCommit(backend, batch_count=2)
        most = 0

        async def run(name: str) -> None:
            nonlocal most
            for version in range(20):
                await writer.append(name, version, [a_record("x")])
                most = max(most, writer.backlog.append_count)

        await asyncio.gather(*map(run, "abcdefg"))
        assert 2 <= most <= 7
        assert writer.backlog == Backlog(0, 0, len(backend.batches))

    asyncio.run(scenario())


def test_the_backlog_counts_what_is_being_written_and_what_waits_behind_it() -> None:
    async def scenario() -> None:
        backend = Scripted()
        writer = GroupCommit(backend)
        backend.gate.clear()
        first = asyncio.create_task(_append_all(writer, "a", "b"))
        await asyncio.sleep(0.001)
        second = asyncio.create_task(_append_all(writer, "c"))
        await asyncio.sleep(0.001)
        size_bytes = sum(map(len, a_record("x")))
        assert writer.backlog == Backlog(3, 3 * size_bytes, 1)
        backend.gate.set()
        await asyncio.gather(first, second)
        assert writer.backlog == Backlog(0, 0, 2)

    asyncio.run(scenario())
