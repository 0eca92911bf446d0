"""What every built page must have, and must not: read from its HTML."""

from __future__ import annotations

import re
from collections import Counter

import browser
import polish
import pytest

BUDGET = 1_500_000  # bytes of a page with its images


@pytest.fixture(scope="module")
def pages(html, parsed):
    return {path: parsed(path) for path in browser.pages(html)}


def test_a_page_with_its_images_is_within_its_budget(pages):
    sizes = {}
    for path, soup in pages.items():
        images = {image["src"] for image in soup.select("img[src]")}
        local = [path.parent / name for name in images if not name.startswith("data:")]
        sizes[path.name] = path.stat().st_size + sum(image.stat().st_size for image in local)
    assert {name: size for name, size in sizes.items() if size > BUDGET} == {}


def test_no_script_holds_up_the_first_paint(pages):
    for path, soup in pages.items():
        scripts = soup.select("head script[src], body script[src]")
        waiting = [s["src"] for s in scripts if not (s.has_attr("defer") or s.has_attr("async"))]
        assert waiting == [], path.name


def test_only_the_search_page_loads_the_search(pages):
    loads = [path.name for path, soup in pages.items() if soup.select("script[src*=searchindex]")]
    assert loads == ["search.html"]


def test_nothing_of_thebe_is_left(html, pages):
    assert list(html.rglob("*thebe*")) == []
    texts = {path.name: re.sub(r"base64,[^\"']*", "", path.read_text()) for path in pages}
    assert [name for name, text in texts.items() if "thebe" in text.lower()] == []


def test_only_pages_with_formulas_load_mathjax(pages):
    loads = {path.name: bool(soup.select("script[src*=mathjax]")) for path, soup in pages.items()}
    assert loads == {path.name: bool(soup.select(".math")) for path, soup in pages.items()}
    assert True in loads.values()


def test_every_figure_says_what_it_shows(pages):
    """Those that are set into the page, and pictures beside them."""
    images = "article img:not(.toggler)"  # which folds the list of modules
    figures = [
        (path.name, figure.get("alt") or figure.get("aria-label") or "")
        for path, soup in pages.items()
        for figure in soup.select(f"article svg.figure, {images}")
    ]
    assert len(figures) > 40
    for name, text in figures:
        file = re.search(r"\.(svg|png|jpe?g|gif)$|^\.*/|_images", text)
        assert len(text.split()) >= 3 and not file, (name, text)


def test_long_numbers_in_tables_have_separators(pages):
    cells = [cell for soup in pages.values() for cell in soup.select("table.dataframe td")]
    assert cells
    long = re.compile(r"-?(\d{5,}|\d{4,}\.\d+|[3-9]\d{3})")
    assert [cell.text for cell in cells if long.fullmatch(cell.text.strip())] == []


def test_the_page_for_wrong_addresses_leads_to_every_page_but_solutions(html, pages):
    soup = pages[html / "404.html"]
    assert not soup.select("link, img, [src]")  # nothing that a wrong address would not find
    linked = {link["href"] for link in soup.select("a")}
    assert all((html / name).exists() for name in linked)
    listed = {
        path.relative_to(html).as_posix() for path in pages if path.parent.name != "solutions"
    }
    assert listed - linked <= {"404.html", "index.html"}


RAW = """<script src="_static/documentation_options.js?v=1"></script>
<script src="searchindex.js"></script>
<link rel="stylesheet" href="_static/sphinx-thebe.css?v=4"/>
<script type="text/x-thebe-config">
{name: "python3"}
</script>
<script>kernelName = 'python3'</script>
<table><tr><th></th><th>memory_kb</th><th>vgg11_bn</th></tr><tr>
<th>2012</th><td>61100840</td><td>-12345.50</td><td>2012</td><td>2048</td><td>2012.5</td><td>0.123456</td></tr></table>"""
MENDED = """<script>const OPTIONS = {};</script>

<table><tr><td></td><th>memory (KB)</th><th>vgg11_<wbr>bn</th></tr><tr>
<th>2012</th><td>61,100,840</td><td>-12,345.50</td><td>2012</td><td>2,048</td><td>2,012.5</td><td>0.123456</td></tr></table>"""


def test_what_is_mended_and_that_mending_twice_changes_nothing():
    mended = polish.mended(RAW, "const OPTIONS = {};")
    assert mended == MENDED
    assert polish.mended(mended, "const OPTIONS = {};") == mended


def test_mending_the_built_pages_again_changes_nothing(html):
    for path in browser.pages(html):
        page = path.read_text(encoding="utf-8")
        assert polish.mended(page, "other options") == page, path.name


def test_no_id_stands_twice_in_a_page(pages, html):
    for path, soup in pages.items():
        seen = Counter(element["id"] for element in soup.select("[id]"))
        assert [id for id, n in seen.items() if n > 1] == [], path.relative_to(html)
