"""Turns of the loop that are counted together, and results that several wait for."""

import asyncio

import pytest

from amends.saga.awaited import Awaited
from amends.saga.turns import Turns


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_call_comes_after_so_many_turns(count: int) -> None:
    """And behind everything that the turns before it have scheduled."""

    async def scenario() -> list[str]:
        turns, seen = Turns(), list[str]()

        async def hop() -> None:
            for number in range(1, count + 1):
                await asyncio.sleep(0)
                seen.append(str(number))

        hopping = asyncio.create_task(hop())
        await asyncio.sleep(0)
        turns.after(count, lambda: seen.append("called"))
        await hopping
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(scenario()) == [*map(str, range(1, count + 1)), "called"]


def test_who_asks_while_turns_are_counted_gets_no_turn_less() -> None:
    """The count of another may be under way already, in this very turn; and a call may ask for further turns."""

    async def scenario() -> list[int]:
        turns, loop, seen, turn = Turns(), asyncio.get_running_loop(), list[int](), 0

        def count() -> None:
            nonlocal turn
            turn += 1
            if turn < 20:
                loop.call_soon(count)

        count()
        turns.after(6, lambda: turns.after(3, lambda: seen.append(turn)))
        await asyncio.sleep(0)
        asked = turn
        turns.after(3, lambda: seen.append(turn - asked))
        for _ in range(25):
            await asyncio.sleep(0)
        return seen

    first, second = asyncio.run(scenario())
    assert 3 <= first <= 4
    assert 9 <= second <= 11


def test_cancelling_one_who_waits_cancels_no_other() -> None:
    """Each waits for itself; who comes when it is there need not wait."""

    async def scenario() -> list[int]:
        awaited: Awaited[int] = Awaited()
        one, other = asyncio.create_task(awaited.wait()), asyncio.create_task(awaited.wait())
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.wait({one})
        assert one.cancelled()
        assert not awaited.done()
        awaited.settle(7)
        awaited.settle(8)
        awaited.fail(LookupError())
        return [await other, await awaited.wait()]

    assert asyncio.run(scenario()) == [7, 7]


def test_all_who_wait_get_the_error() -> None:
    """A later result changes nothing."""

    async def scenario() -> None:
        awaited: Awaited[int] = Awaited()
        waiting = asyncio.create_task(awaited.wait())
        await asyncio.sleep(0)
        awaited.fail(LookupError("gone"))
        awaited.settle(7)
        for one in (waiting, awaited.wait()):
            with pytest.raises(LookupError):
                await one

    asyncio.run(scenario())
