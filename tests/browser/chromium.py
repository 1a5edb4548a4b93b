"""Where the browser is: what `AMENDS_CHROMIUM` names, or Debian's Chromium, or one that Playwright has fetched."""

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["chromium", "chromium_or_leave"]

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """Return the path of a browser, or None if there is none on this machine."""
    named = os.environ.get("AMENDS_CHROMIUM")
    if named:
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None)
    fetched = sorted(Path.home().glob(".cache/ms-playwright/chromium*/chrome-linux*/*chrom*"))
    return found or next((str(path) for path in fetched if os.access(path, os.X_OK) and path.is_file()), None)


def chromium_or_leave() -> str:
    """Return the path of a browser; where there is none, leave the test out, but never in CI."""
    found = chromium()
    if found is not None:
        return found
    why = f"no browser: install Debian's chromium ({', '.join(NAMES)} are looked for), or set AMENDS_CHROMIUM"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
