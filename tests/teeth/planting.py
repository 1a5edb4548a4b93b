"""Plants a bug into a copy of the source and runs the testing kit, or some tests, over it, in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.teeth.tooth import Tooth
from tests.tree import ROOT, SRC

__all__ = ["Bite", "Verdict", "plant", "plant_all"]

LIMIT_SECONDS = 100
TEST_SECONDS, TESTS_SECONDS = 60, 400
"""How long one test may take, and all that are to catch a bug: some bugs let them wait for ever."""


class Verdict(StrEnum):
    """What became of a planted bug."""

    CAUGHT = "caught"
    MISSED = "MISSED"
    BROKEN = "BROKEN"
    """It could not be planted: the source has changed."""


class Bite(NamedTuple):
    """What came of one planted bug.

    Attributes:
        tooth: the bug.
        verdict: what became of it.
        what: the first thing that was wrong, or why there is nothing to tell.
        invariants: which ones the smallest plan breaks.
        elsewhere: which ones any finding breaks.
        scenario: where.
        plan: the smallest that shows it.
    """

    tooth: Tooth
    verdict: Verdict
    what: str
    invariants: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    scenario: str = ""
    plan: str = ""

    def __str__(self) -> str:
        return f"{self.what[:110]} [{self.scenario} under {self.plan}]" if self.plan else self.what[:200]


def plant(tooth: Tooth) -> Bite:
    """Plant a bug; returns whether it is caught, and by what."""
    with tempfile.TemporaryDirectory(prefix="amends-teeth-") as directory:
        copy = Path(directory) / "amends"
        shutil.copytree(SRC, copy)  # With the byte code: whatever is not patched is not compiled again.
        for patch in tooth.patches:
            file = copy / patch.file
            text = file.read_text(encoding="utf-8")
            if text.count(patch.old) != 1:
                why = f"{patch.file} holds the old text {text.count(patch.old)} times: {patch.old.strip()[:60]!r}"
                return Bite(tooth, Verdict.BROKEN, why)
            file.write_text(text.replace(patch.old, patch.new), encoding="utf-8")
        return _by_the_suite(Path(directory), tooth) if tooth.tests else _bite(Path(directory), tooth)


def plant_all(teeth: Iterable[Tooth]) -> Iterator[Bite]:
    """Plant one bug after the other, as many at once as there are processors; yields in the order of the bugs."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(plant, teeth)


def _bite(directory: Path, tooth: Tooth) -> Bite:
    done = _run(directory, "-m", "tests.teeth.bite", tooth.name)
    if done is None:
        return Bite(tooth, Verdict.MISSED, f"it did not end within {LIMIT_SECONDS} s")
    if done.returncode:
        return Bite(tooth, Verdict.BROKEN, (done.stderr.strip().splitlines() or ["it died"])[-1])
    told = json.loads(done.stdout)
    if not told:
        return Bite(tooth, Verdict.MISSED, f"in {', '.join(tooth.scenarios)}")
    return Bite(
        tooth,
        Verdict.CAUGHT,
        told["what"],
        tuple(told["invariants"]),
        tuple(told["elsewhere"]),
        told["scenario"],
        told["plan"],
    )


def _by_the_suite(directory: Path, tooth: Tooth) -> Bite:
    """Run tests over the copy, which is imported first, before pytest finds the tree itself."""
    begin = "import amends.errors, sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    limits = [f"--timeout={TEST_SECONDS}", "--tb=no", "-q", "-rfE", "-pno:randomly", "-pno:cacheprovider", "-n0"]
    tests = [f"{ROOT}/tests/{test}" for test in tooth.tests]
    where = [f"--rootdir={ROOT}", f"--config-file={ROOT}/pyproject.toml"]
    done = _run(directory, "-c", begin, *where, *limits, *tests, seconds=TESTS_SECONDS)
    if done is None:
        return Bite(tooth, Verdict.MISSED, f"they did not end within {TESTS_SECONDS} s")
    failed = re.findall(r"^FAILED .*?::([^ \n]+)", done.stdout, re.MULTILINE)
    if done.returncode == pytest.ExitCode.OK:
        return Bite(tooth, Verdict.MISSED, f"by {', '.join(tooth.tests)}")
    if done.returncode != pytest.ExitCode.TESTS_FAILED or not failed:
        return Bite(tooth, Verdict.BROKEN, (done.stdout + done.stderr).strip()[-200:])
    return Bite(tooth, Verdict.CAUGHT, ", ".join(failed))


def _run(directory: Path, *arguments: str, seconds: float = LIMIT_SECONDS) -> subprocess.CompletedProcess[str] | None:
    """Run Python over the copy; returns None if it did not end in time."""
    paths = os.pathsep.join([str(directory), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
