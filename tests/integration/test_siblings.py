"""What becomes of the other branches when one fails: they end first, and what they did late is undone too."""

import asyncio
from collections.abc import Awaitable, Callable

from amends import ActionError, Call, Run, RunStatus
from amends.saga import events as e
from tests.worlds import ONCE, World, after, boom


def test_nothing_is_undone_before_the_other_branches_have_ended(log_url: str) -> None:
    """The slow sibling ends after the failure; only then the first undo begins."""
    world, failed = World(), asyncio.Event()

    async def fail(call: Call) -> None:
        failed.set()
        raise boom()

    before, bad = world.action("before"), world.action("bad", do=fail)
    slow = world.action("slow", do=after(failed))

    async def body(run: Run) -> None:
        await run.do(before, "x")
        await asyncio.gather(run.do(bad, "y"), run.do(slow, "z"))

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.trail.index("failed 2") < ran.trail.index("done 3") < ran.trail.index("undo 3")
    assert world.effects == set()


def test_a_late_success_is_undone_too(log_url: str) -> None:
    """The sibling succeeds when the saga function has long ended: recorded, then undone."""
    world, saga_ended = World(), asyncio.Event()
    bad, late = world.action("bad", do=boom(), **ONCE), world.action("late", do=after(saga_ended))

    async def body(run: Run) -> None:
        try:
            await asyncio.gather(run.do(bad, "x"), run.do(late, "y"))
        finally:
            asyncio.get_running_loop().call_soon(saga_ended.set)

    ran = asyncio.run(world.run(log_url, body))
    assert ran.trail.index("FAILING") < ran.trail.index("done 2") < ran.trail.index("undo 2")
    assert ran.status is RunStatus.COMPENSATED
    assert world.effects == set()


def test_a_task_group_that_lost_a_branch_does_not_stop_the_attempt(log_url: str) -> None:
    """Its waiter is cancelled; the attempt under way is awaited, recorded, and undone."""
    world, cancelled = World(), asyncio.Event()
    bad, slow = world.action("bad", do=boom(), **ONCE), world.action("slow", do=after(cancelled))

    async def body(run: Run) -> None:
        async with asyncio.TaskGroup() as group:
            waiter = group.create_task(run.do(slow, "y"))
            waiter.add_done_callback(lambda task: cancelled.set() if task.cancelled() else None)
            group.create_task(run.do(bad, "x"))

    ran = asyncio.run(world.run(log_url, body))
    assert cancelled.is_set()
    assert ran.error is not None
    assert ran.error.action == "bad"
    assert "done 1" in ran.trail
    assert ran.trail[-3:] == ["undo 1", "undone 1", "COMPENSATED"]
    assert world.effects == set()


def test_a_saga_that_goes_on_without_a_branch_still_waits_for_its_attempt(log_url: str) -> None:
    """A run has not completed while an attempt is under way that its function has stopped waiting for."""
    world, returned = World(), asyncio.Event()
    slow = world.action("slow", do=after(returned))

    async def body(run: Run) -> str:
        step = asyncio.ensure_future(run.do(slow, "x"))
        await world.entered.wait()
        step.cancel()
        asyncio.get_running_loop().call_soon(returned.set)
        return "went on"

    ran = asyncio.run(world.run(log_url, body))
    assert ran.output == "went on"
    assert ran.trail == ["do 1", "done 1", "COMPLETED"]


def test_a_group_waits_for_all_and_raises_its_first_failure(log_url: str) -> None:
    """First in the order of the arguments, not of time; the others have ended by then."""
    world, second_failed = World(), asyncio.Event()

    async def fail_second(call: Call) -> None:
        second_failed.set()
        raise boom("second")

    async def fail_first(call: Call) -> None:
        await second_failed.wait()
        raise boom("first")

    first, second = world.action("first", do=fail_first, **ONCE), world.action("second", do=fail_second, **ONCE)
    third = world.action("third", do=after(second_failed))

    async def body(run: Run) -> str:
        try:
            await run.all(run.do(first, "x"), run.do(second, "y"), run.do(third, "z"))
        except ActionError as error:
            return error.action
        return "none"

    ran = asyncio.run(world.run(log_url, body))
    assert ran.output == "first"
    assert world.effects == {("run", "3")}


def test_what_waits_for_a_retry_is_settled_by_the_failure(log_url: str) -> None:
    """A sibling between two attempts starts no further one, and is no debt."""
    world, waiting = World(), asyncio.Event()

    async def fail_for_now(call: Call) -> None:
        waiting.set()
        raise boom()

    flaky = world.action("flaky", do=fail_for_now, wait=lambda state: 3600)
    bad = world.action("bad", do=after_then_fail(waiting), **ONCE)

    async def body(run: Run) -> None:
        await asyncio.gather(run.do(flaky, "x"), run.do(bad, "y"))

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert world.entered_steps() == ["1", "2"]
    assert ran.all_of(e.ActionFailed)[0].retry_at is not None


def after_then_fail(event: asyncio.Event) -> Callable[[Call], Awaitable[None]]:
    async def play(call: Call) -> None:
        await event.wait()
        raise boom()

    return play


def test_the_mirror_holds_for_branches(log_url: str) -> None:
    """Each branch is undone backwards, what came before them last, what overlapped side by side."""
    world = World()
    a, bad = world.action("a"), world.action("bad", do=boom())

    async def branch(run: Run) -> None:
        await run.do(a, "x")
        await run.do(a, "y")

    async def body(run: Run) -> None:
        await run.do(a, "first")
        await run.all(branch(run), branch(run))
        await run.do(bad, "last")

    ran = asyncio.run(world.run(log_url, body))
    undone = [word.split()[1] for word in ran.trail if word.startswith("undone")]
    assert undone[-1] == "1"
    for group in ("2.1", "2.2"):
        assert undone.index(f"{group}.2") < undone.index(f"{group}.1")


def test_a_step_that_is_refused_stops_no_other(log_url: str) -> None:
    """Its input cannot be stored; the steps before and behind it are done all the same, and undone when it is told."""
    world, entered = World(), asyncio.Event()
    slow, never, last = world.action("slow", do=after(entered)), world.action("never"), world.action("last")

    async def body(run: Run) -> None:
        asyncio.get_running_loop().call_soon(entered.set)
        await run.all(run.do(slow, "x"), run.do(never, "\ud800"), run.do(last, "z"))

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.error is not None
    assert "step 2 (never)" in ran.error.reason
    assert {"undo 1", "undo 3"} <= set(ran.trail)
    assert ran.trail.index("done 3") < ran.trail.index("FAILING")
    assert world.effects == set()


def test_a_group_takes_a_step_once(log_url: str) -> None:
    """One coroutine cannot be awaited twice; the step that it is was begun, and is undone."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> None:
        step = run.do(a, "x")
        await run.all(step, step)

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.error is not None
    assert "RuntimeError" in ran.error.reason
    assert world.effects == set()
