"""The server has committed and the client never hears of it: no false conflict, and nothing is written twice."""

import asyncio

import pytest

from amends.errors import AppendConflict
from tests.logs import a_record, collect, disturb, opened
from tests.proxy import LostReplies


@pytest.mark.parametrize("lost", range(1, 9))
def test_a_lost_reply_is_no_conflict(postgres_url: str, lost: int) -> None:
    """The reply to each of eight appends in turn; the library raises IntegrityError for its own write (trap V1)."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy, opened(proxy.url) as log:
            proxy.drop(lost)
            for version in range(8):
                await log.append("run", version, [a_record(str(version))])
            assert proxy.dropped_count == 1
            assert proxy.call_count == 9
            assert await log.read("run") == [a_record(str(version)) for version in range(8)]
            assert len(await collect(log, 8)) == 8

    asyncio.run(scenario())


def test_several_replies_in_a_row_can_be_lost(postgres_url: str) -> None:
    """Also those to the repetitions."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy, opened(proxy.url) as log:
            for nth in (1, 2, 3):
                proxy.drop(nth)
            await log.append("run", 0, [a_record()])
            assert proxy.dropped_count == 3
            assert await log.read("run") == [a_record()]

    asyncio.run(scenario())


def test_a_batch_whose_reply_was_lost_tells_own_writes_from_conflicts(postgres_url: str) -> None:
    """Twenty runs in one commit, half of which somebody else has written to before."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy, opened(proxy.url) as log, opened(postgres_url) as other:
            names = [f"run-{number}" for number in range(20)]
            for name in names[::2]:
                await other.append(name, 0, [a_record("theirs")])
            proxy.drop()
            outcomes = await asyncio.gather(
                *(log.append(name, 0, [a_record("ours")]) for name in names), return_exceptions=True
            )
            assert [type(outcome) for outcome in outcomes] == [AppendConflict, type(None)] * 10
            assert proxy.dropped_count == 1
            assert len(await collect(other, 20)) == 20

    asyncio.run(scenario())


def test_a_write_behind_ours_does_not_hide_that_ours_was_stored(postgres_url: str) -> None:
    """While the reply is lost somebody else appends to the run, at the version that we have made."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy, opened(proxy.url) as log, opened(postgres_url) as other:
            await log.append("run", 0, [a_record("1")])
            proxy.drop()
            ours = asyncio.create_task(log.append("run", 1, [a_record("2"), a_record("3")]))
            await collect(other, 3)
            await other.append("run", 3, [a_record("4")])
            await ours
            assert await other.read("run") == [a_record(text) for text in "1234"]

    asyncio.run(scenario())


def test_a_line_that_is_cut_at_any_moment_loses_no_append(postgres_url: str) -> None:
    """Two hundred appends while all lines are cut again and again, requests and replies alike."""

    async def scenario() -> None:
        async with LostReplies(postgres_url) as proxy, opened(proxy.url) as log:
            version = 0

            async def cut() -> None:
                proxy.cut()

            disturbance = asyncio.create_task(disturb(cut, lambda: version, 0.1))
            for version in range(200):
                await log.append("run", version, [a_record(str(version))])
            disturbance.cancel()
            assert await log.read("run") == [a_record(str(version)) for version in range(200)]
            assert len(await collect(log, 200)) == 200

    asyncio.run(scenario())
