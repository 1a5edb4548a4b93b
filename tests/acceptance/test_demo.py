"""`amends demo` as a stranger starts it: a process of its own, its output and its exit code."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import parse

import httpx
import pytest

from tests.tree import ROOT


def amends(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"AMENDS_URL", "NO_COLOR"}}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "amends.console.cli", *arguments],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def section(output: str, number: int) -> str:
    """The part of the output that is about one run."""
    found = re.search(rf"^{number}\. .*?(?=^\d\. |^What the systems|\Z)", output, re.DOTALL | re.MULTILINE)
    assert found is not None, output
    return found[0]


def proof(output: str) -> dict[str, list[str]]:
    """What the systems say about each person: user, mails, contact."""
    lines = re.findall(r"^  (\w+)\S*@example\.com +(yes|no) +(\d+) +(yes|no)$", output, re.MULTILINE)
    return {name: rest for name, *rest in lines}


def check_the_story(output: str) -> None:
    """Hold what every demo must show, wherever its events are."""
    assert "completed after" in section(output, 1)
    assert re.findall(r"attempt (\d) at .* (failed|succeeded)", section(output, 2)) == [
        ("1", "failed"),
        ("2", "failed"),
        ("3", "succeeded"),
    ]
    unwound = section(output, 3)
    assert "undo create-user-in-db" in unwound
    assert "partially compensated after" in unwound
    assert "remains  2 send-welcome-email (irreversible)" in unwound
    assert "the service gets  RunFailed" in unwound
    assert "invoke:create-user-in-db" in section(output, 4)
    assert proof(output) == {
        "ada": ["yes", "1", "yes"],
        "grace": ["yes", "1", "yes"],
        "alan": ["no", "1", "no"],
        "katherine": ["yes", "0", "no"],
        "barbara": ["yes", "1", "yes"],
    }
    taken_over = section(output, 5)
    assert "the process ended while the attempt was under way" in taken_over
    assert "taken over at" in taken_over
    assert "completed after" in taken_over
    assert "the service gets  User(" in taken_over


def test_the_demo_needs_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """Five runs, each with its timeline, the proof, exit code 0, no file and no colour in a pipe."""
    done = amends("demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    check_the_story(done.stdout)
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_runs_again_on_the_same_log(shared_log_url: str, tmp_path: Path) -> None:
    """SQLite by `--url`, PostgreSQL by AMENDS_URL; a second demo is not in the way of the first."""
    by_environment = {"AMENDS_URL": shared_log_url} if shared_log_url.startswith("postgresql") else {}
    arguments = [] if by_environment else ["--url", shared_log_url]
    for _ in range(2):
        done = amends("demo", *arguments, cwd=tmp_path, **by_environment)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        check_the_story(done.stdout)


def test_the_demo_draws_the_run_that_was_undone(tmp_path: Path) -> None:
    """Into the file that was asked for, in a directory that is made for it."""
    done = amends("demo", "--svg", "new/run.svg", "--url", "memory://", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "signup:alan" in "".join(parse(tmp_path / "new" / "run.svg").getroot().itertext())


def test_the_demo_is_shown_in_a_browser(tmp_path: Path) -> None:
    """On this machine only, with a run that needs a person first, and until somebody ends it."""
    command = [sys.executable, "-W", "error", "-m", "amends.console.cli", "demo", "--page", "--port", "0"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("AMENDS_URL", None)
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        url = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+/", line)))
        page = httpx.get(url, headers={"Accept": "text/html"}, timeout=20, trust_env=False).text
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")
    assert "Needs a person" in page
    for name in ("ada", "grace", "alan", "barbara"):
        assert f"signup:{name}@example.com" in page


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["demo", "--url", "mysql://app:secret@db/app"], 1, "amends: InvalidName: "),
        (["demo", "--svg", ".", "--url", "memory://"], 1, "amends: IsADirectoryError: "),
        (["demo", "--what"], 2, "usage: amends"),
        (["demo", "--page", "--url", "memory://"], 2, "usage: amends"),
        ([], 2, ""),
    ],
)
def test_a_mistake_is_told_without_a_traceback(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    """On the error output, with the exit code that says so, and without repeating a password."""
    done = amends(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_terminal_without_unicode_is_no_obstacle(tmp_path: Path) -> None:
    """It gets question marks for the bars."""
    done = amends("demo", "--url", "memory://", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "completed after" in done.stdout
