"""Reads the documentation's pages: their code blocks, links and headings."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.tree import ROOT, files

OPENING = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<language>[\w-]*)[^`]*$")
MARKER = re.compile(r"<!--\s*not run:\s*(?P<reason>.*?)\s*-->", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(\s*<?(?P<target>[^)\s>]+)>?[^)]*\)|\b(?:src|href)=\"(?P<attribute>[^\"]+)\"")
HEADING = re.compile(r"^#{1,6}\s+(?P<title>.*?)\s*#*\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is that of its first line of code; `not_run` is the reason of a marker before it."""

    page: Path
    language: str
    line: int
    code: str
    not_run: str | None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether the tests run it: Python always, a console session when it calls amends."""
        return self.language == "python" or (self.language == "console" and bool(self.commands))

    @property
    def commands(self) -> list[str]:
        """The calls of amends in a console session; a call may go on after a backslash."""
        joined = self.code.replace("\\\n", " ")
        return [line[2:] for line in joined.splitlines() if line.startswith("$ amends ")]


@dataclass
class Page:
    path: Path
    blocks: list[Block] = field(default_factory=list)
    prose: str = ""

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def output_is_compared(self) -> bool:
        """Whether what its Python blocks print is held to the text blocks that follow them."""
        return "<!-- output is compared -->" in self.prose

    @property
    def links(self) -> list[str]:
        without_code = re.sub(r"`[^`\n]*`", "", self.prose)
        return [match["target"] or match["attribute"] for match in LINK.finditer(without_code)]

    @property
    def anchors(self) -> set[str]:
        """The names under which a page's headings can be linked to, as the usual forges make them."""
        seen: dict[str, int] = {}
        anchors = set(re.findall(r"\b(?:id|name)=\"([^\"]+)\"", self.prose))
        for title in HEADING.findall(self.prose):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            anchors.add(f"{slug}-{count}" if count else slug)
        return anchors


def read(path: Path) -> Page:
    """Split a page into its fenced blocks and everything else."""
    page = Page(path)
    prose: list[str] = []
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        opening = OPENING.match(line)
        if opening is None:
            prose.append(line)
            continue
        code = []
        for _, inside in lines:
            if inside.strip() == opening["ticks"]:
                break
            code.append(inside.removeprefix(opening["indent"]) + "\n")
        else:
            raise AssertionError(f"{page.name}:{number}: the block is never closed")
        not_run = reason_before(prose)
        page.blocks.append(Block(path, opening["language"], number + 1, "".join(code), not_run))
        prose.append("```")  # Stands for the block, so that a marker above it does not reach the next one.
    page.prose = "\n".join(prose)
    return page


def reason_before(prose: list[str]) -> str | None:
    """The reason in a marker that is the last thing before a block, blank lines aside."""
    above = "\n".join(prose).rstrip()
    if not above.endswith("-->"):
        return None
    marker = MARKER.fullmatch(above[above.rindex("<!--") :])
    return marker["reason"] if marker else None


def pages() -> list[Page]:
    """README.md and every page of docs/."""
    chosen = [path for path in files() if path == ROOT / "README.md" or path.is_relative_to(ROOT / "docs")]
    return [read(path) for path in chosen if path.suffix == ".md"]


def linked_pages() -> list[Page]:
    """Every page whose links are looked at: those of the documentation, and what else is written for readers."""
    return [read(path) for path in files() if path.suffix == ".md"]
