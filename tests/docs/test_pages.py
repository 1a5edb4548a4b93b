"""The reader of pages itself: what counts as a block, a marker, a command, a link, an anchor."""

from pathlib import Path

import pytest

from tests.docs import pages

TEXT = """\
# A title, with `code` & more

See [there](other.md#part), not `[here](nowhere.md)`.

```python
x = 1
```

<!-- not run: needs a mail account -->

```python
y = 2
```

```python
z = 3
```

<!-- not run: far above -->
Something in between.

```console
$ pip install amends
$ amends runs \\
    --json
[]
$ amends verify
```

## Part
## Part
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pages.Page:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text(TEXT, encoding="utf-8")
    return pages.read(path)


def test_blocks_know_their_language_and_line(page: pages.Page) -> None:
    found = [(block.language, block.line) for block in page.blocks]
    assert found == [("python", 6), ("python", 12), ("python", 16), ("console", 23)]
    assert page.blocks[0].code == "x = 1\n"


def test_a_marker_counts_only_right_before_a_block(page: pages.Page) -> None:
    assert [block.not_run for block in page.blocks] == [None, "needs a mail account", None, None]


def test_only_calls_of_amends_are_commands(page: pages.Page) -> None:
    assert [command.split() for command in page.blocks[3].commands] == [
        ["amends", "runs", "--json"],
        ["amends", "verify"],
    ]


def test_links_in_code_are_no_links(page: pages.Page) -> None:
    assert page.links == ["other.md#part"]


def test_headings_become_anchors(page: pages.Page) -> None:
    assert page.anchors == {"a-title-with-code--more", "part", "part-1"}


def test_a_block_that_is_never_closed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text("```python\nx = 1\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="never closed"):
        pages.read(path)
