"""`examples/onboarding.py`, as its page says to start it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.tree import ROOT

SETTINGS = {"AMENDS_URL", "CRM_TOKEN", "CRM_URL", "SMTP_HOST", "SMTP_PORT", "USERS_URL"}


def onboard(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "onboarding.py"), *arguments],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_example_takes_a_user_in_once(tmp_path: Path) -> None:
    """The second process finds the run of the first, by its id, and prints the same user."""
    first, second = (onboard("Ada", "ada@example.com", cwd=tmp_path) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("taken in: Ada, user ")
    assert second.stdout == first.stdout


def test_the_example_says_what_stands_when_the_crm_is_away(tmp_path: Path) -> None:
    """Nobody is taken in, and the mail cannot be unsent."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = onboard("Alan", "alan@example.com", cwd=tmp_path, CRM_URL=url, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    assert done.returncode == 1
    assert "partially_compensated" in done.stderr
    assert "still standing: send-welcome-email (step 2)" in done.stderr


def test_the_example_refuses_what_is_no_address(tmp_path: Path) -> None:
    """Before anything is started."""
    done = onboard("Ada", "ada", cwd=tmp_path)
    assert done.returncode == 2
    assert "usage: " in done.stderr
    assert list(tmp_path.iterdir()) == []
