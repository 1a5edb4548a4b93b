"""Plans of faults are values: they print as what makes them again, and refuse what cannot be meant."""

import pytest
from hypothesis import given

from amends import Action, DefinitionError, Run, Saga
from amends.testing import (
    Abandon,
    AppendFault,
    Cancel,
    Deadline,
    HandlerFault,
    Plan,
    Scenario,
    Signal,
    Undo,
    simulate,
)
from amends.testing.shape_list import shape
from amends.testing.strategies import fault_plans

NAMES = {kind.__name__: kind for kind in (Abandon, AppendFault, Cancel, Deadline, HandlerFault, Plan, Signal, Undo)}


@given(fault_plans(shape("last-fails").scenario))
def test_a_plan_prints_as_what_makes_it_again(plan: Plan) -> None:
    assert eval(repr(plan), NAMES) == plan


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: AppendFault(0, "crash_after"), "at=0; use a whole number from 1"),
        (lambda: AppendFault(1, "burns"), "'burns' is none of 'fail_before'"),
        (lambda: HandlerFault("a", "raises", kind="redo"), "'redo' is none of 'do', 'undo', 'probe'"),
        (lambda: HandlerFault("a", "raises", entry=0), "entry=0"),
        (lambda: Cancel(True), "after=True"),
        (
            lambda: Plan(AppendFault(1, "crash_after"), AppendFault(1, "crash_before")),
            "an append has one fault at most",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(make: object, complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        make()  # type: ignore[operator]


def test_a_plan_for_a_handler_that_is_not_there_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"no such handler here; there are do of a, undo of a"):
        simulate(shape("one").scenario, Plan(HandlerFault("b", "raises")))


async def nothing(run: Run) -> None:
    """Do nothing."""


async def act() -> None:
    """Do nothing."""


ACTION: Action[None, None] = Action("act", do=act, irreversible=True)


@pytest.mark.parametrize("keyword", ["stand_ins", "errors"])
def test_a_scenario_refuses_what_is_for_no_action_of_it(keyword: str) -> None:
    other: Action[None, None] = Action("other", do=act, irreversible=True)
    given_for_other = [other] if keyword == "stand_ins" else {"other": ValueError()}
    with pytest.raises(DefinitionError, match=f"{keyword}: no action 'other' here; there are act"):
        Scenario(Saga("s", version=1, function=nothing), actions=[ACTION], **{keyword: given_for_other})  # type: ignore[arg-type]
