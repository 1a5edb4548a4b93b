"""Who has which unfinished run, and who may look for it: in memory, in SQLite and in PostgreSQL."""

import asyncio
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest

from amends.errors import AppendConflict, LogUnavailable
from amends.saga.log.port import Claimable, Log, Standing
from tests.leases import let_lapse
from tests.logs import a_record, opened

KNOWN = [("onboard", 1)]
FREE = Standing("onboard", 1)
REST = FREE._replace(at_rest=True)


def owned_by(worker: str) -> Standing:
    return FREE._replace(owner=worker)


def free(run_id: str, *, lapsed: bool = False) -> Claimable:
    return Claimable(run_id, "onboard", 1, unwinding=False, lapsed=lapsed)


def beat(log: Log, worker: str, lease_seconds: float) -> None:
    """Renew a lease once."""
    pulse = log.pulse(worker, lease_seconds)
    pulse.beat()
    pulse.close()


async def names(log: Log, known: Collection[tuple[str, int]] = KNOWN, limit: int = 100) -> list[str]:
    return [run.run_id for run in await log.claimable(known, limit)]


@asynccontextmanager
async def two_logs(url: str) -> AsyncIterator[tuple[Log, Log]]:
    """Two logs on one database; one twice where there is no database."""
    async with opened(url) as log:
        if url == "memory://":
            yield log, log
        else:
            async with opened(url) as other:
                yield log, other


def test_a_run_that_was_started_for_nobody_is_claimable(log_url: str) -> None:
    """Until somebody has it, and again when it was given back."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            assert await names(log) == []
            await log.append("run", 0, [a_record("started")], FREE)
            assert await log.claimable(KNOWN, 10) == [free("run")]
            beat(log, "ada", 3600)
            await log.append("run", 1, [a_record("claimed")], owned_by("ada"))
            assert await log.claimable(KNOWN, 10) == []
            assert await log.owned("ada") == {"run"}
            await log.append("run", 2, [a_record("a command")], FREE)
            assert await log.claimable(KNOWN, 10) == [free("run")]
            assert await log.owned("ada") == set()

    asyncio.run(scenario())


def test_an_append_that_says_nothing_changes_nothing(log_url: str) -> None:
    """Most events do not change how a run stands, and a run that was never noted is not looked for."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("silent", 0, [a_record()])
            await log.append("run", 0, [a_record()], FREE)
            await log.append("run", 1, [a_record()])
            assert await names(log) == ["run"]

    asyncio.run(scenario())


def test_a_run_at_rest_is_nobodys_business(log_url: str) -> None:
    """Ended or parked; a parked one comes back as the youngest."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await asyncio.gather(*(log.append(name, 0, [a_record()], FREE) for name in ("a", "b", "c")))
            await log.append("a", 1, [a_record("parked")], REST)
            await log.append("b", 1, [a_record("ended")], REST)
            await log.append("b", 2, [a_record("ended twice")], REST)
            assert await names(log) == ["c"]
            await log.append("a", 2, [a_record("resumed")], FREE)
            assert await names(log) == ["c", "a"]

    asyncio.run(scenario())


def test_a_run_that_begins_and_ends_in_one_append_leaves_nothing(log_url: str) -> None:
    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, [a_record("started"), a_record("ended")], REST._replace(owner="ada"))
            assert await names(log) == []
            assert await log.owned("ada") == set()

    asyncio.run(scenario())


def test_a_conflict_leaves_the_standing_as_it_was(log_url: str) -> None:
    """In a batch with appends that are stored, too."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            beat(log, "ada", 3600)
            runs = [f"run-{number}" for number in range(20)]
            await asyncio.gather(*(log.append(run, 0, [a_record("theirs")], owned_by("ada")) for run in runs[::2]))
            outcomes = await asyncio.gather(
                *(log.append(run, 0, [a_record("ours")], FREE) for run in runs), return_exceptions=True
            )
            assert [type(outcome) for outcome in outcomes] == [AppendConflict, type(None)] * 10
            assert await log.owned("ada") == set(runs[::2])
            assert sorted(await names(log)) == sorted(runs[1::2])
            with pytest.raises(AppendConflict):
                await log.append("run-1", 0, [a_record("other bytes")], REST)
            assert "run-1" in await names(log)

    asyncio.run(scenario())


def test_an_append_that_is_found_stored_does_not_turn_the_standing_back(log_url: str) -> None:
    """Its reply was lost, it is repeated, and meanwhile somebody has claimed the run."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            beat(log, "ada", 3600)
            await log.append("run", 0, [a_record("started")], FREE)
            await log.append("run", 1, [a_record("claimed")], owned_by("ada"))
            await log.append("run", 0, [a_record("started")], FREE)
            assert await names(log) == []
            assert await log.owned("ada") == {"run"}
            await log.append("run", 2, [a_record("ended")], REST)
            await log.append("run", 1, [a_record("claimed")], owned_by("ada"))
            assert await log.owned("ada") == set()

    asyncio.run(scenario())


def test_the_oldest_come_first_and_no_more_than_asked_for(log_url: str) -> None:
    """By when they became unfinished, whatever was claimed and given back since."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            runs = [f"run-{number}" for number in (5, 3, 8, 1, 9, 2)]
            for run in runs:
                await log.append(run, 0, [a_record()], FREE)
            for run in ("run-5", "run-8"):
                await log.append(run, 1, [a_record("claimed")], owned_by("ada"))
            await log.release("ada")
            assert await names(log) == runs
            for limit in range(8):
                assert await names(log, limit=limit) == runs[:limit]

    asyncio.run(scenario())


def test_those_who_do_not_know_a_saga_are_not_offered_its_runs(log_url: str) -> None:
    """Or its version; but a run that unwinds needs no function, so its name is enough. The rest is `unknown`."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            for number, saga in enumerate(("onboard", "leave")):
                for version in (1, 2):
                    for unwinding in (False, True):
                        name = f"{number}-{saga}-{version}-{'back' if unwinding else 'on'}"
                        await log.append(name, 0, [a_record()], Standing(saga, version, None, unwinding))
            known = [("onboard", 1), ("other", 2)]
            assert await names(log, known) == ["0-onboard-1-on", "0-onboard-1-back", "0-onboard-2-back"]
            (third,) = [run for run in await log.claimable(known, 10) if run.version == 2]
            assert third == Claimable("0-onboard-2-back", "onboard", 2, unwinding=True, lapsed=False)
            others = await log.unknown(known, 10)
            assert [run.run_id for run in others] == [
                "0-onboard-2-on",
                *("1-leave-1-on", "1-leave-1-back", "1-leave-2-on", "1-leave-2-back"),
            ]
            assert len(await log.unknown(known, 2)) == 2
            assert await log.claimable([], 10) == []
            assert len(await log.unknown([], 10)) == 8

    asyncio.run(scenario())


def test_a_worker_keeps_its_runs_while_its_heart_beats(log_url: str) -> None:
    """Then they are offered as lapsed; a beat takes them back. Time is the database's, which the test turns."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            pulse = log.pulse("ada", 3600)
            pulse.beat()
            beat(log, "bob", 3600)
            await log.append("run", 0, [a_record()], owned_by("ada"))
            await log.append("other", 0, [a_record()], owned_by("bob"))
            assert await log.claimable(KNOWN, 10) == []
            let_lapse(log, log_url, "ada", 3500)
            assert await log.claimable(KNOWN, 10) == []
            let_lapse(log, log_url, "ada", 200)
            assert await log.claimable(KNOWN, 10) == [free("run", lapsed=True)]
            assert await log.owned("ada") == {"run"}
            pulse.beat()
            assert await log.claimable(KNOWN, 10) == []
            pulse.close()

    asyncio.run(scenario())


def test_an_owner_without_a_lease_has_lapsed(log_url: str) -> None:
    """One that died before its first beat, or whose row was removed."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, [a_record()], owned_by("ada"))
            assert await log.claimable(KNOWN, 10) == [free("run", lapsed=True)]

    asyncio.run(scenario())


def test_each_lease_has_its_own_length_and_the_newest_beat_counts(log_url: str) -> None:
    """A coordinator that is made anew under other settings."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await log.append("run", 0, [a_record()], owned_by("ada"))
            beat(log, "ada", 0)
            assert await names(log) == ["run"]
            beat(log, "ada", 3600)
            assert await names(log) == []

    asyncio.run(scenario())


def test_a_release_gives_up_every_run_and_the_lease(log_url: str) -> None:
    """Of that worker alone; more of them than one transaction takes; and twice is once."""

    async def scenario() -> None:
        async with two_logs(log_url) as (log, other):
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


@pytest.mark.parametrize("what", ["started", "released", "commanded"])
def test_whoever_waits_is_woken_when_there_is_work(log_url: str, what: str) -> None:
    """By another log, long before the time is up."""

    async def scenario() -> None:
        async with two_logs(log_url) as (log, other):
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


def test_a_ring_before_the_wait_is_not_missed(log_url: str) -> None:
    """It came after the caller had looked, and nobody waited yet."""

    async def scenario() -> None:
        async with two_logs(log_url) as (log, other):
            for number in range(5):
                assert len(await names(log)) == number
                await other.append(f"run-{number}", 0, [a_record()], FREE)
                async with asyncio.timeout(10):
                    await log.wait_for_work(60)

    asyncio.run(scenario())


def test_the_wait_ends_in_time_and_is_not_ended_by_what_is_no_work(log_url: str) -> None:
    """Events, claims, ends and beats ring for nobody."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with two_logs(log_url) as (log, other):
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


def test_of_two_workers_that_claim_one_run_one_has_it(log_url: str) -> None:
    """The version of the stream decides; the standing is the winner's. Twenty times over."""

    async def claim(log: Log, worker: str, version: int) -> str | None:
        try:
            await log.append("run", version, [a_record(f"claimed by {worker}")], owned_by(worker))
        except AppendConflict:
            return None
        return worker

    async def scenario() -> None:
        async with two_logs(log_url) as (log, other):
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


def test_a_pulse_may_be_used_from_one_thread_after_another(log_url: str) -> None:
    """As a heart does: the first beat, then its own thread, then whoever closes it; closing twice is once."""

    async def scenario() -> None:
        async with opened(log_url) as log:
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


def test_a_closed_log_is_asked_for_nothing(log_url: str) -> None:
    """It says so at once."""

    async def scenario() -> None:
        async with opened(log_url) as log:
            await names(log)
            await log.close()
            async with asyncio.timeout(5):
                for ask in (
                    lambda: log.claimable(KNOWN, 1),
                    lambda: log.unknown(KNOWN, 1),
                    lambda: log.owned("ada"),
                    lambda: log.release("ada"),
                    lambda: log.wait_for_work(1),
                ):
                    with pytest.raises(LogUnavailable):
                        await ask()

    asyncio.run(scenario())


def test_closing_a_log_lets_go_of_whoever_waits_for_work(shared_log_url: str) -> None:
    async def scenario() -> None:
        async with opened(shared_log_url) as log:
            await names(log)
            waiting = asyncio.create_task(log.wait_for_work(60))
            await asyncio.sleep(0.01)
            await log.close()
            async with asyncio.timeout(5):
                await asyncio.wait([waiting])

    asyncio.run(scenario())
