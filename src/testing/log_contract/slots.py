"""What a log promises about slots: who asked first has one first, and never more have one than there are."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random

import pytest

from ...errors import AppendConflict
from ...saga.log.port import FOR_EVER, Holding, Log, Queue, Slot, Standing
from .base import ContractBase, MakeLog
from .owners import FREE, REST, beat, free, names, owned_by
from .records import a_record, opened

__all__ = ["SlotsContract"]

LOCK = Slot("lock", 1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def asking(*slots: Slot, standing: Standing = FREE, until: datetime = FOR_EVER) -> Standing:
    """Return the standing of a run that goes on if it has all of these, and else waits."""
    return standing._replace(slots=slots, queued_until=until)


async def held(log: Log, runs: Iterable[str]) -> dict[str, set[str]]:
    """Return what each run has."""
    return {run_id: set((await log.holding(run_id)).slots) for run_id in runs}


class SlotsContract(ContractBase):
    """What a log promises to runs that want something that only so many may have."""

    def test_the_first_has_it_and_the_others_wait(self, make_log: MakeLog) -> None:
        """Whoever waits has no owner, and is not offered to anybody."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                for run_id in ("a", "b", "c"):
                    await log.append(run_id, 0, [a_record()], asking(LOCK, standing=owned_by("ada")))
                assert await log.holding("a") == Holding("ada", frozenset({"lock"}))
                assert (await log.holding("b")).slots == (await log.holding("c")).slots == frozenset()
                assert await log.owned("ada") == {"a"}
                assert await names(log) == []

        asyncio.run(scenario())

    @pytest.mark.parametrize("how", ["ended", "given back", "parked without it"])
    def test_what_a_run_has_no_more_goes_to_whoever_has_waited_longest(self, make_log: MakeLog, how: str) -> None:
        """That one is rung for, so it is offered at once; the next waits on."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                for run_id in ("a", "b", "c"):
                    await log.append(run_id, 0, [a_record()], asking(LOCK, standing=owned_by("ada")))
                standing = owned_by("ada") if how == "given back" else REST
                await log.append("a", 1, [a_record()], standing._replace(slots=()))
                assert await held(log, "abc") == {"a": set(), "b": {"lock"}, "c": set()}
                assert await log.claimable([("onboard", 1)], 10) == [free("b")]

        asyncio.run(scenario())

    def test_a_run_at_rest_keeps_what_it_says_it_keeps(self, make_log: MakeLog) -> None:
        """Parked with a lock: the others wait for a person, too."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("a", 0, [a_record()], asking(LOCK))
                await log.append("b", 0, [a_record()], asking(LOCK))
                await log.append("a", 1, [a_record("parked")], REST._replace(slots=(LOCK,)))
                assert await log.holding("a") == Holding(None, frozenset({"lock"}))
                assert await held(log, "ab") == {"a": {"lock"}, "b": set()}
                await log.append("a", 2, [a_record("abandoned")], REST._replace(slots=(), outside=True), ring="a")
                assert await held(log, "ab") == {"a": set(), "b": {"lock"}}

        asyncio.run(scenario())

    def test_as_many_as_there_are_have_one(self, make_log: MakeLog) -> None:
        """In one commit, too; and who is not to wait has one beyond that."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                three = Slot("three", 3)
                await asyncio.gather(*(log.append(run_id, 0, [a_record()], asking(three)) for run_id in "abcde"))
                assert [run_id for run_id, slots in (await held(log, "abcde")).items() if slots] == ["a", "b", "c"]
                await log.append("f", 0, [a_record()], FREE._replace(slots=(Slot("three", 0),)))
                await asyncio.gather(*(log.append(run_id, 1, [a_record()], REST._replace(slots=())) for run_id in "ab"))
                assert await held(log, "cdef") == {"c": {"three"}, "d": {"three"}, "e": set(), "f": {"three"}}
                assert set(await names(log)) == {"c", "d", "f"}

        asyncio.run(scenario())

    def test_a_run_that_waits_and_has_an_owner_stays_with_it(self, make_log: MakeLog) -> None:
        """It has other things to do; when it gets its slot, its owner is rung for."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                await log.append("a", 0, [a_record()], asking(LOCK))
                busy = owned_by("ada")._replace(slots=(LOCK,))
                await log.append("b", 0, [a_record()], busy)
                assert await log.owned("ada") == {"b"}
                assert await log.rung("ada") == {}
                await log.append("a", 1, [a_record()], REST._replace(slots=()))
                assert await log.rung("ada") == {"b": 1}
                assert await log.holding("b") == Holding("ada", frozenset({"lock"}))

        asyncio.run(scenario())

    def test_whoever_does_not_wait_any_more_is_passed_over(self, make_log: MakeLog) -> None:
        """It was cancelled while it waited, by somebody else."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for run_id in ("a", "b", "c"):
                    await log.append(run_id, 0, [a_record()], asking(LOCK))
                cancelled = FREE._replace(outside=True, unwinding=True, slots=())
                await log.append("b", 1, [a_record()], cancelled, ring="b")
                assert set(await names(log)) == {"a", "b"}
                await log.append("a", 1, [a_record()], REST._replace(slots=()))
                assert await held(log, "abc") == {"a": set(), "b": set(), "c": {"lock"}}

        asyncio.run(scenario())

    def test_a_run_that_waits_is_due_at_its_time(self, make_log: MakeLog) -> None:
        """Say its deadline; and whoever claims it without having its slot lets go of it again."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                await log.append("a", 0, [a_record()], asking(LOCK))
                await log.append("b", 0, [a_record()], asking(LOCK, until=NOON))
                assert await log.wake(NOON, 10) is None
                assert set(await names(log)) == {"a", "b"}
                await log.append("b", 1, [a_record()], asking(LOCK, standing=owned_by("ada")))
                assert set(await names(log)) == {"a"}
                assert await log.holding("b") != Holding("ada", frozenset())

        asyncio.run(scenario())

    def test_a_refused_append_asks_for_nothing_and_gives_nothing_back(self, make_log: MakeLog) -> None:
        """Its run is at another version."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("a", 0, [a_record()], asking(LOCK))
                await log.append("b", 0, [a_record()], FREE)
                with pytest.raises(AppendConflict):
                    await log.append("a", 0, [a_record("another")], REST._replace(slots=()))
                with pytest.raises(AppendConflict):
                    await log.append("b", 7, [a_record("another")], asking(LOCK))
                await log.append("c", 0, [a_record()], asking(LOCK))
                assert await held(log, "abc") == {"a": {"lock"}, "b": set(), "c": set()}

        asyncio.run(scenario())

    def test_a_wait_for_work_ends_when_a_slot_is_free(self, make_log: MakeLog) -> None:
        """By another log, long before the time is up; and not when somebody begins to wait."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                beat(log, "ada", 3600)
                await other.append("a", 0, [a_record()], asking(LOCK, standing=owned_by("ada")))
                assert await names(log) == []
                await log.wait_for_work(0)
                await names(log)
                waiting = asyncio.create_task(log.wait_for_work(60))
                await other.append("b", 0, [a_record()], asking(LOCK))
                assert not (await asyncio.wait({waiting}, timeout=0.3))[0]
                await other.append("a", 1, [a_record()], REST._replace(slots=()))
                async with asyncio.timeout(10):
                    await waiting
                assert await names(log) == ["b"]

        asyncio.run(scenario())

    def test_what_most_wait_for_comes_first(self, make_log: MakeLog) -> None:
        """With the first few runs that have it, and whatever nobody has any more is gone."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                await log.append("a", 0, [a_record()], asking(Slot("x", 1), Slot("z", 9)))
                for run_id in ("b", "c", "d", "e", "f"):
                    await log.append(run_id, 0, [a_record()], asking(Slot("y", 4)))
                await log.append("g", 0, [a_record()], asking(Slot("gone", 1)))
                await log.append("g", 1, [a_record()], REST._replace(slots=()))
                assert await log.queues(10) == [
                    Queue("y", 4, 4, 1, ("b", "c", "d")),
                    Queue("x", 1, 1, 0, ("a",)),
                    Queue("z", 9, 1, 0, ("a",)),
                ]
                assert [queue.name for queue in await log.queues(1)] == ["y"]

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        ("sizes", "let_in"),
        [((3, 3, 3, 3, 1), "d"), ((3, 3, 3, 1, 3), ""), ((1, 1, 3, 2), "bc"), ((1, 1, 2, 1, 3), "bc")],
        ids=["lowered", "nobody is overtaken", "raised", "raised and lowered"],
    )
    def test_each_goes_by_its_own_size(self, make_log: MakeLog, sizes: tuple[int, ...], let_in: str) -> None:
        """Somebody has changed the limit. Two of those that have a slot end, in one commit."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                runs = "abcdefgh"[: len(sizes)]
                for run_id, size in zip(runs, sizes, strict=True):
                    await log.append(run_id, 0, [a_record()], asking(Slot("limit", size)))
                before = [run_id for run_id, slots in (await held(log, runs)).items() if slots]
                end = REST._replace(slots=())
                await asyncio.gather(*(log.append(run_id, 1, [a_record()], end) for run_id in before[:2]))
                after = [run_id for run_id, slots in (await held(log, runs)).items() if slots]
                assert [run_id for run_id in after if run_id not in before] == list(let_in)

        asyncio.run(scenario())

    @pytest.mark.parametrize("seed", range(3))
    def test_any_order_of_asking_and_giving_back(self, make_log: MakeLog, seed: int) -> None:
        """Against lists, one a queue: its first so many have a slot."""

        async def scenario() -> None:
            random, versions = Random(seed), dict.fromkeys("abcdefgh", 0)
            queues: dict[str, list[str]] = {"x": [], "y": []}
            sizes = {"x": 1, "y": 3}
            async with opened(make_log()) as log:
                for _ in range(120):
                    run_id = random.choice("abcdefgh")
                    wanted = [name for name in queues if random.random() < 0.5]
                    standing = asking(*(Slot(name, sizes[name]) for name in wanted))
                    await log.append(run_id, versions[run_id], [a_record()], standing)
                    versions[run_id] += 1
                    for name, queue in queues.items():
                        if name not in wanted and run_id in queue:
                            queue.remove(run_id)
                        elif name in wanted and run_id not in queue:
                            queue.append(run_id)
                    expected = {
                        each: {name for name, queue in queues.items() if each in queue[: sizes[name]]}
                        for each in versions
                    }
                    assert await held(log, versions) == expected

        asyncio.run(scenario())
