"""Runs a test module's `fingerprints` in processes that hash differently."""

import os
import subprocess
import sys

from tests.tree import ROOT

__all__ = ["fingerprints_by_hash_seed"]


def fingerprints_by_hash_seed(module: str) -> set[str]:
    """Return what `module.fingerprints()` yields where sets of texts are walked in two different orders."""
    code = f"from {module} import fingerprints; print(*fingerprints(), sep='\\n')"
    return {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
