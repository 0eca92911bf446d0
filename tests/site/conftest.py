from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import browser
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book. `make test` builds it; these tests look at what a reader gets."""
    html = ROOT / "_build" / "html"
    assert (html / "index.html").exists(), "no built book in _build/html: run `make book` first"
    return html


def pytest_addoption(parser):
    parser.addoption(
        "--browser", choices=tuple(browser.NAMES), default="chromium",
        help="what drives the pages of the tests marked `firefox`",
    )  # fmt: skip


@pytest.fixture(scope="module")
def driver(request):
    """The browser that --browser names: Chromium, unless `make test-all` asks for Firefox."""
    # `pytest tests` finds this file too late to know the option: then it is Chromium.
    with browser.launch(request.config.getoption("--browser", "chromium")) as driver:
        yield driver


@pytest.fixture(scope="session")
def parsed() -> Callable[[Path], BeautifulSoup]:
    """A built page as a tree to look at, not to change: each is parsed once for all tests."""

    @cache
    def parsed(path: Path) -> BeautifulSoup:
        return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")

    return parsed
