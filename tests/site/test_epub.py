"""The whole book as an EPUB: valid, complete, and legible without the site."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import browser
import epub
import pytest
from sphinx_external_toc.parsing import parse_toc_yaml

pytestmark = pytest.mark.rare

ROOT = Path(__file__).resolve().parents[2]
PAGES = list(parse_toc_yaml(ROOT / "_toc.yml"))
PHONE, READER = 360, 600
XHTML = "{http://www.w3.org/1999/xhtml}"
MATH = "{http://www.w3.org/1998/Math/MathML}math"
SVG = "{http://www.w3.org/2000/svg}svg"


@pytest.fixture(scope="module")
def book(html, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("epub") / "book.epub"
    with browser.launch() as chromium:
        epub.bind(chromium, ROOT, path)
    return path


@pytest.fixture(scope="module")
def folder(book) -> Path:
    with ZipFile(book) as archive:
        archive.extractall(book.parent)
    return book.parent / "book"


@pytest.fixture(scope="module")
def trees(folder) -> dict[str, ElementTree.Element]:
    return {name: ElementTree.parse(folder / f"{name}.xhtml").getroot() for name in PAGES}


def classed(tree, word: str) -> list:
    return [e for e in tree.iter() if word in (e.get("class") or "").split()]


def words(element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_it_is_valid(book, epub_faults):
    assert epub_faults(book) == []


def test_the_contents_lead_to_every_page_in_the_books_order(folder, trees):
    nav = ElementTree.parse(folder / "nav.xhtml").getroot()
    links = [link.get("href") for link in nav.iter(f"{XHTML}a")]
    assert [to.removesuffix(".xhtml") for to in links if "#" not in to] == PAGES
    assert "chapters/alexnet.xhtml#the-three-measures" in links
    assert {words(part) for part in nav.iter(f"{XHTML}span")} == {"Chapters", "Reference"}


def test_formulas_are_mathml_and_figures_stay_in_the_page(html, parsed, trees):
    formulas = figures = 0
    for name, tree in trees.items():
        page = parsed(html / f"{name}.html").find("article")
        found = list(tree.iter(MATH))
        assert len(found) == len(page.find_all(class_="math")), name
        assert all(len(math) and math.get("alttext") for math in found), name
        assert not [e for e in classed(tree, "math") if "\\" in words(e)], name
        drawn = classed(tree, "figure-box")
        originals = page.find_all(class_="figure-box")
        originals = [box for box in originals if not box.find_parent(class_="is-wide")]
        assert len(drawn) == len(originals), name
        for box in drawn:  # `viewbox`, as the pages have it, would be no attribute of SVG
            assert box[0].tag == SVG and box[0].get("viewBox"), name
            styles = " ".join(e.get("style", "") for e in box.iter())
            assert "var(" not in styles and "undefined" not in styles, name  # no theme sets them
        formulas, figures = formulas + len(found), figures + len(drawn)
    assert formulas > 100 and figures > 50


def test_questions_are_words_with_a_folded_answer(html, parsed, trees):
    asked = 0
    for name, tree in trees.items():
        page = parsed(html / f"{name}.html").find("article")
        found, originals = classed(tree, "question"), page.find_all(class_="question")
        assert len(found) == len(originals), name
        for question, original in zip(found, originals, strict=True):
            assert words(question) == " ".join(original.get_text().split())
        asked += len(found)
    assert asked > 50


def test_what_runs_on_the_site_alone_says_so(trees):
    for name in ("chapters/live", "chapters/explorer"):
        assert "runs in a browser, with JavaScript" in words(trees[name])


@pytest.mark.parametrize("width", (PHONE, READER))
def test_no_page_is_wider_than_its_reader(driver, folder, width):
    page = driver.new_page(viewport={"width": width, "height": 900})
    for name in ("cover", "nav", *PAGES):
        page.goto((folder / f"{name}.xhtml").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.close()
