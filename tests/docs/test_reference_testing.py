"""The reference of the testing kit names every fault, every invariant and everything public."""

import inspect
import re
from dataclasses import fields

import pytest

from amends import testing
from amends.testing import AppendMode, HandlerMode, Kind, Report, Scenario, Simulation, World
from amends.testing import strategies as st
from amends.testing.history_checks import INVARIANTS
from amends.testing.ledger_checks import LEDGER_INVARIANTS
from amends.testing.scenario_checks import SCENARIO_INVARIANTS
from amends.testing.simulation_checks import SIMULATION_INVARIANTS
from tests.tree import ROOT

TEXT = (ROOT / "docs" / "reference-testing.md").read_text(encoding="utf-8")
NAMED = {word for code in re.findall(r"`([^`\n]+)`", TEXT) for word in re.findall(r"\w+", code)}

OF_A_SIMULATION = {
    "liveness",
    "nothing_raises",
    *(holds.__name__ for holds in (*SCENARIO_INVARIANTS, *SIMULATION_INVARIANTS)),
}


def rows() -> dict[str, str]:
    """What the page's tables say about each name that stands alone in a first column."""
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE))


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("amends.testing", set(testing.__all__)),
        ("amends.testing.strategies", set(st.__all__)),
        ("append modes", {word for mode in AppendMode for word in (mode.name, mode.value)}),
        ("handler modes", {word for mode in HandlerMode for word in (mode.name, mode.value)}),
        ("kinds", {word for kind in Kind for word in (kind.name, kind.value)}),
        ("a scenario's arguments", {field.name for field in fields(Scenario) if field.init}),
        ("a simulation", {field.name for field in fields(Simulation)} | public(Simulation)),
        ("a report", public(Report)),
        ("a world", public(World)),
        ("explore", set(inspect.signature(testing.explore).parameters)),
        ("fault_plans", set(inspect.signature(st.fault_plans).parameters)),
        ("faults", {"at", "action", "kind", "entry", "for_good", "after", "order"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_page_names_everything(what: str, names: set[str]) -> None:
    assert sorted(names - NAMED) == []


@pytest.mark.parametrize("holds", [*INVARIANTS, *LEDGER_INVARIANTS], ids=lambda holds: holds.__name__)
def test_an_invariant_has_a_row_with_its_numbers(holds: object) -> None:
    """The numbers are those at the head of the function's docstring."""
    numbers = re.findall(r"I\d+", (inspect.getdoc(holds) or "").partition(":")[0])
    assert numbers
    assert re.findall(r"I\d+", rows()[getattr(holds, "__name__", "")].partition("|")[0]) == numbers


def test_what_a_simulation_looks_at_besides_has_a_row() -> None:
    assert sorted(OF_A_SIMULATION - rows().keys()) == []


def test_every_number_is_checked_or_said_not_to_be() -> None:
    invariants = TEXT.partition("## Invariants")[2]
    assert set(re.findall(r"\bI(\d+)\b", invariants)) == {str(number) for number in range(1, 25)}
