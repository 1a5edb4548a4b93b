"""What a log promises about appending and reading: all or nothing, in order, to the byte, and once."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from ...errors import AppendConflict
from ...saga.log.port import Log, Record
from .base import ContractBase, MakeLog
from .records import a_record, collect, opened

__all__ = ["AppendingContract"]


async def _race(logs: list[Log], version: int) -> None:
    outcomes = await asyncio.gather(
        *(
            log.append("run", version, [a_record(f"{version} {racer}"), a_record(f"{version} {racer}, too")])
            for racer, log in enumerate(logs)
        ),
        return_exceptions=True,
    )
    winners = [racer for racer, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    assert sum(isinstance(outcome, AppendConflict) for outcome in outcomes) == len(logs) - 1
    stored = await logs[0].read("run", version)
    assert stored == [a_record(f"{version} {winners[0]}"), a_record(f"{version} {winners[0]}, too")]


class AppendingContract(ContractBase):
    """What a log promises to whoever appends and reads."""

    def test_an_unknown_run_has_no_records(self, make_log: MakeLog) -> None:
        """Reading is no way to create a run."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                assert await log.read("nobody") == []

        asyncio.run(scenario())

    def test_what_was_appended_is_read_in_order_from_any_version(self, make_log: MakeLog) -> None:
        """Versions count from 1, and `after_version` leaves out what the caller has."""
        records = [a_record(str(number)) for number in range(5)]

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, records[:2])
                await log.append("run", 2, records[2:])
                await log.append("other", 0, [a_record()])
                for after in range(7):
                    assert await log.read("run", after) == records[after:]

        asyncio.run(scenario())

    def test_the_backlog_is_empty_when_nothing_waits(self, make_log: MakeLog) -> None:
        """It is a metric: what was written, or refused, must not be counted for ever."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                assert log.backlog[:2] == (0, 0)
                await asyncio.gather(*(log.append(f"run {number}", 0, [a_record()]) for number in range(20)))
                with pytest.raises(AppendConflict):
                    await log.append("run 1", 7, [a_record()])
                assert log.backlog[:2] == (0, 0)
                assert 0 < log.backlog.commit_count <= 22  # with a second look at the conflict, if that needs one

        asyncio.run(scenario())

    def test_bytes_come_back_exactly(self, make_log: MakeLog) -> None:
        """NUL, bytes that are no UTF-8, and nothing at all are states like any other."""
        states = [b"", b"\0", b"\0\0a\0", bytes(range(256)), b"\xff\xfe\xed\xa0\x80", b"\\x00", b"{}", b'"'] * 2
        records = [Record("t" * 200, state) for state in states]

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("a:b@c/d+e_f.g-h", 0, records)
                read = await log.read("a:b@c/d+e_f.g-h")
                assert read == records
                assert {type(record.state) for record in read} == {bytes}
                assert [notification.state for notification in await collect(log, len(states))] == states

        asyncio.run(scenario())

    def test_an_append_at_another_version_is_a_conflict_and_writes_nothing(self, make_log: MakeLog) -> None:
        """Neither behind the end nor beyond it, and a gap can never arise."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record("1"), a_record("2")])
                for version in (0, 1, 3, 1000):
                    with pytest.raises(AppendConflict) as caught:
                        await log.append("run", version, [a_record("x"), a_record("y")])
                    assert (caught.value.run_id, caught.value.expected_version) == ("run", version)
                with pytest.raises(AppendConflict):
                    await log.append("unknown", 1, [a_record("x")])
                assert await log.read("run") == [a_record("1"), a_record("2")]
                assert await log.read("unknown") == []

        asyncio.run(scenario())

    def test_the_same_bytes_again_are_our_own_write(self, make_log: MakeLog) -> None:
        """A caller whose reply was lost asks again and is told yes, also when others have written behind it since."""
        records = [a_record("1"), a_record("2")]

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, records)
                await log.append("run", 0, records)
                await log.append("run", 2, [a_record("3")])
                await log.append("run", 0, records)
                assert await log.read("run") == [*records, a_record("3")]
                assert len(await collect(log, 3)) == 3

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        "other",
        [
            [a_record("1"), a_record("x")],
            [Record("other", b"1"), a_record("2")],
            [a_record("2"), a_record("1")],
            [a_record("1"), a_record("2"), a_record("3")],
        ],
        ids=["another state", "another topic", "another order", "one more"],
    )
    def test_other_bytes_at_a_taken_version_are_a_conflict(self, make_log: MakeLog, other: list[Record]) -> None:
        """Only the very same write is recognised as ours, and a part of it is not the whole."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record("1"), a_record("2")])
                with pytest.raises(AppendConflict):
                    await log.append("run", 0, other)
                assert await log.read("run") == [a_record("1"), a_record("2")]

        asyncio.run(scenario())

    def test_one_append_takes_thousands_of_records(self, make_log: MakeLog) -> None:
        """More than are read at once; all get their versions, and their positions follow each other in that order."""
        records = [a_record(str(number)) for number in range(2500)]

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, records)
                assert await log.read("run") == records
                assert [notification.originator_version for notification in await collect(log, 2500)] == [
                    *range(1, 2501)
                ]

        asyncio.run(scenario())

    @pytest.mark.parametrize("megabytes", [4, 20])
    def test_a_large_record_neither_hangs_nor_changes(self, make_log: MakeLog, megabytes: int) -> None:
        """The library's own pipelined append hangs for ever with 1 MB (trap V5)."""
        record = Record("large", bytes(range(256)) * 4096 * megabytes)

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [record, a_record(), record])
                assert await log.read("run") == [record, a_record(), record]
                assert [notification.state for notification in await collect(log, 3)][2] == record.state

        asyncio.run(scenario())

    def test_runs_that_are_written_at_once_do_not_mix(self, make_log: MakeLog) -> None:
        """Five hundred runs, each appending three times, share batches and nothing else."""

        async def run(log: Log, name: str) -> None:
            for version in range(3):
                await log.append(name, version, [a_record(f"{name} {version}")])

        async def scenario() -> None:
            async with opened(make_log()) as log:
                names = [f"run-{number}" for number in range(500)]
                await asyncio.gather(*(run(log, name) for name in names))
                for name in names:
                    assert await log.read(name) == [a_record(f"{name} {version}") for version in range(3)]

        asyncio.run(scenario())

    def test_a_conflict_harms_no_other_run_of_its_batch(self, make_log: MakeLog) -> None:
        """Those who are at their version are written although others beside them are not."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await asyncio.gather(*(log.append(f"odd-{number}", 0, [a_record("theirs")]) for number in range(10)))
                outcomes = await asyncio.gather(
                    *(log.append(f"odd-{number}", 0, [a_record("ours")]) for number in range(10)),
                    *(log.append(f"even-{number}", 0, [a_record("ours")]) for number in range(10)),
                    return_exceptions=True,
                )
                assert [type(outcome) for outcome in outcomes] == [AppendConflict] * 10 + [type(None)] * 10
                for number in range(10):
                    assert await log.read(f"odd-{number}") == [a_record("theirs")]
                    assert await log.read(f"even-{number}") == [a_record("ours")]

        asyncio.run(scenario())

    def test_of_sixteen_racers_for_a_version_exactly_one_wins(self, make_log: MakeLog) -> None:
        """All in one process, ten times over; what is stored is what the winner wrote."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for version in range(0, 20, 2):
                    await _race([log] * 16, version)

        asyncio.run(scenario())

    def test_of_sixteen_racers_with_connections_of_their_own_exactly_one_wins(self, make_shared_log: MakeLog) -> None:
        """Four logs on one database, four racers each, ten times over."""

        async def scenario() -> None:
            async with AsyncExitStack() as stack:
                logs = [await stack.enter_async_context(opened(make_shared_log())) for _ in range(4)]
                for version in range(0, 20, 2):
                    await _race(logs * 4, version)

        asyncio.run(scenario())

    def test_an_append_of_nothing_is_refused(self, make_log: MakeLog) -> None:
        """There is no version that it could be said to have."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                with pytest.raises(ValueError, match="at least one record"):
                    await log.append("run", 0, [])

        asyncio.run(scenario())
