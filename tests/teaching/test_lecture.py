"""The lecturer's pack: slides from the chapters as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import browser  # noqa: E402
import course  # noqa: E402
import lecture  # noqa: E402

# Slides whose content leaves the screen.
OVERFLOWING = """() => [...document.querySelectorAll('section')].map((_, i) => {
  Reveal.slide(i);
  const slide = Reveal.getCurrentSlide();
  const ends = [...slide.querySelectorAll('*')].map(e => e.getBoundingClientRect());
  return ends.some(e => e.bottom > innerHeight || e.right > innerWidth) ? i : -1;
}).filter(i => i >= 0)"""


@pytest.fixture(params=course.chapters())
def chapter(request) -> str:
    return request.param


def test_a_deck_is_short_and_has_each_figure_of_the_chapter(chapter):
    slides = lecture.slides(chapter)
    assert 4 <= len(slides) <= lecture.MOST
    soup = BeautifulSoup("".join(slides), "html.parser")
    figures = lecture.figures(chapter)
    assert [f.get_text() for f in soup.select("figcaption")] == [f.caption for f in figures]
    assert all(image["alt"] for image in soup.select("img"))
    assert soup.select_one("a[href$='live.html']")
    text = soup.get_text()
    assert not [mark for mark in ("**", "](", "$$", "```") if mark in text]


def test_a_deck_asks_no_other_host_and_nothing_overflows(tmp_path):
    import shutil

    shutil.copytree(lecture.REVEAL, tmp_path / "reveal")
    asked = []
    with browser.launch() as chromium:
        page = chromium.new_page(viewport={"width": lecture.WIDTH, "height": lecture.HEIGHT})
        page.on("request", lambda request: asked.append(request.url))
        for chapter in course.chapters():
            path = tmp_path / f"{chapter}.html"
            path.write_text(lecture.page(chapter), encoding="utf-8")
            page.goto(path.as_uri())
            page.wait_for_function("window.Reveal && Reveal.isReady()")
            assert page.evaluate(OVERFLOWING) == [], chapter
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_the_plan_says_where_each_claim_is_treated():
    from cnnbook import claims

    plan = lecture.plan(course.chapters())
    assert all(f"`cnnbook claims {claim.id}`" in plan for claim in claims.ledger())
    assert all(chapter in plan for chapter in course.chapters())
