"""A user's saga in the simulator: real handlers, a world of effects, each kind of fault, and what is found."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tenacity import retry_if_exception_type, stop_after_attempt, wait_none

from amends import (
    Action,
    Call,
    DefinitionError,
    InvalidValue,
    InvariantBroken,
    OutcomeUnknown,
    Run,
    RunStatus,
    Saga,
    SimulatedFailure,
    action,
    saga,
)
from amends.saga import events as e
from amends.testing import (
    AppendFault,
    Cancel,
    HandlerFault,
    Plan,
    Scenario,
    Simulation,
    World,
    explore,
    simulate,
    spend,
)
from amends.testing.plays import Play, Step
from amends.testing.shapes import Shape, par

world = World()


@action("book", timeout=5.0, wait=wait_none())
async def book(guest: str) -> str:
    await asyncio.sleep(1)
    world.put("room", guest)
    return f"room of {guest}"


@book.undo(wait=wait_none(), stop=stop_after_attempt(3))
async def unbook(guest: str, room: str | None) -> None:
    world.discard("room", guest)


@action("charge", timeout=5.0, wait=wait_none())
def charge(guest: str, call: Call) -> None:
    spend(2)
    world.do("charge", guest, key=call.idempotency_key)


@charge.undo(wait=wait_none(), timeout=5.0)
def refund(guest: str, _: None, call: Call) -> None:
    if world.has("charge", guest):
        world.undo("charge", guest)


@saga("stay")
async def stay(run: Run, guest: str) -> str:
    room, _ = await run.all(run.do(book, guest), run.do(charge, guest))
    return room


STAY = Scenario(stay, "Ada", actions=[book, charge], world=world)


def scenario(made: Any, **keywords: Any) -> Scenario:
    """Return a scenario of one action and then one that may fail."""

    async def last() -> None:
        """Do nothing."""

    after: Action[None, None] = Action("last", do=last, irreversible=True, stop=stop_after_attempt(1))

    async def function(run: Run) -> None:
        await run.do(made)
        await run.do(after)

    return Scenario(Saga("s", version=1, function=function), actions=[made, after], world=world, **keywords)


FAILS = HandlerFault("last", "raises", for_good=True)


def test_a_run_takes_virtual_time_only() -> None:
    done = simulate(STAY).check()
    assert (done.status, done.output, done.seconds) == (RunStatus.COMPLETED, "room of Ada", 2.0)
    assert world.standing() == {("room", "Ada"): 1, ("charge", "Ada"): 1}


def test_two_faults_leave_nothing_half_done() -> None:
    report = explore(STAY, 2).check()
    assert report.schedules > 1_000
    assert report.crashes > 100
    assert report.pauses > 100
    assert report.handler_faults > 100
    assert report.cancels > 10


@pytest.mark.parametrize(
    ("mode", "status", "kinds"),
    [
        ("raises", RunStatus.COMPENSATED, [e.ActionFailed] * 3),
        ("vanishes", RunStatus.COMPENSATED, [e.ActionUnknown] * 3),
        ("loses_reply", RunStatus.COMPENSATED, [e.ActionUnknown] * 3),
        ("hangs", RunStatus.COMPENSATED, [e.ActionUnknown] * 3),
        ("lands_and_hangs", RunStatus.COMPENSATED, [e.ActionUnknown] * 3),
    ],
)
@pytest.mark.parametrize("name", ["book", "charge"])
def test_each_fault_of_a_handler_is_what_it_says(name: str, mode: str, status: RunStatus, kinds: list[type]) -> None:
    done = simulate(STAY, Plan(HandlerFault(name, mode, for_good=True))).check()
    ends = [type(event) for event in done.events if isinstance(event, e.ActionFailed | e.ActionUnknown)]
    assert (done.status, ends) == (status, kinds)
    assert world.standing() == {}


def test_a_handler_that_lands_and_raises_is_found_out() -> None:
    done = simulate(STAY, Plan(HandlerFault("book", "lands_and_raises", for_good=True)))
    assert "room Ada is there once, but step 1 (book) failed" in done.story()


def test_an_undo_that_cannot_bear_none_is_found() -> None:
    @action("a")
    async def a() -> str:
        return "x"

    @a.undo
    async def undo(output: str | None) -> None:
        assert output is not None

    with pytest.raises(InvariantBroken, match=r"undos_work: the undo of step 1 \(a\) fails by itself"):
        simulate(scenario(a), Plan(HandlerFault("a", "vanishes", for_good=True))).check()


def test_an_undo_that_is_not_idempotent_is_found() -> None:
    @action("a")
    async def a() -> None:
        world.do("a", key="a")

    @a.undo
    async def undo(_: None) -> None:
        world.undo("a")

    with pytest.raises(InvariantBroken, match=r"a is there -1 times, but step 1 \(a\) was undone"):
        simulate(scenario(a), Plan(FAILS, HandlerFault("a", "loses_reply", kind="undo"))).check()


def test_an_action_that_is_not_idempotent_is_found() -> None:
    @action("a", irreversible=True)
    async def a() -> None:
        world.do("a")

    with pytest.raises(InvariantBroken, match=r"a is there twice, but step 1 \(a\) succeeded"):
        simulate(scenario(a), Plan(AppendFault(2, "crash_before"))).check()


def test_an_undo_that_does_nothing_is_found() -> None:
    @action("a")
    async def a() -> None:
        world.put("a")

    @a.undo
    async def undo(_: None) -> None:
        """Forget to."""

    with pytest.raises(InvariantBroken, match=r"a is there once, but step 1 \(a\) was undone"):
        simulate(scenario(a), Plan(FAILS)).check()


def test_what_a_person_waives_may_stand() -> None:
    @action("a")
    async def a() -> None:
        world.put("a")

    @a.undo(stop=stop_after_attempt(1))
    async def undo(_: None) -> None:
        raise ValueError("no")

    broken = HandlerFault("a", "raises", kind="undo", for_good=True)
    done = simulate(scenario(a, when_parked=("waive 1",)), Plan(FAILS, broken)).check()
    assert done.status is RunStatus.PARTIALLY_COMPENSATED
    assert [item.step for item in done.remaining] == ["1"]


def test_a_policy_sees_the_error_of_the_scenario() -> None:
    @action("a", irreversible=True, wait=wait_none(), retry=retry_if_exception_type(ConnectionError))
    async def a() -> None:
        """Do nothing."""

    plan = Plan(HandlerFault("a", "raises"))
    assert simulate(scenario(a), plan).status is RunStatus.COMPENSATED
    assert simulate(scenario(a, errors={"a": ConnectionError("away")}), plan).status is RunStatus.COMPLETED


def test_a_stand_in_is_entered_in_the_place_of_the_real_handler() -> None:
    @action("a", irreversible=True)
    def a() -> None:
        raise AssertionError("the real one would call the network")

    entered: list[str] = []

    async def fake(call: Call) -> None:
        entered.append(call.step)

    simulate(scenario(a, stand_ins=[Action("a", do=fake, irreversible=True)])).check()
    assert entered == ["1"]


def test_a_cancel_may_come_at_any_append() -> None:
    ends = {at: simulate(STAY, Plan(Cancel(at))).check().status for at in range(1, 4)}
    assert ends == {1: RunStatus.COMPENSATED, 2: RunStatus.COMPENSATED, 3: RunStatus.COMPLETED}


def test_a_property_of_the_users_own_is_held() -> None:
    def completes(simulation: Simulation) -> None:
        assert simulation.status is RunStatus.COMPLETED, "it does not complete"

    own = Scenario(stay, "Ada", actions=[book, charge], world=world, holds=completes)
    assert simulate(own).violations == ()
    with pytest.raises(InvariantBroken, match="holds: completes: it does not complete"):
        simulate(own, Plan(HandlerFault("book", "raises", for_good=True))).check()


def test_the_order_of_completion_is_the_plans() -> None:
    @action("a", irreversible=True, timeout=5.0)
    async def a(mark: str) -> str:
        return mark

    @saga("three")
    async def three(run: Run) -> None:
        await run.all(*(run.do(a, mark) for mark in "abc"))

    def order(number: int) -> tuple[str, ...]:
        done = simulate(Scenario(three, actions=[a]), Plan(order=number)).check()
        return tuple(event.output for event in done.events if isinstance(event, e.ActionSucceeded))

    assert order(0) == ('"a"', '"b"', '"c"')
    assert order(5) == order(5)
    assert len({order(number) for number in range(30)}) == 6


def test_random_numbers_go_on_as_if_nothing_had_been() -> None:
    import random

    random.seed(7)
    expected = [random.random() for _ in range(2)]
    random.seed(7)
    first = random.random()
    simulate(STAY, Plan(HandlerFault("book", "raises")))
    assert [first, random.random()] == expected


def test_a_handler_that_waits_for_the_outside_is_told_so() -> None:
    @action("a", irreversible=True, timeout=None)
    async def a() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(InvariantBroken, match="liveness"):
        simulate(scenario(a, limit_seconds=100)).check()


def test_a_story_says_when_the_process_died_and_how_to_see_it_again() -> None:
    story = simulate(STAY, Plan(AppendFault(2, "crash_before"))).story()
    assert "the process died after book had landed and before that was recorded" in story
    assert story.splitlines()[-1] == "  again:  simulate(scenario, Plan(AppendFault(2, 'crash_before')))"


def test_an_injected_failure_is_told_from_others() -> None:
    done = simulate(STAY, Plan(HandlerFault("book", "raises"), HandlerFault("charge", "vanishes")))
    errors = {event.error.type.rpartition(".")[2] for event in done.events if isinstance(event, e.ActionFailed)}
    unknown = {event.error.type.rpartition(".")[2] for event in done.events if isinstance(event, e.ActionUnknown)}
    assert (errors, unknown) == ({SimulatedFailure.__name__}, {OutcomeUnknown.__name__})


# What would let a test pass that proves nothing


def test_a_saga_that_never_gets_anywhere_does_not_pass_for_one_that_cleans_up() -> None:
    @action("a", irreversible=True)
    async def a() -> None:
        raise ValueError("wrong from the start")

    with pytest.raises(InvariantBroken, match="without any fault, the run is compensated and not completed"):
        simulate(scenario(a)).check()
    assert simulate(scenario(a, ends=RunStatus.COMPENSATED)).violations == ()


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda: asyncio.to_thread(print), "a thread"),
        (lambda: asyncio.open_connection("localhost", 1), "a connection"),
        (lambda: asyncio.create_subprocess_exec("true"), "another process"),
    ],
)
def test_a_handler_that_asks_the_world_outside_is_told_so(ask: Any, what: str) -> None:
    @action("a", irreversible=True)
    async def a() -> None:
        await ask()

    with pytest.raises(InvariantBroken, match=f"nothing_from_outside: {what}: there is none in a simulation"):
        simulate(scenario(a)).check()


def test_a_saga_that_asks_for_other_steps_the_next_time_is_found() -> None:
    calls: list[None] = []

    @action("a", irreversible=True)
    async def a(number: int) -> None:
        """Do nothing."""

    @saga("forgetful")
    async def forgetful(run: Run) -> None:
        calls.append(None)
        await run.do(a, len(calls))

    with pytest.raises(InvariantBroken, match="replays_ask_the_same"):
        explore(Scenario(forgetful, actions=[a]), 1).check()


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"when_parked": "retyr"}, "when_parked=.*'retyr'"),
        ({"errors": {"book": "boom"}}, "errors: 'boom', for book, is no exception"),
    ],
)
def test_a_keyword_that_does_not_fit_is_refused(keywords: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        Scenario(stay, "Ada", actions=[book, charge], **keywords)


def test_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidValue, match="input"):
        Scenario(stay, 5, actions=[book, charge])


def test_what_cannot_be_explored_is_refused() -> None:
    with pytest.raises(DefinitionError, match="faults=3; use 0, 1 or 2"):
        explore(STAY, 3)
    with pytest.raises(DefinitionError, match="modes: 'burns' is none of fail_before"):
        explore(STAY, 1, modes=["burns"])
    assert explore(STAY, 1, modes=["raises"]).handler_faults == 4


def test_a_simulation_inside_an_event_loop_is_refused() -> None:
    async def inside() -> None:
        simulate(STAY)

    with pytest.raises(DefinitionError, match="call it from a plain function"):
        asyncio.run(inside())


@pytest.mark.parametrize(
    ("own", "what"),
    [(lambda _: False, "<lambda> returned False"), (lambda ran: vars(ran)["x"], "<lambda> raised KeyError: 'x'")],
)
def test_a_property_that_returns_false_or_raises_is_a_breach(own: Any, what: str) -> None:
    assert [v.what for v in simulate(replace(STAY, holds=own)).violations] == [what]


def test_a_class_of_error_is_raised_as_an_error() -> None:
    errors = {"book": ConnectionError}
    done = simulate(replace(STAY, errors=errors), Plan(HandlerFault("book", "raises"))).check()
    assert [event.error.type for event in done.events if isinstance(event, e.ActionFailed)] == ["ConnectionError"]


def test_attempts_that_are_all_alike_are_told_once() -> None:
    @action("a")
    async def a() -> None:
        """Do nothing."""

    @a.undo(wait=wait_none(), stop=stop_after_attempt(50))
    async def undo(_: None) -> None:
        """Do nothing."""

    broken = HandlerFault("a", "raises", kind="undo", for_good=True)
    done = simulate(scenario(a), Plan(FAILS, broken))
    assert sum(isinstance(event, e.CompensationFailed) for event in done.events) == 50
    assert len(done.story().splitlines()) < 35
    assert "times more the same, until" in done.story()


def test_a_stopped_worker_that_waits_for_a_straggler_enters_nothing_when_it_wakes_up() -> None:
    """Whether it still has the run is asked last of all, after the wait."""
    late = Step("late", undo=Play.LATE, undo_attempts=1, wait_seconds=0.0)
    shape = Shape("s", par(late, Step("fails", do=Play.RAISES, attempts=1)), orders=("retry",), settle_seconds=30.0)
    for at in range(1, 12):
        simulate(shape.scenario, Plan(AppendFault(at, "pause_after"))).check()
