"""Where the tree lies and which files belong to it, for the tests that look at the tree itself."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"


@cache
def files() -> tuple[Path, ...]:
    """Every file that is committed, or would be by `git add .`; the link `amends` counts as one file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = {ROOT / name for name in listed.split("\0") if name}
    return tuple(sorted(path for path in paths if path.exists()))


def python_files(under: str) -> tuple[Path, ...]:
    """The Python files below a directory of the root, which is `""` for all of them."""
    return tuple(path for path in files() if path.suffix == ".py" and path.is_relative_to(ROOT / under))


def name(path: Path) -> str:
    """How a test calls a file: its path from the root."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """What a file below src/ is imported as."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(("amends", *(part for part in parts if part != "__init__")))
