"""What a log promises about starts in their callers' own transactions: they are runs if and only if it is committed."""

import asyncio
from collections.abc import Sequence

import pytest

from ...errors import InvalidValue
from ...saga.log.port import Log
from ...saga.log.transactions import Enlisted, Taken
from .base import MakeLog
from .owners import FREE, KNOWN, beat, free, names, owned_by
from .records import a_record, opened
from .rows import MakeRows, lent_by
from .transactions import TransactionalBase

__all__ = ["StartsContract"]


def a_start(run_id: str = "run", text: str = "{}") -> Enlisted:
    """Return a start of a run of a saga that everybody knows."""
    return Enlisted(run_id, FREE.saga, FREE.version, a_record(text))


async def _take_all(log: Log, limit: int = 100) -> list[Taken]:
    return list(await lent_by(log).take_starts(limit))


class StartsContract(TransactionalBase):
    """What a log promises to whoever starts runs in a transaction of his own, and to those who move them."""

    def test_a_start_is_there_when_its_caller_has_committed(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """Together with the caller's own row, and not before; then it is moved once, and claimable by whoever comes."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                async with rows.connected() as connection:
                    await rows.add(connection, "own")
                    assert await lent_by(log).enlist(connection, a_start()) is None
                    assert not await lent_by(log).has_start("run")
                    assert await _take_all(log) == []
                    await rows.commit(connection)
                assert await rows.seen() == ["own"]
                assert await lent_by(log).has_start("run")
                assert await log.read("run") == []
                assert await _take_all(log) == [Taken("run", a_record(), refused=False)]
                assert await log.read("run") == [a_record()]
                assert not await lent_by(log).has_start("run")
                assert await _take_all(log) == []
                assert await log.claimable(KNOWN, 10) == [free("run")]

        asyncio.run(scenario())

    def test_what_is_rolled_back_was_never_started(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """And its id is free."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                async with rows.connected() as connection:
                    await rows.add(connection, "own")
                    assert await lent_by(log).enlist(connection, a_start(text="dropped")) is None
                assert await rows.seen() == []
                assert not await lent_by(log).has_start("run")
                assert await _take_all(log) == []
                async with rows.connected() as connection:
                    assert await lent_by(log).enlist(connection, a_start(text="kept")) is None
                    await rows.commit(connection)
                assert await _take_all(log) == [Taken("run", a_record("kept"), refused=False)]

        asyncio.run(scenario())

    def test_the_second_start_of_an_id_gets_the_first_one(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """In the same transaction, and in a later one; what is written stays as it is."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                async with rows.connected() as connection:
                    assert await lent_by(log).enlist(connection, a_start(text="first")) is None
                    assert await lent_by(log).enlist(connection, a_start(text="second")) == a_record("first")
                    await rows.commit(connection)
                    assert await lent_by(log).enlist(connection, a_start(text="third")) == a_record("first")
                    await rows.commit(connection)
                assert await _take_all(log) == [Taken("run", a_record("first"), refused=False)]

        asyncio.run(scenario())

    @pytest.mark.parametrize("keep", [False, True], ids=["dropped", "set aside"])
    def test_a_start_whose_id_is_taken_is_refused_until_it_is_settled(
        self, make_log: MakeLog, make_rows: MakeRows, keep: bool
    ) -> None:
        """The run that has the id stays as it is, and so does who has it."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                async with rows.connected() as connection:
                    assert await lent_by(log).enlist(connection, a_start(text="second")) is None
                    await rows.commit(connection)
                beat(log, "ada", 3600)
                await log.append("run", 0, [a_record("first")], owned_by("ada"))
                for _ in range(2):
                    assert await _take_all(log) == [Taken("run", a_record("second"), refused=True)]
                    assert await lent_by(log).has_start("run")
                await lent_by(log).settle_start("run", keep=keep)
                assert await _take_all(log) == []
                assert await lent_by(log).has_start("run") is keep
                assert await log.read("run") == [a_record("first")]
                assert await log.owned("ada") == {"run"}

        asyncio.run(scenario())

    def test_one_that_is_refused_holds_up_no_other(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """They are moved in the same transaction."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                async with rows.connected() as connection:
                    for number in range(5):
                        assert await lent_by(log).enlist(connection, a_start(f"run-{number}")) is None
                    await rows.commit(connection)
                await log.append("run-2", 0, [a_record("taken")])
                taken = {start.run_id: start.refused for start in await _take_all(log)}
                assert taken == {f"run-{number}": number == 2 for number in range(5)}
                for number in range(5):
                    assert len(await log.read(f"run-{number}")) == 1

        asyncio.run(scenario())

    def test_two_who_move_at_once_move_each_once_in_bounded_pages(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """However many are there; the oldest first."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as logs:
                rows = make_rows()
                async with rows.connected() as connection:
                    for number in range(30):
                        await lent_by(logs[0]).enlist(connection, a_start(f"run-{number:02}"))
                        await rows.commit(connection)
                first = await _take_all(logs[0], 4)
                assert sorted(start.run_id for start in first) == [f"run-{number:02}" for number in range(4)]
                pages: list[Sequence[Taken]] = await asyncio.gather(*(_take_all(log, 7) for log in logs * 4))
                assert max(map(len, pages)) <= 7
                moved = [start.run_id for page in [first, *pages] for start in page if not start.refused]
                assert sorted(moved) == [f"run-{number:02}" for number in range(30)]
                for run_id in moved:
                    assert await logs[1].read(run_id) == [a_record()]

        asyncio.run(scenario())

    def test_a_commit_wakes_whoever_waits_for_work(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """Long before the time is up."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                await log.wait_for_work(0)
                assert await names(log) == []
                waiting = asyncio.create_task(log.wait_for_work(60))
                await asyncio.sleep(0)
                async with rows.connected() as connection:
                    await lent_by(log).enlist(connection, a_start())
                    await rows.commit(connection)
                async with asyncio.timeout(10):
                    await waiting

        asyncio.run(scenario())

    def test_what_is_no_connection_is_refused(self, make_log: MakeLog) -> None:
        """By name, before anything is written."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for wrong in (object(), "a URL", 7):
                    with pytest.raises(InvalidValue, match="connection"):
                        await lent_by(log).enlist(wrong, a_start())
                assert await _take_all(log) == []

        asyncio.run(scenario())

    def test_a_handler_starts_a_run_with_its_own_write(self, make_log: MakeLog, make_rows: MakeRows) -> None:
        """Through the connection that it was lent: its row, its record and its start are one."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                rows = make_rows()
                for name, commits in (("dropped", False), ("kept", True)):
                    async with lent_by(log).transaction(plain=False, timeout_seconds=20) as transaction:
                        await rows.add(transaction.connection, name)
                        await lent_by(log).enlist(transaction.connection, a_start(f"next-{name}"))
                        assert await transaction.append(name, 0, [a_record()])
                        if commits:
                            await transaction.commit()
                assert [start.run_id for start in await _take_all(log)] == ["next-kept"]
                assert await rows.seen() == ["kept"]

        asyncio.run(scenario())
