"""What a log promises about how runs stand: the roster of unfinished runs changes with the append that says so."""

import asyncio

import pytest

from ...errors import AppendConflict
from ...saga.log.port import Claimable, Standing
from .base import ContractBase, MakeLog
from .owners import FREE, KNOWN, REST, beat, free, names, owned_by
from .records import a_record, opened

__all__ = ["StandingsContract"]


class StandingsContract(ContractBase):
    """What a log promises to whoever looks for unfinished runs."""

    def test_a_run_that_was_started_for_nobody_is_claimable(self, make_log: MakeLog) -> None:
        """Until somebody has it, and again when it was given back."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
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

    def test_an_append_that_says_nothing_changes_nothing(self, make_log: MakeLog) -> None:
        """Most events do not change how a run stands, and a run that was never noted is not looked for."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("silent", 0, [a_record()])
                await log.append("run", 0, [a_record()], FREE)
                await log.append("run", 1, [a_record()])
                assert await names(log) == ["run"]

        asyncio.run(scenario())

    def test_a_run_at_rest_is_nobodys_business(self, make_log: MakeLog) -> None:
        """Ended or parked; a parked one comes back as the youngest."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await asyncio.gather(*(log.append(name, 0, [a_record()], FREE) for name in ("a", "b", "c")))
                await log.append("a", 1, [a_record("parked")], REST)
                await log.append("b", 1, [a_record("ended")], REST)
                await log.append("b", 2, [a_record("ended twice")], REST)
                assert await names(log) == ["c"]
                await log.append("a", 2, [a_record("resumed")], FREE)
                assert await names(log) == ["c", "a"]

        asyncio.run(scenario())

    def test_a_run_that_begins_and_ends_in_one_append_leaves_nothing(self, make_log: MakeLog) -> None:
        """No row to look for, and no owner."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("run", 0, [a_record("started"), a_record("ended")], REST._replace(owner="ada"))
                assert await names(log) == []
                assert await log.owned("ada") == set()

        asyncio.run(scenario())

    def test_a_conflict_leaves_the_standing_as_it_was(self, make_log: MakeLog) -> None:
        """In a batch with appends that are stored, too."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
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

    def test_an_append_that_is_found_stored_does_not_turn_the_standing_back(self, make_log: MakeLog) -> None:
        """Its reply was lost, it is repeated, and meanwhile somebody has claimed the run."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
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

    def test_the_oldest_come_first_and_no_more_than_asked_for(self, make_log: MakeLog) -> None:
        """By when they became unfinished, whatever was claimed and given back since."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
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

    def test_those_who_do_not_know_a_saga_are_not_offered_its_runs(self, make_log: MakeLog) -> None:
        """Or its version; but a run that unwinds needs no function, so its name is enough. The rest is `unknown`."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
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
