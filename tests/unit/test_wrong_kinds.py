"""What is of a wrong kind altogether is refused in words, not by whatever Python stumbles over first."""

import asyncio
from typing import Any

import pytest

from amends import Coordinator, DefinitionError, InvalidName, InvalidValue, Run, action, saga
from amends.saga.ids import checked_deadline, checked_run_id, checked_tags, checked_words
from tests.unit.recorded import ZERO


@action("buy", irreversible=True)
async def buy() -> None: ...


@saga("shop")
async def shop(run: Run) -> None: ...


@pytest.mark.parametrize("decorator", [action, saga])
def test_a_decorator_without_its_name_says_how_it_is_written(decorator: Any) -> None:
    """Else it would be found out much later, and not by its name."""

    async def forgotten() -> None: ...

    with pytest.raises(DefinitionError, match=r"forgotten: write @(action|saga)\(.a-name.\)"):
        decorator(forgotten)


@pytest.mark.parametrize("timeout", ["5", True, float("nan"), 0, -1.0])
def test_a_time_limit_that_is_none_is_refused(timeout: Any) -> None:
    """Seconds above 0, or None."""
    with pytest.raises(DefinitionError, match="give seconds above 0, or None"):
        action("a", timeout=timeout)(shop.function)


def test_an_action_is_no_saga_and_a_saga_no_action() -> None:
    """Starting an action and invoking a saga are slips that everybody makes once."""

    async def scenario() -> None:
        async with Coordinator("memory://", sagas=[shop], actions=[buy]) as coordinator:
            wrong: Any = buy
            with pytest.raises(DefinitionError, match="neither a Saga nor the name of one"):
                await coordinator.start(wrong)
            wrong = shop
            with pytest.raises(DefinitionError, match="neither an Action nor the name of one"):
                await coordinator.invoke(wrong)

    asyncio.run(scenario())


def test_ids_tags_and_words_of_another_type_are_named_as_such() -> None:
    """The rule for strings would be no help."""
    wrong: Any = ["a"]
    with pytest.raises(InvalidName, match="run_id 5: is no string"):
        checked_run_id(5)
    with pytest.raises(InvalidName, match="tags: is a list; use a mapping"):
        checked_tags(wrong)
    wrong = {"a": 1}
    with pytest.raises(InvalidName, match=r"tags\.a: 1 is no string"):
        checked_tags(wrong)
    with pytest.raises(InvalidValue, match="by: is a int; use a string"):
        checked_words("by", 3)


@pytest.mark.parametrize("seconds", [-1, 0, -0.0])
def test_a_deadline_that_is_past_says_what_would_fit(seconds: float) -> None:
    """In one step: it does not send anybody to 0, which does not fit either."""
    with pytest.raises(InvalidValue, match=f"deadline_seconds: is {seconds}; use more than 0, or None"):
        checked_deadline(ZERO, seconds)


@pytest.mark.parametrize(
    ("field", "said"), [("key", "give the signal one"), ("by", "say who"), ("reason", "few words")]
)
def test_what_is_empty_is_told_what_belongs_there(field: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=f"{field}: is empty; .*{said}"):
        checked_words(field, " ")
