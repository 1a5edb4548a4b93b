"""`amends completion`: a script that the shell accepts, and that knows the commands."""

import shutil
import subprocess
import sys

import pytest

from amends.console.cli import main


def test_bash_completes_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """As somebody would use it, who has typed `amends re` and presses the key."""
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    bash = shutil.which("bash")
    assert bash is not None, "the tests need bash"
    ask = 'COMP_WORDS=(amends re); COMP_CWORD=1; _shtab_amends; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run([bash, "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"rebuild", "resume", "retry"}


def test_without_shtab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "zsh"]) == 1
    assert "amends[cli]" in capsys.readouterr().err
