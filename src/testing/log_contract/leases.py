"""What a log promises about who has a run: leases that lapse, claims that one worker wins, and releases."""

import asyncio
import threading

import pytest

from ...errors import AppendConflict, LogUnavailable
from ...saga.log.limits import Need
from ...saga.log.port import Log
from .base import ContractBase, LetLapse, MakeLog
from .owners import FREE, KNOWN, beat, free, names, owned_by
from .records import a_record, opened

__all__ = ["LeasesContract"]


class LeasesContract(ContractBase):
    """What a log promises to workers that have runs."""

    def test_a_worker_keeps_its_runs_while_its_heart_beats(self, make_log: MakeLog, let_lapse: LetLapse | None) -> None:
        """Then they are offered as lapsed; a beat takes them back. Time is the database's, which the test turns."""
        if let_lapse is None:
            pytest.skip(f"{type(self).__name__} has no fixture `let_lapse` that turns the time of its leases")

        async def scenario() -> None:
            async with opened(make_log()) as log:
                pulse = log.pulse("ada", 3600)
                pulse.beat()
                beat(log, "bob", 3600)
                await log.append("run", 0, [a_record()], owned_by("ada"))
                await log.append("other", 0, [a_record()], owned_by("bob"))
                assert await log.claimable(KNOWN, 10) == []
                let_lapse(log, "ada", 3500)
                assert await log.claimable(KNOWN, 10) == []
                let_lapse(log, "ada", 200)
                assert await log.claimable(KNOWN, 10) == [free("run", lapsed=True)]
                assert await log.owned("ada") == {"run"}
                pulse.beat()
                assert await log.claimable(KNOWN, 10) == []
                pulse.close()

        asyncio.run(scenario())

    def test_an_owner_without_a_lease_has_lapsed(self, make_log: MakeLog) -> None:
        """One that died before its first beat, or whose row was removed."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record()], owned_by("ada"))
                assert await log.claimable(KNOWN, 10) == [free("run", lapsed=True)]

        asyncio.run(scenario())

    def test_each_lease_has_its_own_length_and_the_newest_beat_counts(self, make_log: MakeLog) -> None:
        """A coordinator that is made anew under other settings."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record()], owned_by("ada"))
                beat(log, "ada", 0)
                assert await names(log) == ["run"]
                beat(log, "ada", 3600)
                assert await names(log) == []

        asyncio.run(scenario())

    def test_a_release_gives_up_every_run_and_the_lease(self, make_log: MakeLog) -> None:
        """Of that worker alone; more of them than one transaction takes; and twice is once."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                runs = [f"run-{number}" for number in range(2500)]
                await asyncio.gather(*(log.append(run, 0, [a_record()], owned_by("ada")) for run in runs))
                await log.append("theirs", 0, [a_record()], owned_by("bob"))
                for _ in range(2):
                    await log.release("ada")
                    assert sorted(await names(other, limit=3000)) == sorted(runs)
                assert await other.owned("ada") == set()
                assert await other.owned("bob") == {"theirs"}
                assert all(not run.lapsed for run in await other.claimable(KNOWN, 3000))

        asyncio.run(scenario())

    def test_of_two_workers_that_claim_one_run_one_has_it(self, make_log: MakeLog) -> None:
        """The version of the stream decides; the standing is the winner's. Twenty times over."""

        async def claim(log: Log, worker: str, version: int) -> str | None:
            try:
                await log.append("run", version, [a_record(f"claimed by {worker}")], owned_by(worker))
            except AppendConflict:
                return None
            return worker

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                await log.append("run", 0, [a_record()], FREE)
                for turn in range(20):
                    assert await names(log) == await names(other) == ["run"]
                    claims = [claim(log, "ada", 2 * turn + 1), claim(other, "bob", 2 * turn + 1)]
                    winners = [worker for worker in await asyncio.gather(*claims) if worker]
                    assert len(winners) == 1
                    assert await other.owned(winners[0]) == {"run"}
                    assert await names(log) == []
                    await log.append("run", 2 * turn + 2, [a_record(f"back {turn}")], FREE)

        asyncio.run(scenario())

    def test_a_pulse_may_be_used_from_one_thread_after_another(self, make_log: MakeLog) -> None:
        """As a heart does: the first beat, then its own thread, then whoever closes it; closing twice is once."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record()], owned_by("ada"))
                pulse = log.pulse("ada", 3600)
                await asyncio.to_thread(pulse.beat)
                thread = threading.Thread(target=pulse.beat)
                thread.start()
                await asyncio.to_thread(thread.join)
                pulse.close()
                pulse.close()
                assert await names(log) == []

        asyncio.run(scenario())

    def test_a_closed_log_is_asked_for_nothing(self, make_log: MakeLog) -> None:
        """It says so at once."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await names(log)
                await log.close()
                async with asyncio.timeout(5):
                    for ask in (
                        lambda: log.claimable(KNOWN, 1),
                        lambda: log.unknown(KNOWN, 1),
                        lambda: log.owned("ada"),
                        lambda: log.release("ada"),
                        lambda: log.wait_for_work(1),
                        lambda: log.share(Need("mail", "ada", 0, 1, 1, 1, None, 1.0)),
                        log.shares,
                    ):
                        with pytest.raises(LogUnavailable):
                            await ask()

        asyncio.run(scenario())
