"""The browsers that look at the built pages: Chromium, and Firefox for some of the tests.

Run as a script, it installs Debian's where there is none and it may: Chromium, or the one named.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import debian
from playwright.sync_api import Browser, Page, sync_playwright

# The names of each on the PATH, Debian's package first.
NAMES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "firefox": ("firefox-esr", "firefox"),
}
MISSING = {
    "chromium": "no browser found: install Chromium (Debian: apt-get install chromium) or Google "
    "Chrome, so that it is on the PATH",
    "firefox": "no Firefox found: install it (Debian: apt-get install firefox-esr), so that it is "
    "on the PATH",
}
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
# Firefox asks the net for less, and does not draw its own window sixty times a second.
PREFERENCES = {
    "app.normandy.enabled": False,
    "browser.newtab.preload": False,
    "browser.startup.page": 0,
    "layout.frame_rate": 10,
    "nimbus.rollouts.enabled": False,
}
# ms: on a busy machine the first start, with an empty profile, takes minutes, and so may a script.
PATIENCE = 300_000


def find(name: str = "chromium") -> str:
    """The path of Chromium or Chrome, or of Firefox. Raises FileNotFoundError if there is none."""
    for each in NAMES[name]:
        if path := shutil.which(each):
            return path
    raise FileNotFoundError(MISSING[name])


@contextmanager
def launch(name: str = "chromium") -> Iterator[Browser]:
    """A headless browser. Raises FileNotFoundError if none is installed."""
    path = find(name)
    with sync_playwright() as playwright, TemporaryDirectory() as folder:
        if name == "firefox":
            relay = [sys.executable, str(Path(__file__).with_name("firefox.py")), path]
            start = Path(folder) / "firefox"
            start.write_text(f'#!/bin/sh\nexec {shlex.join(relay)} "$@"\n', encoding="utf-8")
            start.chmod(0o755)
            browser = playwright.firefox.launch(
                executable_path=start, channel="moz-firefox", firefox_user_prefs=PREFERENCES,
                timeout=PATIENCE,
            )  # fmt: skip
        else:
            browser = playwright.chromium.launch(
                executable_path=path, args=list(ARGUMENTS), timeout=PATIENCE
            )
        browser.new_page = patient(browser.new_page)
        browser.new_context = patient(browser.new_context)
        try:
            yield browser
        finally:
            browser.close()


def patient(make: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a page, or a context of pages, that wait as long as a busy machine needs."""

    def made(**options) -> Any:
        found = make(**options)
        found.set_default_timeout(PATIENCE)
        return found

    return made


def pages(html: Path) -> list[Path]:
    """Every page of the built book in `html`, sorted; index.html only sends on to the first."""
    found = (path for path in html.rglob("*.html") if "_static" not in path.parts)
    return sorted(path for path in found if path != html / "index.html")


def open_page(page: Page, path: Path) -> None:
    """Open the file `path` and wait until its scripts have run and its formulas are set."""
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")


def install(name: str = "chromium") -> None:
    """Install Debian's browser if there is none, this is Debian, and we are root."""
    try:
        find(name)
    except FileNotFoundError:
        if not debian.install(NAMES[name][0]):
            print(f"{MISSING[name]}; the tests that need it will fail", file=sys.stderr)


if __name__ == "__main__":
    install(*sys.argv[1:])
