"""The engine's own machine: shapes of sagas that share workers, and whatever can be done to them in any order.

30 examples of each machine in a session, 1,000 with `AMENDS_CAMPAIGN=1`.
"""

import asyncio
import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from pydantic import BaseModel

from amends import DefinitionError, InvariantBroken, Run, action, saga
from amends.testing import Scenario, World
from amends.testing.machine import SagaMachine
from amends.testing.shape_list import shape
from tests.reporting import counted

CAMPAIGN = bool(os.environ.get("AMENDS_CAMPAIGN"))

SETTINGS = settings(
    max_examples=1_000 if CAMPAIGN else 30,
    stateful_step_count=40 if CAMPAIGN else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def several(*names: str) -> tuple[Scenario, ...]:
    return tuple(shape(name).among_others for name in names)


class _Counted(SagaMachine):
    def teardown(self) -> None:
        super().teardown()
        counted["machine examples"] += 1
        counted["runs in machine examples"] += len(self.cluster.runs)


class Plain(_Counted):
    """What goes well, fails, runs abreast, parks, and cannot be undone."""

    scenarios = several("three", "last-fails", "one-of-three-fails", "parks-and-is-retried", "undo-is-waived")


class Odd(_Counted):
    """What ends late, hangs, is probed, and is undone beside others."""

    scenarios = several("branch-fails", "late", "undo-fails-beside", "plain-late", "probed", "gather-fails")


class Waiting(_Counted):
    """What sleeps, hears signals, in time and too late, and passes its point of no return."""

    scenarios = several(
        "sleeps-and-is-let-go-of",
        "hears-twice",
        "hears-a-little-too-late",
        "two-hear-one-name",
        "sleeps-beside-one-that-fails",
        "hears-past-its-commit",
        "fails-past-its-commit-and-is-retried",
    )


class Limited(_Counted):
    """What waits for permits that all runs of all workers share."""

    lease_seconds = 2.0
    max_runs = 3
    scenarios = several(
        "permits-one-by-one",
        "permits-dropped-when-it-fails",
        "permits-two-by-two",
        "permits-late",
        "permits-probed",
        "rated",
        "rated-undone",
    )


TestPlain = Plain.TestCase
TestPlain.settings = SETTINGS
TestOdd = Odd.TestCase
TestOdd.settings = SETTINGS
TestLimited = Limited.TestCase
TestLimited.settings = SETTINGS
TestWaiting = Waiting.TestCase
TestWaiting.settings = SETTINGS


# What it finds in a saga that is wrong

world = World()


class Letter(BaseModel):
    """An input."""

    to: str


@action("machine.post-letter", irreversible=True)
async def post_letter(letter: Letter) -> str:
    world.do("letter", letter.to)  # Without a key: posted again, it is there twice.
    await asyncio.sleep(0.5)
    return letter.to


@saga("machine.write", version=1)
async def write(run: Run, letter: Letter) -> str:
    return await run.do(post_letter, letter)


class Letters(SagaMachine):
    scenarios = (Scenario(write, Letter(to="ada"), actions=[post_letter], world=world, lease_seconds=2.0),)

    def value_of(self, scenario: Scenario, run_id: str) -> Letter:
        return Letter(to=run_id)


def test_a_handler_that_does_it_twice_is_found_and_told_as_a_story() -> None:
    """It takes a worker that dies after the letter was posted and before that is recorded, and another one."""
    unshrunk = settings(SETTINGS, max_examples=1_000, database=None, derandomize=True, phases=[Phase.generate])
    with pytest.raises(
        InvariantBroken, match=r"effects_fit_the_end: letter machine\.write-\d is there (twice|\d times)"
    ) as raised:
        run_state_machine_as_test(Letters, settings=unshrunk)
    assert "post-letter (1) begins, attempt 2" in raised.value.story


def test_a_machine_without_scenarios_says_so() -> None:
    with pytest.raises(DefinitionError, match="set `scenarios`"):
        SagaMachine()
