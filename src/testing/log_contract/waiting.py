"""What a log promises to workers that wait for work: they are woken for it, and for nothing else."""

import asyncio

import pytest

from .base import ContractBase, MakeLog
from .owners import FREE, REST, beat, names, owned_by
from .records import a_record, opened

__all__ = ["WaitingContract"]


class WaitingContract(ContractBase):
    """What a log promises to workers that have nothing to do."""

    @pytest.mark.parametrize("what", ["started", "released", "commanded"])
    def test_whoever_waits_is_woken_when_there_is_work(self, make_log: MakeLog, what: str) -> None:
        """By another log, long before the time is up."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                beat(log, "ada", 3600)
                await other.append("run", 0, [a_record()], owned_by("ada"))
                assert await names(log) == []
                waiting = asyncio.create_task(log.wait_for_work(60))
                await asyncio.sleep(0)
                match what:
                    case "started":
                        await other.append("new", 0, [a_record()], FREE)
                    case "released":
                        await other.release("ada")
                    case _:
                        await other.append("run", 1, [a_record()], FREE)
                async with asyncio.timeout(10):
                    await waiting
                assert len(await names(log)) == 1

        asyncio.run(scenario())

    def test_a_ring_before_the_wait_is_not_missed(self, make_log: MakeLog) -> None:
        """It came after the caller had looked, and nobody waited yet."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                for number in range(5):
                    assert len(await names(log)) == number
                    await other.append(f"run-{number}", 0, [a_record()], FREE)
                    async with asyncio.timeout(10):
                        await log.wait_for_work(60)

        asyncio.run(scenario())

    def test_the_wait_ends_in_time_and_is_not_ended_by_what_is_no_work(self, make_log: MakeLog) -> None:
        """Events, claims, ends and beats ring for nobody."""

        async def scenario() -> None:
            loop = asyncio.get_running_loop()
            async with self.two_logs(make_log) as (log, other):
                await other.append("run", 0, [a_record()], FREE)
                await names(log)
                await log.wait_for_work(0)  # hears the bell that had rung before, if this log is one that does
                await names(log)
                start = loop.time()
                waiting = asyncio.create_task(log.wait_for_work(0.4))
                beat(other, "ada", 3600)
                await other.append("run", 1, [a_record("claimed")], owned_by("ada"))
                await other.append("run", 2, [a_record("an event")])
                await other.append("run", 3, [a_record("ended")], REST._replace(owner=None))
                await waiting
                assert 0.39 <= loop.time() - start < 5

        asyncio.run(scenario())

    def test_closing_a_log_lets_go_of_whoever_waits_for_work(self, make_shared_log: MakeLog) -> None:
        """At once, and not when the time is up."""

        async def scenario() -> None:
            async with opened(make_shared_log()) as log:
                await names(log)
                waiting = asyncio.create_task(log.wait_for_work(60))
                await asyncio.sleep(0.01)
                await log.close()
                async with asyncio.timeout(5):
                    await asyncio.wait([waiting])

        asyncio.run(scenario())
