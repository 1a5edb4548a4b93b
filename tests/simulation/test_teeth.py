"""The testing kit bites: a handful of planted bugs, and that all of them can still be planted and are on the page."""

import pytest

from amends.testing import explore
from amends.testing.history_checks import INVARIANTS
from amends.testing.ledger_checks import LEDGER_INVARIANTS
from amends.testing.scenario_checks import SCENARIO_INVARIANTS, nothing_from_outside
from amends.testing.simulation_checks import SIMULATION_INVARIANTS
from tests.teeth.planted import GAPS, TEETH
from tests.teeth.planting import Verdict, plant
from tests.teeth.scenarios import SCENARIOS, wrong
from tests.teeth.tooth import Tooth
from tests.tree import ROOT, SRC

HANDFUL = (
    "a cancel forgets what is under way",
    "a conflict is taken for success",
    "a handler is entered before that is durable",
    "an undo that hangs is taken for done",
    "steps are undone in no order",
    "what a probe found is ignored",
    "a log without transactions is found out at the first attempt",
)
PAGE = (ROOT / "docs" / "teeth.md").read_text(encoding="utf-8")

BY_THE_LOOP = ("liveness", "nothing_raises")
"""What a simulation says of itself."""


@pytest.mark.parametrize("tooth", [tooth for tooth in TEETH if tooth.name in HANDFUL], ids=lambda tooth: tooth.name)
def test_a_planted_bug_is_caught(tooth: Tooth) -> None:
    bite = plant(tooth)
    assert bite.verdict is Verdict.CAUGHT, str(bite)


@pytest.mark.parametrize("tooth", [*TEETH, *GAPS], ids=lambda tooth: tooth.name)
def test_a_bug_can_be_planted(tooth: Tooth) -> None:
    """The source has moved on where this fails: mend the old text of the patch, or take the bug out."""
    for patch in tooth.patches:
        assert (SRC / patch.file).read_text(encoding="utf-8").count(patch.old) == 1, f"{patch.file}: {patch.old!r}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_without_a_bug_all_is_well(name: str) -> None:
    """Beside the shapes, which have tests of their own."""
    for finding in wrong(explore(SCENARIOS[name], 1, commands=True).findings):
        finding.check()


def test_names_are_unique() -> None:
    names = [tooth.name for tooth in (*TEETH, *GAPS)]
    assert len(set(names)) == len(names)
    assert set(HANDFUL) <= set(names)


def test_the_page_names_every_bug() -> None:
    """`make teeth ARGS="--table docs/teeth.md"` writes it."""
    assert f"\n{len(TEETH)} bugs.\n" in PAGE
    assert [tooth.name for tooth in TEETH if f"| {tooth.name} |" not in PAGE] == []
    assert [gap.name for gap in GAPS if f"- {gap.name}: {gap.gap}" not in PAGE] == []


def test_every_invariant_catches_a_bug() -> None:
    """But the one that is about the handlers of a user, and not about the engine."""
    invariants = {*INVARIANTS, *LEDGER_INVARIANTS, *SCENARIO_INVARIANTS, *SIMULATION_INVARIANTS} - {
        nothing_from_outside
    }
    names = [holds.__name__ for holds in invariants]
    assert [name for name in (*names, *BY_THE_LOOP) if f"| {name} |" not in PAGE] == []
