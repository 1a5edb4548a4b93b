"""What a log promises to workers that wait for work: they are woken for it, and for nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ...saga.log.port import FOR_EVER
from .base import ContractBase, MakeLog
from .owners import FREE, REST, beat, names, owned_by
from .records import a_record, opened

__all__ = ["WaitingContract"]


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class WaitingContract(ContractBase):
    """What a log promises to workers that have nothing to do."""

    @pytest.mark.parametrize("what", ["started", "released", "commanded", "rung for"])
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
                    case "rung for":
                        await other.append("waiting", 0, [a_record()], FREE._replace(due_at=FOR_EVER))
                        await other.append("waiting", 1, [a_record()], ring="waiting")
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

    def test_a_waiting_run_is_claimable_when_it_is_due(self, make_log: MakeLog) -> None:
        """By the clock of whoever asks, the longest due first, and never two at once for a limit of one."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                assert await log.wake(NOON, 10) is None
                for number in (2, 1, 3):
                    due_at = NOON + number * SECOND
                    await log.append(f"run-{number}", 0, [a_record()], FREE._replace(due_at=due_at))
                await log.append("for-ever", 0, [a_record()], FREE._replace(due_at=FOR_EVER))
                assert await log.wake(NOON, 10) == NOON + SECOND
                assert await names(log) == []
                assert await log.wake(NOON + 2 * SECOND, 1) == NOON + 2 * SECOND
                assert await names(log) == ["run-1"]
                assert await log.wake(NOON + 2 * SECOND, 10) == NOON + 3 * SECOND
                assert sorted(await names(log)) == ["run-1", "run-2"]
                assert await log.wake(NOON + 9 * SECOND, 10) is None
                assert "for-ever" not in await names(log)

        asyncio.run(scenario())

    def test_a_waiting_run_is_nobodys_and_no_lapsed_workers(self, make_log: MakeLog) -> None:
        """Neither a sweep nor a release finds it; a claim, an end or a further wait changes it."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                await log.append("run", 0, [a_record()], owned_by("ada"))
                await log.append("run", 1, [a_record()], FREE._replace(due_at=NOON))
                assert await log.owned("ada") == set()
                await log.release("ada")
                assert await names(log) == []
                await log.append("run", 2, [a_record()], FREE._replace(due_at=NOON + SECOND))
                assert await log.wake(NOON, 10) == NOON + SECOND
                await log.append("run", 3, [a_record()], owned_by("bob"))
                assert await log.wake(NOON + SECOND, 10) is None
                await log.append("run", 4, [a_record()], FREE._replace(due_at=NOON))
                await log.append("run", 5, [a_record()], REST)
                assert await log.wake(NOON, 10) is None
                assert await names(log) == []

        asyncio.run(scenario())

    def test_a_ring_frees_a_waiting_run_and_is_counted_for_an_owned_one(self, make_log: MakeLog) -> None:
        """And nothing is rung for a run that nobody need look at, or by an append that was not stored."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                beat(log, "ada", 3600)
                await log.append("owned", 0, [a_record()], owned_by("ada"))
                await log.append("waiting", 0, [a_record()], FREE._replace(due_at=FOR_EVER))
                assert await log.rung("ada") == {}
                await other.append("owned", 1, [a_record()], ring="owned")
                await other.append("waiting", 1, [a_record()], ring="waiting")
                assert await log.rung("ada") == {"owned": 1}
                assert await names(log) == ["waiting"]
                await other.append("another", 0, [a_record()], REST, ring="owned")
                assert await log.rung("ada") == {"owned": 2}
                await log.append("owned", 2, [a_record()], REST)
                await other.append("another", 1, [a_record()], ring="owned")
                assert await log.rung("ada") == {}

        asyncio.run(scenario())

    def test_an_outsider_changes_how_a_run_stands_and_not_who_has_it(self, make_log: MakeLog) -> None:
        """Whoever owns it; nobody does if it waited, or was at rest."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                called_off = FREE._replace(unwinding=True, outside=True)
                for run, standing in {
                    "owned": owned_by("ada"),
                    "waiting": FREE._replace(due_at=FOR_EVER),
                    "parked": REST,
                }.items():
                    await log.append(run, 0, [a_record()], standing)
                    await log.append(run, 1, [a_record()], called_off, ring=run)
                assert await log.owned("ada") == {"owned"}
                assert sorted(await names(log)) == ["parked", "waiting"]
                await log.release("ada")
                assert all(run.unwinding for run in await log.claimable([], 10) + await log.unknown([], 10))

        asyncio.run(scenario())
