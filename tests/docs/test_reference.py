"""The reference names everything that is public, and the tree of errors is drawn as it is."""

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType

import pytest

import amends
from amends import errors, projections, telemetry
from amends.console import web
from tests.docs import http_reference
from tests.docs.pages import read
from tests.tree import ROOT, module_name, python_files

ERROR_CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


def names_in_the_reference() -> set[str]:
    """Every name that stands in the reference as code."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    return {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", code)}


def drawn_tree() -> str:
    """The tree in the docstring of errors.py, without its fence."""
    fence = re.search(r"^```\w*\n(.*?)^```$", inspect.getdoc(errors) or "", re.DOTALL | re.MULTILINE)
    assert fence is not None
    return fence[1]


def drawn_parents(tree: str) -> Iterator[tuple[str, str | None]]:
    """Each name in a drawing with the name above it; a level is four columns wide."""
    above: list[str] = []
    for line in tree.splitlines():
        match = re.match(r"(?P<branches>[│├└─ ]*)(?P<name>\w+)", line)
        assert match is not None, line
        level, rest = divmod(len(match["branches"]), 4)
        assert rest == 0, line
        above[level:] = [match["name"]]
        yield match["name"], above[level - 1] if level else None


def every_error() -> set[type[errors.AmendsError]]:
    """Every public error class of every module of amends."""
    for path in python_files("src"):
        if path.name != "__main__.py":
            importlib.import_module(module_name(path))
    found: set[type[errors.AmendsError]] = {errors.AmendsError}
    waiting = [errors.AmendsError]
    while waiting:
        below = set(waiting.pop().__subclasses__()) - found
        found |= below
        waiting += below
    return {kind for kind in found if kind.__module__.startswith("amends.") and not kind.__name__.startswith("_")}


def test_the_reference_names_everything_public() -> None:
    assert (
        sorted({*amends.__all__, *projections.__all__, *telemetry.__all__, *web.__all__} - names_in_the_reference())
        == []
    )


def test_the_reference_of_the_http_api_is_made_of_the_code() -> None:
    assert http_reference.PAGE.read_text(encoding="utf-8") == http_reference.page(), (
        "python -m tests.docs.http_reference writes it"
    )


def test_the_reference_names_every_error() -> None:
    assert sorted({kind.__name__ for kind in ERROR_CLASSES} - names_in_the_reference()) == []


@pytest.mark.parametrize("facade", [amends, projections, telemetry, web], ids=lambda facade: facade.__name__)
def test_the_public_names_are_sorted_and_exist(facade: ModuleType) -> None:
    assert list(facade.__all__) == sorted(facade.__all__)
    assert [name for name in facade.__all__ if not hasattr(facade, name)] == []


def test_every_error_stands_in_the_one_file() -> None:
    assert every_error() == {kind for kind in ERROR_CLASSES if issubclass(kind, errors.AmendsError)}
    assert list(errors.__all__) == sorted(kind.__name__ for kind in ERROR_CLASSES)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = list(drawn_parents(drawn_tree()))
    real = {
        kind.__name__: next((base.__name__ for base in kind.__bases__ if issubclass(base, errors.AmendsError)), None)
        for kind in ERROR_CLASSES
    }
    assert dict(drawn) == real
    assert len(drawn) == len(real)


def test_the_page_about_errors_draws_the_same_tree() -> None:
    blocks = [textwrap.dedent(block.code) for block in read(ROOT / "docs" / "errors.md").blocks]
    assert drawn_tree() in blocks


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("A   all\n├── B   one\n│   └── C\n└── D\n", {"A": None, "B": "A", "C": "B", "D": "A"}),
    ],
)
def test_a_drawing_is_read_by_its_columns(tree: str, expected: dict[str, str | None]) -> None:
    assert dict(drawn_parents(tree)) == expected
