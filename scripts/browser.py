"""The Chromium that looks at the built pages, for the tests and the screenshots.

Run as a script, it installs Debian's where there is none and it may.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "no browser found: install Chromium (Debian: apt-get install chromium) or Google Chrome, "
    "so that it is on the PATH"
)
# Chromium's sandbox refuses to run as root. The rest keeps it from asking the net for anything.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str:
    """The path of a Chromium or Chrome. Raises FileNotFoundError if there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(MISSING)


@contextmanager
def launch() -> Iterator[Browser]:
    """A headless browser. Raises FileNotFoundError if none is installed."""
    path = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def pages(html: Path) -> list[Path]:
    """Every page of the built book in `html`, sorted; index.html only sends on to the first."""
    found = (path for path in html.rglob("*.html") if "_static" not in path.parts)
    return sorted(path for path in found if path != html / "index.html")


def open_page(page: Page, path: Path) -> None:
    """Open the file `path` and wait until its scripts have run and its formulas are set."""
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")


def install() -> None:
    """Install Debian's Chromium if there is no browser, this is Debian, and we are root."""
    try:
        find()
    except FileNotFoundError:
        if shutil.which("apt-get") and os.geteuid() == 0:
            subprocess.run(["apt-get", "update", "-q"], check=True)
            subprocess.run(
                ["apt-get", "install", "-qy", "--no-install-recommends", "chromium"], check=True
            )
        else:
            print(f"{MISSING}; the tests that need it will fail", file=sys.stderr)


if __name__ == "__main__":
    install()
