"""What a log promises that lends transactions: a user's rows and a run's records are one write, or none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ...errors import AppendConflict, LogUnavailable
from ...saga.log.port import Log, Record
from ...saga.log.transactions import Transaction
from .base import ContractBase, MakeLog
from .records import a_record, collect, opened
from .rows import MakeRows, Rows, lent_by

__all__ = ["TransactionsContract"]

PLAIN = pytest.mark.parametrize("plain", [False, True], ids=["for async functions", "for plain functions"])
SECONDS = 20.0
"""How long the handlers of these tests have."""


@asynccontextmanager
async def begun(log: Log, *, plain: bool = False, seconds: float = SECONDS) -> AsyncIterator[Transaction]:
    """Begin a transaction."""
    async with asyncio.timeout(30), lent_by(log).transaction(plain=plain, timeout_seconds=seconds) as transaction:
        yield transaction


class TransactionalBase(ContractBase):
    """Where the tests get what is written beside the log."""

    @pytest.fixture
    def make_rows(self) -> MakeRows:
        """Return what makes the user's rows beside the log; define this fixture in your class.

        They are in the database that the logs of `make_log` open, which may be made before or after a log is opened.
        """
        name = type(self).__name__
        pytest.fail(f"{name} needs a fixture `make_rows` that returns a function without arguments", pytrace=False)


class TransactionsContract(TransactionalBase):
    """What a log promises to the handlers of transactional actions, and to the engine that enters them."""

    @PLAIN
    def test_a_row_and_a_record_are_there_together(self, make_log: MakeLog, make_rows: MakeRows, plain: bool) -> None:
        """Neither before the commit, both after it."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                async with begun(log, plain=plain) as transaction:
                    await rows.add(transaction.connection, "ada")
                    assert await transaction.append("run", 0, [a_record("1"), a_record("2")])
                    assert await rows.seen() == []
                    assert await log.read("run") == []
                    await transaction.commit()
                    assert await rows.seen() == ["ada"]
                    assert await log.read("run") == [a_record("1"), a_record("2")]
                assert await rows.seen() == ["ada"]
                assert len(await collect(log, 2)) == 2

        asyncio.run(scenario())

    @PLAIN
    @pytest.mark.parametrize("how", ["left", "raised", "cancelled", "cut"])
    def test_what_is_not_committed_never_was(
        self, make_log: MakeLog, make_rows: MakeRows, plain: bool, how: str
    ) -> None:
        """However it is left; the next transaction, and every append, goes on at once."""

        async def leave(log: Log, rows: Rows) -> None:
            async with begun(log, plain=plain) as transaction:
                await rows.add(transaction.connection, "gone")
                assert await transaction.append("run", 0, [a_record("gone")])
                match how:
                    case "raised":
                        raise ValueError(how)
                    case "cancelled":
                        raise asyncio.CancelledError
                    case "cut":
                        transaction.cut()

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                try:
                    await leave(log, rows)
                except (ValueError, asyncio.CancelledError):
                    assert how in ("raised", "cancelled")
                async with asyncio.timeout(10):
                    await log.append("run", 0, [a_record("1")])
                    async with begun(log, plain=plain) as transaction:
                        await rows.add(transaction.connection, "there")
                        assert await transaction.append("run", 1, [a_record("2")])
                        await transaction.commit()
                assert await rows.seen() == ["there"]
                assert await log.read("run") == [a_record("1"), a_record("2")]

        asyncio.run(scenario())

    @PLAIN
    def test_at_another_version_nothing_is_added_and_the_transaction_goes_on(
        self, make_log: MakeLog, make_rows: MakeRows, plain: bool
    ) -> None:
        """The engine reads what others have written, and appends behind that, in the same transaction."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                await log.append("run", 0, [a_record("1"), a_record("2")])
                async with begun(log, plain=plain) as transaction:
                    await rows.add(transaction.connection, "ada")
                    for version in (0, 1, 3):
                        assert not await transaction.append("run", version, [a_record("x"), a_record("y")])
                    assert not await transaction.append("unknown", 1, [a_record("x")])
                    assert await log.read("run", 1) == [a_record("2")]
                    assert await transaction.append("run", 2, [a_record("3")])
                    await transaction.commit()
                assert await rows.seen() == ["ada"]
                assert await log.read("run") == [a_record("1"), a_record("2"), a_record("3")]
                assert await log.read("unknown") == []

        asyncio.run(scenario())

    def test_the_same_bytes_are_not_taken_for_this_write(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """Unlike an append of the log's own: a transaction is never sent twice, so they are somebody else's."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                await log.append("run", 0, [a_record("1")])
                async with begun(log) as transaction:
                    await rows.add(transaction.connection, "ada")
                    assert not await transaction.append("run", 0, [a_record("1")])
                assert await rows.seen() == []

        asyncio.run(scenario())

    def test_a_version_that_was_committed_is_a_conflict_for_others(
        self, make_log: MakeLog, make_rows: MakeRows
    ) -> None:
        """The version of the run is the fence for both ways to write."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                rows = make_rows()
                async with begun(log) as transaction:
                    await rows.add(transaction.connection, "ada")
                    assert await transaction.append("run", 0, [a_record("ours")])
                    await transaction.commit()
                with pytest.raises(AppendConflict):
                    await other.append("run", 0, [a_record("theirs")])
                await other.append("run", 1, [a_record("theirs")])
                assert await log.read("run") == [a_record("ours"), a_record("theirs")]
                assert [each.originator_version for each in await collect(log, 2)] == [1, 2]

        asyncio.run(scenario())

    @PLAIN
    def test_bytes_come_back_exactly(self, make_log: MakeLog, make_rows: MakeRows, plain: bool) -> None:
        """Also those of a record of megabytes."""
        states = [b"", b"\0\0a\0", bytes(range(256)), b"\xff\xfe\xed\xa0\x80", b"'", bytes(range(256)) * 4096 * 6]
        records = [Record("t" * 200, state) for state in states]

        async def scenario() -> None:
            async with opened(make_log()) as log:
                make_rows()
                async with begun(log, plain=plain) as transaction:
                    assert await transaction.append("a:b@c/d+e_f.g-h", 0, records)
                    await transaction.commit()
                assert await log.read("a:b@c/d+e_f.g-h") == records

        asyncio.run(scenario())

    @PLAIN
    def test_who_was_cut_off_writes_nothing_more(self, make_log: MakeLog, make_rows: MakeRows, plain: bool) -> None:
        """Its time was up, and it goes on with its connection: it gets an error, and so does whoever would commit."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                async with begun(log, plain=plain) as transaction:
                    connection = transaction.connection
                    await rows.add(connection, "early")
                    transaction.cut()
                    with pytest.raises(Exception):  # noqa: B017, PT011 - of whatever driver it is
                        await rows.add(connection, "late")
                    with pytest.raises(Exception):  # noqa: B017, PT011
                        await transaction.commit()
                    async with asyncio.timeout(10):
                        await transaction.ended()
                    assert await rows.seen() == []
                with pytest.raises(Exception):  # noqa: B017, PT011
                    await rows.add(connection, "later")
                assert await rows.seen() == []

        asyncio.run(scenario())

    @PLAIN
    def test_when_it_has_ended_the_log_says_which_way_it_went(
        self, make_log: MakeLog, make_rows: MakeRows, plain: bool
    ) -> None:
        """It is asked when the reply to a commit was lost; a second look later would say the same."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                make_rows()
                for number, commits in enumerate((True, False)):
                    async with begun(log, plain=plain) as transaction:
                        assert await transaction.append(f"run-{number}", 0, [a_record("1")])
                        if commits:
                            await transaction.commit()
                        else:
                            transaction.cut()
                        async with asyncio.timeout(10):
                            await transaction.ended()
                        there = await log.read(f"run-{number}")
                    assert (there == [a_record("1")]) is commits
                    assert await log.read(f"run-{number}") == there

        asyncio.run(scenario())

    @PLAIN
    def test_many_at_once_are_served_one_after_the_other_or_together(
        self, make_log: MakeLog, make_rows: MakeRows, plain: bool
    ) -> None:
        """From two logs, beside appends that need none; each has its row and its record."""

        async def one(log: Log, rows: Rows, number: int) -> None:
            async with begun(log, plain=plain) as transaction:
                await rows.add(transaction.connection, f"{number:02}")
                assert await transaction.append(f"run-{number}", 0, [a_record(str(number))])
                await transaction.commit()

        async def scenario() -> None:
            async with self.two_logs(make_log) as logs:
                rows = make_rows()
                await asyncio.gather(
                    *(one(logs[number % 2], rows, number) for number in range(20)),
                    *(logs[number % 2].append(f"other-{number}", 0, [a_record()]) for number in range(20)),
                )
                assert sorted(await rows.seen()) == [f"{number:02}" for number in range(20)]
                for number in range(20):
                    assert await logs[0].read(f"run-{number}") == [a_record(str(number))]
                events = await collect(logs[1], 40)
                assert len({(each.originator_id, each.originator_version) for each in events}) == 40

        asyncio.run(scenario())

    def test_a_closed_log_lends_nothing(self, make_log: MakeLog) -> None:
        """And says so at once."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.close()
                with pytest.raises(LogUnavailable):
                    async with asyncio.timeout(10), lent_by(log).transaction(plain=False, timeout_seconds=SECONDS):
                        pass

        asyncio.run(scenario())
