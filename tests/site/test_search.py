"""The search as a reader uses it: what comes first, under which names, with which excerpt."""

from __future__ import annotations

import re

import pytest

# A query and the page that explains it; the first hit must be one of them.
FIRST = {
    "degradation": ("resnet",),
    "shortcut": ("resnet",),
    "skip connection": ("resnet",),
    "residual block": ("resnet",),
    "bottleneck": ("resnet", "googlenet"),
    "1x1": ("googlenet",),
    "receptive field": ("measuring",),
    "batch norm": ("batchnorm", "googlenet"),
    "auxiliary classifier": ("googlenet",),
    "grouped convolution": ("resnext",),
    "two GPUs": ("alexnet",),
    "roofline": ("comparing",),
    "checkpoint": ("training",),
    "occlusion": ("zfnet",),
}
RESULTS = """() => [...document.querySelectorAll('#search-results li')].map(item => [
  item.querySelector('a').getAttribute('href'),
  item.querySelector('p.context')?.textContent ?? '',
])"""


@pytest.fixture(scope="module")
def search(driver, html):
    page = driver.new_page(viewport={"width": 1280, "height": 900})
    messages = []
    page.on("pageerror", lambda error: messages.append(str(error)))

    def asked(query: str) -> list[list[str]]:
        page.goto(f"{(html / 'search.html').as_uri()}?q={query.replace(' ', '+')}")
        page.locator("#search-results .search-summary:not(:empty)").wait_for()
        return page.evaluate(RESULTS)

    yield asked
    page.close()
    assert messages == []


def name(address: str) -> str:
    return re.search(r"(?:chapters/)?([\w/]+)\.html", address)[1]


@pytest.mark.firefox
@pytest.mark.parametrize("query", FIRST)
def test_the_page_that_explains_it_comes_first(search, query):
    results = search(query)
    assert results and name(results[0][0]) in FIRST[query], results[:4]


@pytest.mark.parametrize("query", ["degradation", "receptive field", "profile"])
def test_pages_of_the_package_come_last(search, query):
    kinds = [name(address) == "api" for address, _ in search(query)]
    assert kinds == sorted(kinds) and False in kinds


def test_excerpts_show_the_words_and_no_source_of_formulas(search):
    for query in ("receptive field", "intensity", "identity"):
        results = [result for result in search(query) if name(result[0]) != "api"]
        assert results
        words = [words for _, words in results]
        assert not [text for text in words if re.search(r"\\[a-z(\[]|\$|@@", text)], query
        stem = query.split()[0][:6]
        assert any(stem in text.lower() for text in words[:2]), query


def test_a_result_leads_to_its_section(search, html):
    address, _ = next(r for r in search("auxiliary classifier") if "#" in r[0])
    path, _, anchor = address.partition("#")
    page = (html / path.partition("?")[0]).read_text()
    assert f'id="{anchor}"' in page


def test_functions_of_the_package_are_found_by_name(search):
    results = [address for address, _ in search("trade_off")]
    assert results[-1].endswith("api.html#cnnbook.figures.trade_off")


def test_nonsense_finds_nothing(search):
    assert search("qqqzzz") == []
