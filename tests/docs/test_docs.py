"""Every code block in README.md and docs/ runs, in order, page by page; every link between pages leads somewhere.

A block that cannot run carries a marker with the reason before it: `<!-- not run: needs a mail account -->`. The
console blocks that are run are those with lines that start with `$ amends `; what they print is not compared.
"""

import ast
import asyncio
import inspect
import linecache
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from tests.docs.pages import Block, Page, linked_pages, pages, read
from tests.tree import ROOT

PAGES = pages()
NOT_RUN = [block for page in PAGES for block in page.blocks if block.runs and block.not_run is not None]
COMMAND_TIMEOUT_SECONDS = 60


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """A module of its own for a page: pydantic and typing look up annotations through `sys.modules`."""
    module = ModuleType("page")
    sys.modules["page"] = module
    yield module
    del sys.modules["page"]
    linecache.clearcache()


def run_python(block: Block, namespace: ModuleType, runner: asyncio.Runner) -> None:
    """Run one block at its place in the page, so that a traceback shows the page's own line."""
    source = "\n" * (block.line - 1) + block.code
    code = compile(source, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, vars(namespace))
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(result)


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


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.runs for block in page.blocks)], ids=lambda p: p.name
)
def test_the_blocks_of_a_page_run(
    page: Page, namespace: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One namespace, one event loop and one working directory for a page, as a reader would have them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMENDS_URL", raising=False)
    with asyncio.Runner() as runner:
        for block in page.blocks:
            if block.not_run is None and block.language == "python":
                run_python(block, namespace, runner)
            elif block.not_run is None:
                for command in block.commands if block.runs else []:
                    run_command(block, command)


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: block.place)
def test_a_block_is_not_run_for_a_reason(block: Block) -> None:
    assert block.not_run, "say why"
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
