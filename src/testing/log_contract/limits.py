"""What a log promises about the limits of actions, which workers share."""

import asyncio
from typing import Any

import pytest

from ...actions.rate import Rate
from ...saga.log.limits import Need
from .base import ContractBase, LetLapse, MakeLog
from .owners import beat
from .records import opened

__all__ = ["LimitsContract"]

SIZE = 4
RATE = Rate(3, per_seconds=3600)


def need(worker: str, used: int = 0, waiting: int = 0, limit: str = "mail", **changes: Any) -> Need:
    """Return what a worker asks for that has so many attempts under way, and so many that wait."""
    known = Need(limit, worker, used, waiting, used + waiting, SIZE, None, valid_seconds=1.0)
    return known._replace(**changes)


class LimitsContract(ContractBase):
    """What a log promises to workers that share the limits of actions."""

    def test_a_worker_gets_what_it_has_use_for_and_no_more_than_there_is(self, make_log: MakeLog) -> None:
        """Of each limit, which have nothing to do with each other; and again when it asks again."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                assert (await log.share(need("ada", waiting=2))).allowed == 2
                assert (await log.share(need("ada", used=2, waiting=9))).allowed == SIZE
                assert (await log.share(need("ada", used=SIZE, waiting=9, is_certain=True))).allowed == SIZE
                assert (await log.share(need("ada", waiting=9, limit="crm"))).allowed == SIZE

        asyncio.run(scenario())

    def test_workers_share_and_never_have_more_together(self, make_log: MakeLog) -> None:
        """A second one waits until the first has given back what is over its share; what is in use stays counted."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                assert (await log.share(need("ada", waiting=9))).allowed == SIZE
                assert (await other.share(need("bob", waiting=9))).allowed == 0
                told = await log.share(need("ada", used=SIZE, waiting=9))
                assert (told.allowed, told.taken) == (SIZE // 2, SIZE)
                assert (await other.share(need("bob", waiting=9))).allowed == 0
                told = await log.share(need("ada", used=SIZE - 1, waiting=9))
                assert (told.allowed, told.taken) == (SIZE // 2, SIZE - 1)
                assert (await other.share(need("bob", waiting=9))).allowed == 1
                await log.share(need("ada", used=1))
                assert (await other.share(need("bob", used=1, waiting=9))).allowed == SIZE - 1

        asyncio.run(scenario())

    def test_of_many_who_ask_at_once_all_together_get_what_there_is(self, make_log: MakeLog) -> None:
        """Twenty workers, from two processes, ten times over."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                workers = [f"worker-{number}" for number in range(20)]
                for worker in workers:
                    beat(log, worker, 3600)
                for turn in range(10):
                    asks = [
                        (log, other)[number % 2].share(need(worker, waiting=1 + number % 3, limit=f"limit-{turn}"))
                        for number, worker in enumerate(workers)
                    ]
                    assert sum(grant.taken for grant in await asyncio.gather(*asks)) == SIZE

        asyncio.run(scenario())

    def test_a_dead_worker_s_share_goes_to_others(self, make_log: MakeLog, let_lapse: LetLapse | None) -> None:
        """Not before its lease has lapsed; and when it comes back, what it has in use is counted again."""
        if let_lapse is None:
            pytest.skip(f"{type(self).__name__} has no fixture `let_lapse` that turns the time of its leases")

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                assert (await log.share(need("ada", waiting=9))).allowed == SIZE
                let_lapse(log, "ada", 3500)
                assert (await log.share(need("bob", waiting=9))).allowed == 0
                let_lapse(log, "ada", 200)
                assert (await log.share(need("ada", used=SIZE, waiting=9))).allowed == 0
                assert (await log.share(need("bob", waiting=9))).allowed == SIZE
                beat(log, "ada", 3600)
                assert (await log.share(need("ada", used=SIZE, waiting=9))).allowed == 0
                assert (await log.share(need("bob", used=1, waiting=9))).allowed == 0

        asyncio.run(scenario())

    def test_a_worker_without_a_lease_gets_nothing(self, make_log: MakeLog) -> None:
        """Nor after it has released what it had; and nobody counts it."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                assert (await log.share(need("ada", waiting=9, rate=RATE))) == (0, 0, 0, 0.0, True)
                beat(log, "ada", 3600)
                assert (await log.share(need("ada", waiting=9))).allowed == SIZE
                await log.release("ada")
                assert (await log.share(need("ada", used=2, waiting=9))).allowed == 0
                beat(log, "bob", 3600)
                assert (await log.share(need("bob", waiting=9))).allowed == SIZE
                assert [sharing.worker for sharing in await log.shares()] == ["bob"]

        asyncio.run(scenario())

    def test_tokens_of_a_rate_are_given_once(self, make_log: MakeLog) -> None:
        """As many as wait, shared between all who wait; the rest are told when it is worth asking again."""

        async def scenario() -> None:
            async with self.two_logs(make_log) as (log, other):
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                assert (await log.share(need("ada", waiting=1, size=None, rate=RATE))).tokens == 1
                assert (await other.share(need("bob", waiting=9, size=None, rate=RATE))).tokens == 2
                told = await log.share(need("ada", waiting=9, size=None, rate=RATE))
                assert told.tokens == 0
                assert RATE.per_seconds < told.wait_seconds < RATE.per_seconds * 1.03
                assert (await log.share(need("ada", waiting=9, size=None, rate=RATE, limit="crm"))).tokens == 3

        asyncio.run(scenario())

    def test_tokens_come_back_when_their_span_is_over(self, make_log: MakeLog) -> None:
        """And not before: by the database's clock, which here is let run."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                beat(log, "ada", 3600)
                asked = need("ada", waiting=9, size=None, rate=Rate(2, per_seconds=0.2), valid_seconds=0.0)
                loop = asyncio.get_running_loop()
                given: list[float] = []
                async with asyncio.timeout(30):
                    while len(given) < 8:
                        before = loop.time()
                        told = await log.share(asked)
                        given += [before if not told.tokens else loop.time()] * told.tokens
                        await asyncio.sleep(told.wait_seconds)
                assert given[-1] - given[0] > 3 * 0.19

        asyncio.run(scenario())

    def test_where_workers_know_other_limits_the_lowest_counts(self, make_log: MakeLog) -> None:
        """As in a deploy: nobody has more than the strictest says, and nobody is kept out."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                assert (await log.share(need("ada", waiting=9, size=10))).allowed == 9
                assert (await log.share(need("bob", waiting=9, size=2))).allowed == 0
                assert (await log.share(need("ada", used=9, waiting=9, size=10))).allowed == 1
                assert (await log.share(need("ada", used=1, waiting=9, size=10))).allowed == 1
                assert (await log.share(need("bob", waiting=9, size=2))).allowed == 1

        asyncio.run(scenario())

    def test_where_workers_know_other_rates_the_smallest_count_in_the_longest_span_counts(
        self, make_log: MakeLog
    ) -> None:
        """Also for as long as nobody waits who knows it: until the last worker has gone that does."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                often = Rate(5, per_seconds=0.1)
                assert (await log.share(need("ada", waiting=0, size=None, rate=RATE))).tokens == 0
                assert (await log.share(need("bob", waiting=9, size=None, rate=often))).tokens == 3
                told = await log.share(need("bob", waiting=9, size=None, rate=often))
                assert (told.tokens, told.wait_seconds > 3000) == (0, True)
                await log.release("ada")
                assert (await log.share(need("bob", waiting=9, size=None, rate=often))).tokens == 2

        asyncio.run(scenario())

    def test_a_limit_binds_workers_that_know_only_the_other_kind(self, make_log: MakeLog) -> None:
        """As where a deploy adds one: who knows only a rate is counted and bounded, who knows none needs tokens."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                told = await log.share(need("ada", waiting=3, size=None, rate=RATE))
                assert (told.allowed > 1_000_000, told.taken, told.tokens) == (True, 3, 3)
                told = await log.share(need("bob", waiting=9))
                assert (told.allowed, told.tokens, told.is_rated) == (1, 0, True)
                told = await log.share(need("ada", used=3, waiting=9, size=None, rate=RATE))
                assert (told.allowed, told.taken) == (2, 3)
                await log.release("ada")
                told = await log.share(need("bob", used=1, waiting=9))
                assert (told.allowed, told.is_rated) == (SIZE, False)

        asyncio.run(scenario())

    def test_it_can_be_seen_who_holds_and_who_waits(self, make_log: MakeLog) -> None:
        """By limit and worker, with the bounds as each knows them."""

        async def scenario() -> None:
            async with opened(make_log()) as log:
                for worker in ("ada", "bob"):
                    beat(log, worker, 3600)
                await log.share(need("bob", waiting=9))
                await log.share(need("ada", waiting=2))
                await log.share(need("ada", waiting=2, size=None, rate=RATE, limit="crm"))
                assert [tuple(sharing) for sharing in await log.shares()] == [
                    ("crm", "ada", None, RATE, 2, 0),
                    ("mail", "ada", SIZE, None, 0, 2),
                    ("mail", "bob", SIZE, None, 4, 9),
                ]

        asyncio.run(scenario())
