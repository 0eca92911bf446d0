"""The lecturer's pack: slides from the chapters as they are."""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import browser  # noqa: E402
import course  # noqa: E402
import lecture  # noqa: E402

# Slides whose content leaves the screen. A part of a cut drawing is as large as its box.
OVERFLOWING = """() => [...document.querySelectorAll('section')].map((_, i) => {
  Reveal.slide(i);
  const slide = Reveal.getCurrentSlide();
  const ends = [...slide.querySelectorAll(':not(img)')].map(e => e.getBoundingClientRect());
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
    assert not [mark for mark in ("**", "](", "$", "```", "\\") if mark in text]


def test_every_claim_is_on_a_slide_or_counted(chapter):
    soup = BeautifulSoup("".join(lecture.slides(chapter)), "html.parser")
    rest = re.search(r"checked in the chapter besides: (\d+)\.", soup.get_text())
    shown = len(soup.select("blockquote")) + int(rest[1] if rest else 0)
    assert shown == len(lecture.cards(chapter))


def test_the_letters_of_a_figure_can_be_read(chapter):
    for figure in lecture.figures(chapter):
        beside, cut, scale = lecture.laid(figure)
        assert scale * lecture.smallest_letters(figure.svg) >= lecture.LEGIBLE, figure.name
        width, height = lecture.size_of(figure.svg)
        assert cut[0] == 0 and cut[-1] == height and cut == sorted(cut)
        parts = len(cut) - 1
        room = lecture.BESIDE if beside else lecture.BENEATH
        assert parts * width * scale + (parts - 1) * lecture.GAP <= room + 0.1, figure.name


def drawing(boxes: list[tuple[int, int]], height: int, letters: float) -> lecture.Figure:
    """A figure of matplotlib's kind, 100 wide: boxes from top to end, and a word in each."""
    body = "".join(
        f'<path d="M 10 {top} \nL 90 {top} \nL 90 {end} \nz" style="fill: none"/>'
        f'<g transform="translate(20 {end - 2}) scale({letters / 100} -{letters / 100})"/>'
        for top, end in boxes
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 {height}">{body}</svg>'
    return lecture.Figure("chapter", "name", "Heading", "Caption.", "Boxes", svg)


def test_a_tall_drawing_is_cut_where_it_has_a_gap_and_its_parts_make_the_whole():
    boxes = [(top, top + 40) for top in range(5, 900, 50)]
    beside, cut, scale = lecture.laid(drawing(boxes, 905, letters=6))
    assert len(cut) > 2
    for y in cut[1:-1]:
        assert not [box for box in boxes if box[0] - 1 < y < box[1] + 1], y
    assert scale * 6 >= lecture.LEGIBLE
    soup = BeautifulSoup(lecture.figure_slide(drawing(boxes, 905, 6), "H"), "html.parser")
    parts = soup.select(".parts > div")
    heights = [float(re.search(r"height: ([\d.]+)px", part["style"])[1]) for part in parts]
    starts = [float(re.search(r"margin-top: (-?[\d.]+)px", p.img["style"])[1]) for p in parts]
    assert sum(heights) == pytest.approx(905 * scale, abs=0.2)
    assert starts == pytest.approx([-sum(heights[:i]) for i in range(len(parts))], abs=0.2)
    assert [part.img["alt"] for part in parts][:2] == [
        "Boxes", f"The same drawing, part 2 of {len(parts)}",
    ]  # fmt: skip


def test_a_drawing_that_can_be_read_is_whole_beside_its_caption_if_it_is_tall():
    assert lecture.laid(drawing([(5, 95)], 150, letters=6))[:2] == (True, [0, 150])
    assert lecture.laid(drawing([(5, 20)], 30, letters=6))[:2] == (False, [0, 30])


def test_formulas_are_formulas_and_plain_text_has_their_signs():
    words = "**Groups** of a $3 \\times 3$ [kernel](x.ipynb), rate $\\eta$, a < b"
    assert lecture.text_of(words) == "Groups of a 3×3 kernel, rate η, a < b"
    soup = BeautifulSoup(lecture.html_of(words), "html.parser")
    assert [math.get_text() for math in soup.select("math")] == ["3×3", "η"]


def test_links_are_public_where_the_book_has_an_address(tmp_path):
    config = tmp_path / "_config.yml"
    config.write_text('html: {baseurl: ""}\nrepository: {url: ""}\n', encoding="utf-8")
    assert lecture.address(tmp_path) == ""
    config.write_text(
        'html: {baseurl: ""}\nrepository: {url: "https://github.com/Ann/book"}\n', encoding="utf-8"
    )
    assert lecture.address(tmp_path) == "https://ann.github.io/book/"
    config.write_text('html: {baseurl: "https://a.example/b"}\n', encoding="utf-8")
    assert lecture.address(tmp_path) == "https://a.example/b/"


def test_a_deck_asks_no_other_host_nothing_overflows_and_each_slide_is_a_page_of_its_pdf(tmp_path):
    import shutil

    shutil.copytree(lecture.REVEAL, tmp_path / "reveal")
    asked, pdfs = [], {}
    with browser.launch() as chromium:
        page = chromium.new_page(viewport={"width": lecture.WIDTH, "height": lecture.HEIGHT})
        page.on("request", lambda request: asked.append(request.url))
        for chapter in course.chapters():
            path = tmp_path / f"{chapter}.html"
            path.write_text(lecture.page(chapter), encoding="utf-8")
            page.goto(path.as_uri())
            page.wait_for_function("window.Reveal && Reveal.isReady()")
            assert page.evaluate(OVERFLOWING) == [], chapter
            pdfs[chapter] = PdfReader(BytesIO(lecture.printed(page, path)))
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    for chapter, pdf in pdfs.items():
        assert len(pdf.pages) == len(lecture.slides(chapter)), chapter
        sizes = {(round(sheet.mediabox.width), round(sheet.mediabox.height)) for sheet in pdf.pages}
        assert sizes == {(960, 540)}  # points
        notes = [note.get_object() for sheet in pdf.pages for note in sheet.get("/Annots", [])]
        assert not [n for n in notes if str(n.get("/A", {}).get("/URI", "")).startswith("file:")]
        assert "the live network" in pdf.pages[-1].extract_text()


def test_the_plan_says_where_each_claim_is_treated():
    from cnnbook import claims

    plan = lecture.plan(course.chapters())
    assert all(f"`cnnbook claims {claim.id}`" in plan for claim in claims.ledger())
    assert all(chapter in plan for chapter in course.chapters())
