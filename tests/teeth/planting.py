"""Plants a bug into a copy of the source and runs the simulator over it, in a process of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from enum import StrEnum
from pathlib import Path

from tests.teeth.planted import Tooth
from tests.tree import ROOT, SRC

__all__ = ["Verdict", "plant"]

LIMIT_SECONDS = 100


class Verdict(StrEnum):
    """What became of a planted bug."""

    CAUGHT = "caught"
    MISSED = "MISSED"
    BROKEN = "BROKEN"
    """It could not be planted: the source has changed."""


def plant(tooth: Tooth) -> tuple[Verdict, str]:
    """Plant a bug; returns whether it is caught, and by what."""
    with tempfile.TemporaryDirectory(prefix="amends-teeth-") as directory:
        copy = Path(directory) / "amends"
        shutil.copytree(SRC, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for patch in tooth.patches:
            file = copy / patch.file
            text = file.read_text(encoding="utf-8")
            if text.count(patch.old) != 1:
                return Verdict.BROKEN, f"{patch.file} holds the old text {text.count(patch.old)} times"
            file.write_text(text.replace(patch.old, patch.new), encoding="utf-8")
        return _bite(Path(directory), tooth)


def _bite(directory: Path, tooth: Tooth) -> tuple[Verdict, str]:
    command = [sys.executable, str(ROOT / "tests" / "teeth" / "bite.py"), *tooth.shapes]
    environment = os.environ | {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict.CAUGHT, f"it did not end within {LIMIT_SECONDS} s"
    if done.returncode == 1 and done.stdout:
        return Verdict.CAUGHT, done.stdout.strip().splitlines()[0]
    if done.returncode:
        return Verdict.BROKEN, (done.stderr.strip().splitlines() or ["it died"])[-1]
    return Verdict.MISSED, f"by {', '.join(tooth.shapes)}"
