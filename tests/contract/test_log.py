"""What every log promises, in memory, in SQLite and in PostgreSQL."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from amends.errors import AppendConflict, LogUnavailable
from amends.saga.log.open import open_log
from amends.saga.log.port import Log, Record
from tests.logs import a_record, collect, opened


def test_an_unknown_run_has_no_records(log_url: str) -> None:
    """Reading is no way to create a run."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            assert await log.read("nobody") == []

    asyncio.run(scenario())


def test_what_was_appended_is_read_in_order_from_any_version(log_url: str) -> None:
    """Versions count from 1, and `after_version` leaves out what the caller has."""
    records = [a_record(str(number)) for number in range(5)]

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, records[:2])
            await log.append("run", 2, records[2:])
            await log.append("other", 0, [a_record()])
            for after in range(7):
                assert await log.read("run", after) == records[after:]

    asyncio.run(scenario())


def test_bytes_come_back_exactly(log_url: str) -> None:
    """NUL, bytes that are no UTF-8, and nothing at all are states like any other."""
    states = [b"", b"\0", b"\0\0a\0", bytes(range(256)), b"\xff\xfe\xed\xa0\x80", b"\\x00", b"{}", b'"'] * 2
    records = [Record("t" * 200, state) for state in states]

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("a:b@c/d+e_f.g-h", 0, records)
            read = await log.read("a:b@c/d+e_f.g-h")
            assert read == records
            assert {type(record.state) for record in read} == {bytes}
            assert [notification.state for notification in await collect(log, len(states))] == states

    asyncio.run(scenario())


def test_an_append_at_another_version_is_a_conflict_and_writes_nothing(log_url: str) -> None:
    """Neither behind the end nor beyond it, and a gap can never arise."""

    async def scenario() -> None:
        async with opened(log_url) as log:
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


def test_the_same_bytes_again_are_our_own_write(log_url: str) -> None:
    """A caller whose reply was lost asks again and is told yes, also when others have written behind it since."""
    records = [a_record("1"), a_record("2")]

    async def scenario() -> None:
        async with opened(log_url) as log:
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
def test_other_bytes_at_a_taken_version_are_a_conflict(log_url: str, other: list[Record]) -> None:
    """Only the very same write is recognised as ours, and a part of it is not the whole."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, [a_record("1"), a_record("2")])
            with pytest.raises(AppendConflict):
                await log.append("run", 0, other)
            assert await log.read("run") == [a_record("1"), a_record("2")]

    asyncio.run(scenario())


def test_one_append_takes_thousands_of_records(log_url: str) -> None:
    """More than are read at once; all get their versions, and their positions follow each other in the same order."""
    records = [a_record(str(number)) for number in range(2500)]

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, records)
            assert await log.read("run") == records
            assert [notification.originator_version for notification in await collect(log, 2500)] == [*range(1, 2501)]

    asyncio.run(scenario())


@pytest.mark.parametrize("megabytes", [4, 20])
def test_a_large_record_neither_hangs_nor_changes(log_url: str, megabytes: int) -> None:
    """The library's own pipelined append hangs for ever with 1 MB (trap V5)."""
    record = Record("large", bytes(range(256)) * 4096 * megabytes)

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, [record, a_record(), record])
            assert await log.read("run") == [record, a_record(), record]
            assert [notification.state for notification in await collect(log, 3)][2] == record.state

    asyncio.run(scenario())


def test_runs_that_are_written_at_once_do_not_mix(log_url: str) -> None:
    """Five hundred runs, each appending three times, share batches and nothing else."""

    async def run(log: Log, name: str) -> None:
        for version in range(3):
            await log.append(name, version, [a_record(f"{name} {version}")])

    async def scenario() -> None:
        async with opened(log_url) as log:
            names = [f"run-{number}" for number in range(500)]
            await asyncio.gather(*(run(log, name) for name in names))
            for name in names:
                assert await log.read(name) == [a_record(f"{name} {version}") for version in range(3)]

    asyncio.run(scenario())


def test_a_conflict_harms_no_other_run_of_its_batch(log_url: str) -> None:
    """Those who are at their version are written although others beside them are not."""

    async def scenario() -> None:
        async with opened(log_url) as log:
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


def test_of_sixteen_racers_for_a_version_exactly_one_wins(log_url: str) -> None:
    """All in one process, ten times over; what is stored is what the winner wrote."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            for version in range(0, 20, 2):
                await _race([log] * 16, version)

    asyncio.run(scenario())


def test_of_sixteen_racers_with_connections_of_their_own_exactly_one_wins(shared_log_url: str) -> None:
    """Four logs on one database, four racers each, ten times over."""

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            logs = [await stack.enter_async_context(opened(shared_log_url)) for _ in range(4)]
            for version in range(0, 20, 2):
                await _race(logs * 4, version)

    asyncio.run(scenario())


def test_a_log_that_is_opened_again_has_everything(log_url: str) -> None:
    """The same object here; the next test uses another one."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, [a_record("1")])
            await log.close()
            await log.open()
            await log.append("run", 1, [a_record("2")])
            assert await log.read("run") == [a_record("1"), a_record("2")]
            assert len(await collect(log, 2)) == 2

    asyncio.run(scenario())


def test_another_object_on_the_same_database_has_everything(shared_log_url: str) -> None:
    """Each in an event loop of its own, as a process would."""

    async def write(version: int) -> None:
        async with opened(shared_log_url) as log:
            await log.append("run", version, [a_record(str(version))])

    async def read() -> list[Record]:
        async with opened(shared_log_url) as log:
            return await log.read("run")

    for version in range(3):
        asyncio.run(write(version))
    assert asyncio.run(read()) == [a_record("0"), a_record("1"), a_record("2")]


def test_closing_is_idempotent_and_ends_the_log_for_callers(log_url: str) -> None:
    """Twice, and before it was ever opened too; nothing can be appended or read then, and that is said at once."""

    async def scenario() -> None:
        unopened = open_log(log_url)
        await unopened.close()
        async with opened(log_url) as log, asyncio.timeout(5):
            await log.close()
            await log.close()
            for closed in (log, unopened):
                with pytest.raises(LogUnavailable):
                    await closed.append("run", 0, [a_record()])
                with pytest.raises(LogUnavailable):
                    await closed.read("run")

    asyncio.run(scenario())


def test_closing_lets_the_appends_under_way_end(log_url: str) -> None:
    """Whoever has handed in an append is told what became of it, and it is durable."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            appends = [asyncio.create_task(log.append(f"run-{number}", 0, [a_record()])) for number in range(50)]
            await asyncio.sleep(0)
            await log.close()
            assert await asyncio.gather(*appends) == [None] * 50
            await log.open()
            assert len(await collect(log, 50)) == 50

    asyncio.run(scenario())


def test_an_append_of_nothing_is_refused(log_url: str) -> None:
    """There is no version that it could be said to have."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            with pytest.raises(ValueError, match="at least one record"):
                await log.append("run", 0, [])

    asyncio.run(scenario())


def test_a_cancelled_append_leaves_the_log_usable(log_url: str) -> None:
    """Its write may have happened or not; the run goes on from what is there."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            for number in range(20):
                version = len(await log.read("run"))
                append = asyncio.create_task(log.append("run", version, [a_record(str(number))]))
                for _ in range(number % 4):
                    await asyncio.sleep(0)
                append.cancel()
                await asyncio.wait([append])
                await log.append("barrier", number, [a_record()])
            stored = await log.read("run")
            assert len(await collect(log, 20 + len(stored))) == 20 + len(stored)

    asyncio.run(scenario())


def test_a_cancelled_read_leaves_the_log_usable(log_url: str) -> None:
    """A connection whose query was broken off is never used again (psycopg#1208), and none is leaked."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, [a_record("x" * 100_000)] * 10)
            for number in range(40):
                read = asyncio.create_task(log.read("run"))
                for _ in range(number % 8):
                    await asyncio.sleep(0)
                read.cancel()
                await asyncio.wait([read])
            assert len(await log.read("run")) == 10

    asyncio.run(scenario())
