"""The shapes that a saga may have, on every log: what is asked for, in which order, at which paths."""

import asyncio

import pytest

from amends import ActionError, Call, Run, RunStatus, UnknownTask
from amends.saga.events import ActionStarted
from tests.worlds import World, after, boom, paths


def test_a_sequence_does_its_steps_one_after_the_other(log_url: str) -> None:
    """Each step begins when the one before it has succeeded, and gets its output."""
    world = World()
    a, b, c = (world.action(name) for name in "abc")

    async def body(run: Run) -> str:
        first = await run.do(a, "x")
        second = await run.do(b, f"{first}y")
        return await run.do(c, f"{second}z")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPLETED
    assert ran.output == "XYZ"
    assert ran.trail == ["do 1", "done 1", "do 2", "done 2", "do 3", "done 3", "COMPLETED"]
    assert world.inputs == ["x", "Xy", "XYz"]


def test_a_failing_sequence_is_undone_backwards(log_url: str) -> None:
    """`T1 T2 T3` with a failing third step is followed by `C2 C1`."""
    world = World()
    a, b, c = world.action("a"), world.action("b"), world.action("c", do=boom())

    async def body(run: Run) -> None:
        for action in (a, b, c):
            await run.do(action, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.trail[-6:] == ["FAILING", "undo 2", "undone 2", "undo 1", "undone 1", "COMPENSATED"]
    assert world.entered_steps() == ["1", "2", "3", "3", "3"]
    assert world.effects == set()
    assert ran.error is not None
    assert (ran.error.action, ran.error.remaining) == ("c", ())


def test_parallel_steps_are_under_way_at_once(log_url: str) -> None:
    """Neither of two steps ends before the other was entered; results come in the order of the arguments."""
    world, met = World(), asyncio.Barrier(2)
    a = world.action("a", do=lambda call: met.wait())
    b = world.action("b", do=lambda call: met.wait())

    async def body(run: Run) -> list[str]:
        return list(await run.all(run.do(a, "x"), run.do(b, "y")))

    ran = asyncio.run(world.run(log_url, body))
    assert ran.output == ["X", "Y"]
    assert paths(ran.events) == ["1", "2"]


def test_branches_of_several_steps_have_paths_of_their_own(log_url: str) -> None:
    """The third call is a group: `3`, its branches are `3.1` and `3.2`, and their steps `3.1.1`, `3.1.2`, `3.2.1`."""
    world = World()
    a = world.action("a")

    async def branch(run: Run, count: int) -> str:
        return "".join([await run.do(a, str(index)) for index in range(count)])

    async def body(run: Run) -> list[str]:
        await run.do(a, "first")
        await run.do(a, "second")
        results = await run.all(branch(run, 2), branch(run, 1))
        await run.do(a, "last")
        return list(results)

    ran = asyncio.run(world.run(log_url, body))
    assert ran.output == ["01", "0"]
    assert sorted(paths(ran.events)) == ["1", "2", "3.1.1", "3.1.2", "3.2.1", "4"]


def test_groups_may_be_nested(log_url: str) -> None:
    """A branch may be a group itself, and a group within a branch numbers from there."""
    world = World()
    a, last = world.action("a"), world.action("last", do=boom())

    async def inner(run: Run) -> None:
        await run.do(a, "x")
        await run.all(run.do(a, "y"), inner_most(run))

    async def inner_most(run: Run) -> None:
        await run.do(a, "z")

    async def body(run: Run) -> None:
        await run.all(inner(run), run.all(run.do(a, "u"), inner_most(run)), run.do(a, "v"))
        await run.do(last, "w")

    ran = asyncio.run(world.run(log_url, body))
    # The steps that are written out in a group's arguments get their paths first, in the branch that writes them.
    assert sorted(paths(ran.events)) == ["1", "2", "3.1.1", "3.1.2", "3.1.3.2.1", "3.2.1.2.1", "4"]
    assert ran.status is RunStatus.COMPENSATED
    assert world.effects == set()


def test_gather_and_task_groups_work_on_steps(log_url: str) -> None:
    """The path is taken when `run.do` is called, so any task may await the coroutine."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> list[str]:
        first, second = await asyncio.gather(run.do(a, "x"), run.do(a, "y"))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run.do(a, text)) for text in ("p", "q")]
        return [first, second, *(task.result() for task in tasks)]

    ran = asyncio.run(world.run(log_url, body))
    assert ran.output == ["X", "Y", "P", "Q"]
    assert paths(ran.events) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("leader", [1, 2])
def test_paths_do_not_depend_on_what_ends_first(log_url: str, leader: int) -> None:
    """Whichever branch is ahead, its steps have the paths of its place in the code."""
    world, ahead = World(), asyncio.Event()

    async def lead(call: Call) -> None:
        if call.attempt == 1:
            ahead.set()

    slow, fast = world.action("slow", do=after(ahead)), world.action("fast", do=lead)

    async def branch(run: Run, place: int) -> None:
        for _ in range(2):
            await run.do(fast if place == leader else slow, str(place))

    async def body(run: Run) -> None:
        await run.all(branch(run, 1), branch(run, 2))

    ran = asyncio.run(world.run(log_url, body))
    inputs = {event.step: event.input for event in ran.events if isinstance(event, ActionStarted)}
    assert inputs == {"1.1.1": '"1"', "1.1.2": '"1"', "1.2.1": '"2"', "1.2.2": '"2"'}


def test_a_saga_may_catch_a_failed_action_and_go_another_way(log_url: str) -> None:
    """The failed step is no debt: the run completes and nothing is undone."""
    world = World()
    bad, good = world.action("bad", do=boom("out of stock")), world.action("good")

    async def body(run: Run) -> str:
        try:
            return await run.do(bad, "x")
        except ActionError as error:
            caught.append(error)
            return await run.do(good, "y")

    caught: list[ActionError] = []
    ran = asyncio.run(world.run(log_url, body))
    [error] = caught
    assert (error.action, error.step, error.attempts, str(error.outcome)) == ("bad", "1", 3, "failed")
    assert error.error.message == "out of stock"
    assert ran.status is RunStatus.COMPLETED
    assert ran.output == "Y"
    assert world.effects == {("run", "2")}


def test_a_failed_step_that_was_caught_is_not_undone_later(log_url: str) -> None:
    """When the run fails after all, only what succeeded is undone."""
    world = World()
    bad, good = world.action("bad", do=boom()), world.action("good")

    async def body(run: Run) -> None:
        try:
            await run.do(bad, "x")
        except ActionError:
            await run.do(good, "y")
        raise RuntimeError("changed its mind")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.trail[-4:] == ["FAILING", "undo 2", "undone 2", "COMPENSATED"]
    assert world.entered_steps("undo") == ["2"]


def test_a_saga_that_raises_by_itself_is_undone(log_url: str) -> None:
    """The reason is on record, and no action is blamed."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        await run.do(a, "x")
        raise LookupError("no such customer")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.error is not None
    assert ran.error.action is None
    assert "LookupError: no such customer" in ran.error.reason
    assert world.effects == set()


def test_a_saga_that_fails_at_its_first_step_ends_compensated(log_url: str) -> None:
    """There is nothing to undo, and that is no error."""
    world = World()
    a = world.action("a", do=boom())

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.remaining == {}
    assert world.entered_steps("undo") == []


def test_a_saga_without_steps_completes(log_url: str) -> None:
    """Nothing to do is done at once."""

    async def body(run: Run) -> str:
        return run.run_id

    ran = asyncio.run(World().run(log_url, body))
    assert ran.trail == ["COMPLETED"]
    assert ran.output == "run"


def test_an_empty_group_takes_no_path(log_url: str) -> None:
    """`run.all()` of nothing returns nothing."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> object:
        assert await run.all() == ()
        return await run.do(a, "x")

    assert paths(asyncio.run(world.run(log_url, body)).events) == ["1"]


def test_a_step_from_an_unknown_task_is_refused(log_url: str) -> None:
    """Its path would depend on timing, so the error says to use `run.all`."""
    world = World()
    a = world.action("a")

    async def branch(run: Run) -> str:
        return await run.do(a, "x")

    async def body(run: Run) -> None:
        await run.do(a, "first")
        await asyncio.create_task(branch(run))

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.error is not None
    assert UnknownTask.__name__ in ran.error.reason
    assert "run.all(branch(run), ...)" in ran.error.reason
    assert world.effects == set()


def test_a_group_from_an_unknown_task_is_refused(log_url: str) -> None:
    """`run.all` numbers its branches, so it must be called where numbers are certain."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        await asyncio.gather(run.all(run.do(a, "x"), run.do(a, "y")))

    ran = asyncio.run(world.run(log_url, body))
    assert ran.error is not None
    assert UnknownTask.__name__ in ran.error.reason
    assert world.entries == []


@pytest.mark.parametrize("limit", [0, -1])
def test_a_group_needs_a_place(limit: int) -> None:
    """A limit below one would wait for ever, and is refused."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        await run.all(run.do(a, "x"), limit=limit)

    ran = asyncio.run(world.run("memory://", body))
    assert ran.error is not None
    assert f"limit={limit}; use a number from 1, or None" in ran.error.reason
