"""The pages about pytest are test files: their blocks do not only run, pytest finds tests in them, and they pass."""

import pytest

from tests.docs.pages import read
from tests.tree import ROOT

AT_LEAST = {"test-with-pytest.md": 5, "write-another-log.md": 40}

# The slower half of the contract is passed by our own logs in tests/contract.
CHOSEN = "not large and (not TestCountingLog or another)"


@pytest.mark.parametrize(("page", "at_least"), AT_LEAST.items())
def test_the_tests_on_a_page_pass(page: str, at_least: int, pytester: pytest.Pytester) -> None:
    """As one file, in a project where nothing but amends and pytest is set up."""
    blocks = [block.code for block in read(ROOT / "docs" / "howto" / page).blocks if block.language == "python"]
    pytester.makepyfile(test_page="\n".join(blocks))
    result = pytester.runpytest_subprocess("-W", "error", "--strict-markers", "-p", "no:randomly", "-k", CHOSEN)
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= at_least
    assert "failed" not in outcomes
    assert "errors" not in outcomes
