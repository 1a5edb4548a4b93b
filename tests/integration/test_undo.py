"""Undos that fail once, that fail for good, that hang; what remains, and what a person may say then."""

import asyncio

import pytest
from tenacity import stop_after_attempt

from amends import ActionError, Call, InvalidName, OutcomeUnknown, Run, RunStatus, UnknownName
from amends.saga import events as e
from tests.worlds import Ran, Script, World, a_saga, boom


def test_an_undo_that_fails_once_is_tried_again(log_url: str) -> None:
    """The next undo begins only when this one is through, and it is recorded once."""
    world = World()
    a, b, bad = world.action("a"), world.action("b", undo=[boom()]), world.action("bad", do=boom())

    async def body(run: Run) -> None:
        for action in (a, b, bad):
            await run.do(action, "x")

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert ran.trail[-8:] == [
        "FAILING",
        "undo 2",
        "undo-failed 2",
        "undo 2",
        "undone 2",
        "undo 1",
        "undone 1",
        "COMPENSATED",
    ]


def test_an_undo_has_a_budget_of_its_own(log_url: str) -> None:
    """What the forward attempts used up is not missing when it comes to undoing."""
    world = World()
    a = world.action(
        "a", do=[boom()] * 4, undo=[boom()] * 6, stop=stop_after_attempt(5), undo_stop=stop_after_attempt(7)
    )

    async def body(run: Run) -> None:
        await run.do(a, "x")
        raise RuntimeError

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.COMPENSATED
    assert world.entered_steps() == ["1"] * 5
    assert [entry.attempt for entry in world.entries if entry.kind == "undo"] == [1, 2, 3, 4, 5, 6, 7]


async def _park(world: World, log_url: str, undo: Script) -> Ran:
    """Three steps; the undo of the second fails as `undo` says."""
    first, stuck, last = world.action("first"), world.action("stuck", undo=undo), world.action("last")

    async def body(run: Run) -> None:
        for action in (first, stuck, last):
            await run.do(action, "x")
        raise RuntimeError("off")

    saga = a_saga(body)
    async with world.coordinator(log_url, saga) as coordinator:
        handle = await coordinator.start(saga, run_id="run")
        ran = await world.rest(handle)
        assert ran.status is RunStatus.PARKED
        return ran


def test_an_undo_that_fails_for_good_parks_the_run(log_url: str) -> None:
    """What need not wait for it is undone first; the run names the step and what remains."""
    world = World()
    ran = asyncio.run(_park(world, log_url, boom("no such account")))
    assert ran.trail[-1] == "PARKED"
    assert "undone 3" in ran.trail
    assert "undo 1" not in ran.trail
    assert ran.remaining == {"1": "held_back", "2": "undo_failed"}
    assert ran.error is not None
    assert "stuck (step 2): no such account" in ran.error.reason
    assert world.entered_steps("undo") == ["3", "2", "2", "2"]


def test_a_failed_undo_does_not_hold_back_its_siblings(log_url: str) -> None:
    """Of two steps that overlapped, the other is undone; the one before both waits."""
    world = World()
    first, good = world.action("first"), world.action("good")
    stuck = world.action("stuck", undo=boom())

    async def body(run: Run) -> None:
        await run.do(first, "x")
        await run.all(run.do(stuck, "y"), run.do(good, "z"))
        raise RuntimeError

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.PARKED
    assert "undone 3" in ran.trail
    assert ran.remaining == {"1": "held_back", "2": "undo_failed"}


class Stuck:
    """A saga of three steps, of which the second cannot be undone until `mended`."""

    def __init__(self) -> None:
        self.world = World()
        self.mended = False
        self.first = self.world.action("first")
        self.stuck = self.world.action("stuck", undo=self._undo)
        self.last = self.world.action("last")
        self.saga = a_saga(self._body)

    async def _undo(self, call: Call) -> None:
        if not self.mended:
            raise boom("not yet")

    async def _body(self, run: Run) -> None:
        for action in (self.first, self.stuck, self.last):
            await run.do(action, "x")
        raise RuntimeError("off")


def test_a_retry_lets_a_parked_run_finish(log_url: str) -> None:
    """The failed undo gets its budget anew, then the unwinding goes on; who said so is on record."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator(log_url, stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="run")
            await stuck.world.rest(handle)
            await handle.retry(by="ada", reason="perhaps now")
            still = await stuck.world.rest(handle)
            assert still.status is RunStatus.PARKED
            stuck.mended = True
            await handle.retry(by="ada", reason="the account is back")
            ran = await stuck.world.rest(handle)
            assert ran.status is RunStatus.COMPENSATED
            assert ran.trail[-6:] == ["RESUMED", "undo 2", "undone 2", "undo 1", "undone 1", "COMPENSATED"]
            assert [event.reason for event in ran.all_of(e.RunResumed)] == ["perhaps now", "the account is back"]

    asyncio.run(scenario())
    assert stuck.world.effects == set()
    assert stuck.world.entered_steps("undo") == ["3", *["2"] * 7, "1"]


def test_a_waiver_lets_a_parked_run_finish_partially(log_url: str) -> None:
    """The step stands, with a name and a reason; the rest is undone; nobody calls that compensated."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator(log_url, stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="run")
            await stuck.world.rest(handle)
            await handle.waive("2", by="ada", reason="refunded by hand")
            ran = await stuck.world.rest(handle)
            assert ran.status is RunStatus.PARTIALLY_COMPENSATED
            assert ran.remaining == {"2": "waived"}
            [waived] = ran.all_of(e.CompensationWaived)
            assert (waived.by, waived.reason) == ("ada", "refunded by hand")

    asyncio.run(scenario())
    assert stuck.world.effects == {("run", "2")}


def test_commands_that_do_not_fit_change_nothing(log_url: str) -> None:
    """A waiver of a step whose undo has not failed, a retry of a run that is not parked, anything after the end."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator(log_url, stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="run")
            parked = await stuck.world.rest(handle)
            for step in ("1", "3"):
                assert await handle.waive(step, by="ada", reason="?") is RunStatus.PARKED
            with pytest.raises(UnknownName, match="no step '9'"):
                await handle.waive("9", by="ada", reason="a slip of the pen")
            for odd in (2, "two", ""):
                with pytest.raises(InvalidName, match="use a step's path as a string"):
                    await handle.waive(odd, by="ada", reason="?")  # type: ignore[arg-type]
            assert await handle.cancel(by="ada", reason="?") is RunStatus.PARKED
            assert (await stuck.world.rest(handle)).events == parked.events
            await handle.waive("2", by="ada", reason="by hand")
            ended = await stuck.world.rest(handle)
            for command in (handle.retry, handle.cancel):
                assert await command(by="ada", reason="?") is RunStatus.PARTIALLY_COMPENSATED
            assert await handle.waive("2", by="ada", reason="?") is RunStatus.PARTIALLY_COMPENSATED
            assert await handle.history() == ended.events

    asyncio.run(scenario())


def test_a_parked_run_can_be_finished_by_another_process(shared_log_url: str) -> None:
    """The command claims the run: the next epoch, another worker; the handlers run there."""
    stuck = Stuck()

    async def scenario() -> None:
        async with stuck.world.coordinator(shared_log_url, stuck.saga) as first:
            await stuck.world.rest(await first.start(stuck.saga, run_id="run"))
        stuck.mended = True
        async with stuck.world.coordinator(shared_log_url, stuck.saga) as second:
            handle = second.handle("run")
            await handle.retry(by="ada", reason="mended")
            ran = await stuck.world.rest(handle)
        assert ran.status is RunStatus.COMPENSATED
        claims = ran.all_of(e.RunClaimed)
        assert [claim.epoch for claim in claims] == [1, 2]
        assert claims[0].worker != claims[1].worker

    asyncio.run(scenario())
    assert stuck.world.effects == set()


def test_an_undo_that_hangs_is_given_up(log_url: str) -> None:
    """Each attempt ends at its timeout; when the budget is used up, the run parks."""
    world = World()

    async def hang(call: Call) -> None:
        await asyncio.Event().wait()

    a = world.action("a", undo=hang, undo_timeout=0.01, undo_stop=stop_after_attempt(2))

    async def body(run: Run) -> None:
        await run.do(a, "x")
        raise RuntimeError

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.PARKED
    failures = ran.all_of(e.CompensationFailed)
    assert [failure.error.type for failure in failures] == ["TimeoutError", "TimeoutError"]
    assert ran.remaining == {"1": "undo_failed"}


def test_an_irreversible_step_stands(log_url: str) -> None:
    """The run ends partially compensated and says what stands; the others are undone."""
    world = World()
    first, mail, last = world.action("first"), world.action("mail", irreversible=True), world.action("last")

    async def body(run: Run) -> None:
        for action in (first, mail, last):
            await run.do(action, "x")
        raise RuntimeError

    ran = asyncio.run(world.run(log_url, body))
    assert ran.status is RunStatus.PARTIALLY_COMPENSATED
    assert ran.remaining == {"2": "irreversible"}
    assert ran.trail[-5:] == ["undo 3", "undone 3", "undo 1", "undone 1", "COMPENSATED"]
    assert world.effects == {("run", "2")}


def test_an_irreversible_step_that_failed_does_not_stand(log_url: str) -> None:
    """What never landed is no reason to call the run partially compensated."""
    world = World()
    mail = world.action("mail", do=boom(), irreversible=True)

    async def body(run: Run) -> None:
        await run.do(mail, "x")

    assert asyncio.run(world.run(log_url, body)).status is RunStatus.COMPENSATED


def test_an_undo_gets_the_recorded_input_and_output(log_url: str) -> None:
    """They come from the log, by step; its key is another than the step's, and the same for each attempt."""
    world = World()
    a = world.action("a", undo=[boom()])

    async def body(run: Run) -> None:
        await run.do(a, "one")
        await run.do(a, "two")
        raise RuntimeError

    asyncio.run(world.run(log_url, body))
    assert world.outcomes == [("2", "TWO", "succeeded")] * 2 + [("1", "ONE", "succeeded")] * 2
    keys = {(entry.kind, entry.step): entry.key for entry in world.entries}
    assert len(set(keys.values())) == 4
    assert all(keys[entry.kind, entry.step] == entry.key for entry in world.entries)


def test_a_step_that_was_unknown_once_is_undone_although_its_last_attempt_failed(log_url: str) -> None:
    """A later failure does not say what became of the attempt that nobody knows about."""
    world = World()

    async def lose_reply(call: Call) -> None:
        world.effects.add((call.run_id, call.step))
        raise OutcomeUnknown("the reply was lost")

    a = world.action("a", do=[lose_reply, boom(), boom()])
    caught: list[ActionError] = []

    async def body(run: Run) -> None:
        try:
            await run.do(a, "x")
        except ActionError as error:
            caught.append(error)
            raise

    ran = asyncio.run(world.run(log_url, body))
    assert [str(error.outcome) for error in caught] == ["unknown"]
    assert ran.status is RunStatus.COMPENSATED
    assert world.outcomes == [("1", None, "unknown")]
    assert world.effects == set()


def test_a_run_that_is_not_there_takes_no_command(log_url: str) -> None:
    """Asking about it names the run."""
    world = World()

    async def scenario() -> None:
        async with world.coordinator(log_url) as coordinator:
            handle = coordinator.handle("nobody")
            for ask in (handle.result, handle.status, handle.history):
                with pytest.raises(UnknownName, match="no run 'nobody'"):
                    await ask()
            with pytest.raises(UnknownName, match="no run 'nobody'"):
                await handle.cancel(by="ada", reason="?")

    asyncio.run(scenario())


def test_a_run_that_another_process_hosts_is_cancelled_from_anywhere(shared_log_url: str) -> None:
    """Its owner finds the command behind its own events, lets the attempt under way end, and undoes it."""
    world, go_on = World(), asyncio.Event()

    async def wait(call: Call) -> None:
        await go_on.wait()

    a = world.action("a", do=wait)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(shared_log_url, saga) as host, world.coordinator(shared_log_url, saga) as other:
            handle = await host.start(saga, run_id="run")
            await world.entered.wait()
            assert await other.handle("run").cancel(by="ada", reason="?") is RunStatus.UNWINDING
            go_on.set()
            assert (await world.rest(handle)).status is RunStatus.COMPENSATED
        assert world.effects == set()

    asyncio.run(scenario())
