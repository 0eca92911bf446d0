"""The pages of solutions in a browser: the question is seen, the answer only when it is opened."""

from __future__ import annotations

import browser
import pytest

# What is seen of each exercise besides its heading, its question and what opens an answer.
SEEN = """() => [...document.querySelectorAll('article section section')].map(section => {
  const parts = [...section.querySelectorAll('p, li, pre, table, img, svg, mjx-container')];
  return parts.filter(e => !e.closest('blockquote, summary') && e.checkVisibility())
    .map(e => e.textContent.slice(0, 60));
})"""
UNFOLD = "() => document.querySelectorAll('article details').forEach(e => e.open = true)"
QUESTIONS = """() => [...document.querySelectorAll('article section section blockquote')]
  .map(e => e.checkVisibility())"""


@pytest.fixture(scope="module")
def solutions(html) -> list:
    found = sorted((html / "chapters" / "solutions").glob("*.html"))
    assert len(found) >= 9
    return found


def test_answers_are_folded_and_can_be_opened(solutions):
    with browser.launch() as chromium:
        page = chromium.new_page()
        for path in solutions:
            browser.open_page(page, path)
            seen = page.evaluate(SEEN)
            assert len(seen) >= 6, path.name
            assert sum(seen, []) == [], f"{path.name}: an answer is seen before it is opened"
            assert page.evaluate(QUESTIONS) == [True] * len(seen), path.name
            page.evaluate(UNFOLD)
            # The words of the answer, and the code that checks it.
            assert min(map(len, page.evaluate(SEEN))) >= 2, path.name
