"""Every example in a docstring does what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.tree import module_name, name, python_files

WITH_EXAMPLES = [path for path in python_files("src") if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=name)
def test_the_examples_in_a_module_hold(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(importlib.import_module(module_name(path)), optionflags=doctest.ELLIPSIS)
    assert results.attempted
    assert results.failed == 0
