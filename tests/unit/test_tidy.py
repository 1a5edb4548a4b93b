"""A ratchet on what the style asks for: sizes, docstrings, one door to time, and nothing that only works here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TypeGuard

import pytest

from tests.tree import ROOT, files, name, python_files

SRC_FILES = [*(path for path in python_files("src") if path.stat().st_size), ROOT / "_amends_pytest.py"]
TEST_FILES = python_files("tests")
TEXT_FILES = [path for path in files() if path.is_file() and not path.is_symlink()]

FILE_AIM = 150
FILE_LIMIT = 400
TEST_FILE_LIMIT = 600
BODY_LIMIT = 50

DOORS_TO_TIME = {
    ("date", "today"),
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("time", "time"),
    ("time", "time_ns"),
}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path))


def at(path: Path, node: ast.expr | ast.stmt | ast.excepthandler) -> str:
    return f"{name(path)}:{node.lineno}"


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def bodies(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Every function with the number of lines of its body, its docstring left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first, *rest = node.body
            said = first if rest and ast.get_docstring(node) is not None else None
            start = rest[0].lineno if said else first.lineno
            yield node, (node.body[-1].end_lineno or start) - start + 1


def test_files_are_short() -> None:
    too_long = {name(path): line_count(path) for path in SRC_FILES if line_count(path) >= FILE_LIMIT}
    too_long |= {name(path): line_count(path) for path in TEST_FILES if line_count(path) >= TEST_FILE_LIMIT}
    assert too_long == {}


def test_files_aim_at_150_lines() -> None:
    assert median(map(line_count, SRC_FILES)) <= FILE_AIM


def test_bodies_are_short() -> None:
    found = {at(path, node): lines for path in SRC_FILES for node, lines in bodies(parse(path)) if lines >= BODY_LIMIT}
    assert found == {}


def test_a_module_opens_with_its_role() -> None:
    """What it does, what it refuses to do, who may call it."""
    assert [name(path) for path in SRC_FILES if not ast.get_docstring(parse(path))] == []


def is_a_door_to_time(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Whether it is `datetime.now`, `time.time` or the like, called or passed on, with or without its module."""
    if not isinstance(node, ast.Attribute):
        return False
    match node.value:
        case ast.Name(id=owner) | ast.Attribute(attr=owner):
            return (owner, node.attr) in DOORS_TO_TIME
        case _:
            return False


def test_time_has_one_door() -> None:
    others = [path for path in SRC_FILES if name(path) != "src/clock.py"]
    found = [at(path, node) for path in others for node in ast.walk(parse(path)) if is_a_door_to_time(node)]
    assert found == [], "ask amends.clock"


def passes_over_errors(node: ast.AST) -> TypeGuard[ast.ExceptHandler]:
    """Whether it is a handler for every error that does nothing with it."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    blind = any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)
    return blind and all(ast.unparse(line) in {"pass", "continue", "..."} for line in node.body)


def test_no_error_is_passed_over() -> None:
    found = [at(path, node) for path in SRC_FILES for node in ast.walk(parse(path)) if passes_over_errors(node)]
    assert found == [], "a blind except re-raises or records"


def test_an_ignore_names_what_it_ignores() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)")
    assert [name(path) for path in python_files("") if bare.search(path.read_text(encoding="utf-8"))] == []


# Written so that this file does not hold what it forbids.
FORBIDDEN = {
    "work left undone is an issue, not a comment": re.compile(r"\b(?:TO[D]O|FIX[M]E)\b"),
    "a registry is the user's own pip configuration": re.compile(
        r"\b(?:pypi|pythonhosted|npmjs|debian)\.(?:org|com)\b"
    ),
    "a path of one machine": re.compile(r"(?<![\w.-])/(?:home|root|work|Users)/(?!amends\b)"),
}


def read_text(path: Path) -> str:
    """The text of a file, or nothing when it is a picture."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        assert path.suffix in {".png", ".gif", ".jpg", ".ico"}, f"{name(path)}: text is UTF-8"
        return ""


def test_a_file_works_everywhere() -> None:
    found = [
        f"{name(path)}: {match[0]}: {why}"
        for path in TEXT_FILES
        for why, pattern in FORBIDDEN.items()
        for match in pattern.finditer(read_text(path))
    ]
    assert found == []


def test_lines_end_as_git_wants_them() -> None:
    texts = {name(path): read_text(path) for path in TEXT_FILES}
    assert [place for place, text in texts.items() if "\r" in text or (text and not text.endswith("\n"))] == []


def test_there_is_something_to_look_at() -> None:
    assert SRC_FILES
    assert TEST_FILES
    assert ROOT / "pyproject.toml" in TEXT_FILES


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("def f():\n    return 1", 1),
        ("def f():\n    'Say.'\n\n    x = 1\n    return x", 2),
        ("def f():\n    'Say.'", 1),
        ("async def f():\n    if x:\n        pass\n\n    return 1", 4),
    ],
)
def test_a_body_is_measured_without_its_docstring(code: str, lines: int) -> None:
    assert [count for _, count in bodies(ast.parse(code))] == [lines]


@pytest.mark.parametrize(
    ("code", "looks_blind"),
    [
        ("try: f()\nexcept Exception: pass", True),
        ("try: f()\nexcept: ...", True),
        ("try: f()\nexcept (KeyError, BaseException):\n    continue", True),
        ("try: f()\nexcept KeyError: pass", False),
        ("try: f()\nexcept Exception as error: record(error)", False),
    ],
)
def test_a_blind_except_is_seen(code: str, looks_blind: bool) -> None:
    assert any(passes_over_errors(node) for node in ast.walk(ast.parse(code))) is looks_blind


@pytest.mark.parametrize(
    ("code", "looks_at_the_clock"),
    [
        ("datetime.now(UTC)", True),
        ("datetime.datetime.now()", True),
        ("field(default_factory=time.time)", True),
        ("clock.now()", False),
        ("time.monotonic()", False),
    ],
)
def test_a_door_to_time_is_seen(code: str, looks_at_the_clock: bool) -> None:
    assert any(is_a_door_to_time(node) for node in ast.walk(ast.parse(code))) is looks_at_the_clock
