"""Every code block in README.md and docs/ runs, in order, page by page; every link between pages leads somewhere.

A block that cannot run carries a marker with the reason before it: `<!-- not run: needs a mail account -->`. The
console blocks that are run are those with lines that start with `$ amends `; what they print is not compared.

A block with `<!-- not run: it is part of examples/signup.py -->` stands in that file as it stands on the page. What
runs it there are the tests of the examples.

On a page with the marker `<!-- output is compared -->`, what a Python block prints is held to the text block that
follows it. A line `...` there stands for any lines, and ` ... ` in a line for anything.
"""

import ast
import asyncio
import inspect
import linecache
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest
from hypothesis import settings

from tests.docs.pages import Block, Page, linked_pages, pages, read
from tests.tree import ROOT

PAGES = pages()
NOT_RUN = [block for page in PAGES for block in page.blocks if block.runs and block.not_run is not None]
COMMAND_TIMEOUT_SECONDS = 60
PART_OF = re.compile(r"it is part of (examples/\S+\.py)")


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """A module of its own for a page: pydantic and typing look up annotations through `sys.modules`."""
    module = ModuleType("page")
    sys.modules["page"] = module
    yield module
    del sys.modules["page"]
    linecache.clearcache()


@pytest.fixture
def _the_same_examples() -> Iterator[None]:
    """What Hypothesis draws on a page is the same each time, so that the page can show what it finds."""
    usual = settings.get_current_profile_name()
    settings.register_profile("docs", derandomize=True)
    settings.load_profile("docs")
    yield
    settings.load_profile(usual)


def run_python(block: Block, namespace: ModuleType, runner: asyncio.Runner) -> None:
    """Run one block at its place in the page, so that a traceback shows the page's own line."""
    source = "\n" * (block.line - 1) + block.code
    code = compile(source, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, vars(namespace))
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(result)


def matches(printed: str, shown: str) -> bool:
    """Whether a page shows what was printed, as far as it shows it."""
    lines = (".*" if line == "..." else re.escape(line).replace(r"\ \.\.\.\ ", " .* ") for line in shown.splitlines())
    return re.fullmatch("\n".join(lines), printed.rstrip(), re.DOTALL) is not None


def compare(printed: str, block: Block, shown: Block | None) -> None:
    """Hold what a block printed to what the page shows below it."""
    expected = shown.code if shown is not None and shown.language == "text" else ""
    assert matches(printed, expected), f"{block.place}: printed\n{printed}\nand the page shows\n{expected}"


def run_command(block: Block, command: str) -> None:
    """Run one call of the installed `amends`, without a shell, in the page's directory."""
    _, *arguments = shlex.split(command)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("amends")), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
        env={key: value for key, value in os.environ.items() if key != "AMENDS_URL"},
    )
    assert done.returncode == 0, f"{block.place}: $ {command}\n{done.stdout}"


@pytest.mark.usefixtures("_the_same_examples")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.runs for block in page.blocks)], ids=lambda p: p.name
)
def test_the_blocks_of_a_page_run(
    page: Page,
    namespace: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One namespace, one event loop and one working directory for a page, as a reader would have them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMENDS_URL", raising=False)
    with asyncio.Runner() as runner:
        for block, following in zip(page.blocks, [*page.blocks[1:], None], strict=True):
            if block.not_run is None and block.language == "python":
                run_python(block, namespace, runner)
                printed = capsys.readouterr().out
                if page.output_is_compared and printed:
                    compare(printed, block, following)
            elif block.not_run is None:
                for command in block.commands if block.runs else []:
                    run_command(block, command)


@pytest.mark.parametrize(
    ("printed", "shown", "expected"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\nc\n", "a\n...\nc\n", True),
        ("a\nb\nc\n", "...\nc\n", True),
        ("3 of 4 in 0.5 s: all well\n", "3 of 4 ... all well\n", True),
        ("a\nb\n", "a\n", False),
        ("a\nx\nc\n", "a\nb\nc\n", False),
    ],
)
def test_a_page_may_show_a_part_of_what_is_printed(printed: str, shown: str, expected: bool) -> None:
    assert matches(printed, shown) is expected


def is_part(code: str, text: str) -> bool:
    """Whether whole lines of a file are the code of a block."""
    return f"\n{code}" in f"\n{text}"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("a = 1\n", True), ("    b = 2\n", True), ("b = 2\n", False), ("a = 1\n    b\n", False), ("c\n", False)],
)
def test_a_block_is_part_of_a_file_line_by_line(code: str, expected: bool) -> None:
    assert is_part(code, "a = 1\n    b = 2\n") is expected


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: block.place)
def test_a_block_is_not_run_for_a_reason(block: Block) -> None:
    assert block.not_run, "say why"
    if (part_of := PART_OF.fullmatch(block.not_run)) is not None:
        assert is_part(block.code, (ROOT / part_of[1]).read_text(encoding="utf-8")), f"{part_of[1]} has it otherwise"
        return
    if block.language == "python":
        compile(block.code, block.place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    pytest.skip(block.not_run)


def leads_somewhere(page: Page, link: str) -> bool:
    """Whether a link's file is in the tree and, on a page, its heading too; addresses elsewhere are taken on trust."""
    if "://" in link or link.startswith("mailto:"):
        return True
    target, _, anchor = unquote(link).partition("#")
    path = (page.path.parent / target).resolve() if target else page.path
    if not path.is_relative_to(ROOT) or not path.exists():
        return False
    return not anchor or path.suffix != ".md" or anchor in read(path).anchors


@pytest.mark.parametrize("page", linked_pages(), ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Page) -> None:
    assert [link for link in page.links if not leads_somewhere(page, link)] == []
