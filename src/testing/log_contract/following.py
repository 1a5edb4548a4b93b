"""What a log promises to those who follow all runs: everything, once, in one order, live."""

import asyncio
import itertools
from contextlib import AsyncExitStack

from ...saga.log.port import Log
from .base import ContractBase, MakeLog
from .records import Key, a_record, collect, key, opened

__all__ = ["FollowingContract"]


async def _write_runs(log: Log, writer: int, runs: int, events: int) -> list[Key]:
    async def write(name: str) -> list[Key]:
        for version in range(events):
            await log.append(name, version, [a_record(f"{name} {version}")])
        return [(name, version + 1, *a_record(f"{name} {version}")) for version in range(events)]

    written = await asyncio.gather(*(write(f"run-{writer}-{run}") for run in range(runs)))
    return list(itertools.chain(*written))


class FollowingContract(ContractBase):
    """What a log promises to its followers."""

    def test_a_follower_sees_what_is_written_while_it_waits(self, make_log: MakeLog) -> None:
        """Also when it came before the first event, and it starts where it is told."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                first = asyncio.create_task(collect(log, 3))
                await asyncio.sleep(0)
                for version in range(3):
                    await log.append("run", version, [a_record(str(version))])
                seen = await first
                assert [notification.state for notification in seen] == [b"0", b"1", b"2"]
                second = asyncio.create_task(collect(log, 1, after_position=seen[-1].id))
                await log.append("run", 3, [a_record("3")])
                assert [notification.state for notification in await second] == [b"3"]

        asyncio.run(scenario())

    def test_a_follower_sees_what_another_log_writes(self, make_shared_log: MakeLog) -> None:
        """By a notification or by looking again: the writer has a connection of its own."""

        async def scenario() -> None:
            async with opened(make_shared_log()) as reader, opened(make_shared_log()) as writer:
                for version in range(3):
                    await writer.append("run", version, [a_record(str(version))])
                    await collect(reader, 1, after_position=version)

        asyncio.run(scenario())

    def test_followers_miss_nothing_of_four_concurrent_writers(self, make_shared_log: MakeLog) -> None:
        """4 logs of their own write 2,000 events; two live followers see all of them, in one order, the log's."""

        async def scenario() -> None:
            async with AsyncExitStack() as stack:
                reader, *writers = [await stack.enter_async_context(opened(make_shared_log())) for _ in range(5)]
                live = [asyncio.create_task(collect(log, 2000)) for log in (reader, writers[0])]
                written = await asyncio.gather(
                    *(_write_runs(log, number, 25, 20) for number, log in enumerate(writers))
                )
                first, second = await asyncio.gather(*live)
                assert sorted(key(notification) for notification in first) == sorted(itertools.chain(*written))
                assert first == second == await collect(reader, 2000)
                positions = [notification.id for notification in first]
                assert positions == sorted(set(positions))

        asyncio.run(scenario())

    def test_events_of_one_run_are_followed_in_the_order_of_their_versions(self, make_log: MakeLog) -> None:
        """Whatever else is written in between."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await asyncio.gather(*(_write_runs(log, number, 10, 10) for number in range(4)))
                seen: dict[str, int] = {}
                for notification in await collect(log, 400):
                    run_id = str(notification.originator_id)
                    assert notification.originator_version == seen.get(run_id, 0) + 1
                    seen[run_id] = notification.originator_version

        asyncio.run(scenario())

    def test_closing_the_log_ends_its_followers(self, make_log: MakeLog) -> None:
        """One that waits for more as well as one that asks only then."""

        async def count(log: Log) -> int:
            return sum([len(page) async for page in log.follow()])

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record()])
                waiting = asyncio.create_task(count(log))
                await collect(log, 1)
                await log.append("run", 1, [a_record()])
                await collect(log, 2)
                pages = log.follow()
                await anext(pages)
                await log.close()
                async with asyncio.timeout(10):
                    assert await waiting == 2
                    assert [page async for page in pages] == []

        asyncio.run(scenario())
