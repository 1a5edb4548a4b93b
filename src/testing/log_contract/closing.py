"""What a log promises about being opened, closed and opened again, and about calls that are broken off."""

import asyncio

import pytest

from ...errors import LogUnavailable
from ...saga.log.port import Record
from .base import ContractBase, MakeLog
from .records import a_record, collect, opened

__all__ = ["ClosingContract"]


class ClosingContract(ContractBase):
    """What a log promises to whoever opens, closes or breaks off."""

    def test_a_log_that_is_opened_again_has_everything(self, make_log: MakeLog) -> None:
        """The same object here; the next test uses another one."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record("1")])
                await log.close()
                await log.open()
                await log.append("run", 1, [a_record("2")])
                assert await log.read("run") == [a_record("1"), a_record("2")]
                assert len(await collect(log, 2)) == 2

        asyncio.run(scenario())

    def test_another_object_on_the_same_database_has_everything(self, make_shared_log: MakeLog) -> None:
        """Each in an event loop of its own, as a process would."""

        async def write(version: int) -> None:
            async with opened(make_shared_log()) as log:
                await log.append("run", version, [a_record(str(version))])

        async def read() -> list[Record]:
            async with opened(make_shared_log()) as log:
                return await log.read("run")

        for version in range(3):
            asyncio.run(write(version))
        assert asyncio.run(read()) == [a_record("0"), a_record("1"), a_record("2")]

    def test_closing_is_idempotent_and_ends_the_log_for_callers(self, make_log: MakeLog) -> None:
        """Twice, and before it was ever opened too; nothing can be appended or read then, and that is said at once."""

        async def scenario() -> None:
            unopened = make_log()
            await unopened.close()
            async with opened(make_log()) as log, asyncio.timeout(5):
                await log.close()
                await log.close()
                for closed in (log, unopened):
                    with pytest.raises(LogUnavailable):
                        await closed.append("run", 0, [a_record()])
                    with pytest.raises(LogUnavailable):
                        await closed.read("run")

        asyncio.run(scenario())

    def test_closing_lets_the_appends_under_way_end(self, make_log: MakeLog) -> None:
        """Whoever has handed in an append is told what became of it, and it is durable."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                appends = [asyncio.create_task(log.append(f"run-{number}", 0, [a_record()])) for number in range(50)]
                await asyncio.sleep(0)
                await log.close()
                assert await asyncio.gather(*appends) == [None] * 50
                await log.open()
                assert len(await collect(log, 50)) == 50

        asyncio.run(scenario())

    def test_a_cancelled_append_leaves_the_log_usable(self, make_log: MakeLog) -> None:
        """Its write may have happened or not; the run goes on from what is there."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
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

    def test_a_cancelled_read_leaves_the_log_usable(self, make_log: MakeLog) -> None:
        """A connection whose query was broken off is never used again (psycopg#1208), and none is leaked."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record("x" * 100_000)] * 10)
                for number in range(40):
                    read = asyncio.create_task(log.read("run"))
                    for _ in range(number % 8):
                        await asyncio.sleep(0)
                    read.cancel()
                    await asyncio.wait([read])
                assert len(await log.read("run")) == 10

        asyncio.run(scenario())
