"""The cheat sheet on paper: one page, with nothing cut off at its right edge."""

from __future__ import annotations

import re

import browser
import pytest

MARGIN = "15mm"
PRINTED_WIDTH = 642  # pixels between these margins on A4, a little less than its 180 mm
LEAVES_THE_PAGE = """() => [...document.querySelectorAll('article *')]
  .filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 80))"""


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.fixture
def open_page(html):
    with browser.launch() as chromium:

        def opened(name: str):
            page = chromium.new_page(viewport={"width": PRINTED_WIDTH, "height": 900})
            browser.open_page(page, html / "chapters" / f"{name}.html")
            return page

        yield opened


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints_on_one_page(open_page, paper):
    margin = dict.fromkeys(("top", "right", "bottom", "left"), MARGIN)
    printed = {
        name: pages_of(open_page(name).pdf(format=paper, margin=margin))
        for name in ("cheatsheet", "measuring")
    }
    assert printed["cheatsheet"] == 1 < printed["measuring"]


def test_nothing_is_cut_off(open_page):
    page = open_page("cheatsheet")
    page.emulate_media(media="print")
    assert page.locator("article table").count() == 2
    assert page.evaluate(LEAVES_THE_PAGE) == []
