"""Where there is no browser the others are left out, with the reason; in CI they fail."""

import shutil
from pathlib import Path

import pytest

from tests.browser.chromium import chromium_or_leave


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without a browser."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("AMENDS_CHROMIUM", raising=False)
    monkeypatch.delenv("CI", raising=False)
    return monkeypatch


def test_a_machine_without_a_browser_leaves_them_out(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match="install Debian's chromium"):
        chromium_or_leave()


def test_in_ci_nothing_is_left_out(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install Debian's chromium"):
        chromium_or_leave()


def test_the_one_that_is_named_is_taken(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("AMENDS_CHROMIUM", "/opt/chrome")
    assert chromium_or_leave() == "/opt/chrome"
    bare.delenv("AMENDS_CHROMIUM")
    fetched = tmp_path / ".cache/ms-playwright/chromium-1200/chrome-linux/chrome"
    fetched.parent.mkdir(parents=True)
    fetched.touch(mode=0o755)
    assert chromium_or_leave() == str(fetched)
