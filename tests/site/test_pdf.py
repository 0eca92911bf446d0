"""The bound book, on two of its pages."""

from __future__ import annotations

import re
import shutil
from io import BytesIO
from pathlib import Path

import browser
import pdf
import pytest
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("intro", "chapters/claims")  # the first leads to the second, and to others


@pytest.fixture(scope="module")
def book(html) -> PdfReader:
    content = BytesIO()
    with browser.launch() as chromium:
        pdf.bind(chromium, [html / f"{name}.html" for name in PAGES], "Two pages").write(content)
    return PdfReader(content)


@pytest.fixture(scope="module")
def texts(book) -> list[str]:
    return [" ".join(sheet.extract_text().split()) for sheet in book.pages]


def links(book, number: int) -> list:
    """The links of a page: addresses, or numbers of pages of the book."""
    found = []
    for note in book.pages[number - 1].get("/Annots", []):
        note = note.get_object()
        if "/A" in note:
            found.append(note["/A"]["/URI"])
        else:
            found.append(book.get_page_number(note["/Dest"][0].get_object()) + 1)
    return found


def test_the_contents_say_where_each_page_begins(book, texts):
    match = re.fullmatch(
        r"Two pages Convolutional Networks, Measured (\d+) The ledger (\d+) 1", texts[0]
    )
    assert match, texts[0]
    intro, ledger = (int(number) for number in match.groups())
    assert links(book, 1) == [intro, ledger]
    assert texts[intro - 1].startswith("Convolutional Networks, Measured An executable textbook")
    assert texts[ledger - 1].startswith("The ledger ")
    assert 2 == intro < ledger < len(texts)


def test_every_page_has_its_number(texts):
    assert [text.split()[-1] for text in texts] == [str(i + 1) for i in range(len(texts))]


def test_links_inside_the_book_lead_to_its_pages_and_others_to_the_net(book, texts):
    ledger = next(i + 1 for i, text in enumerate(texts) if text.startswith("The ledger "))
    found = [link for i in range(1, ledger - 1) for link in links(book, i + 1)]
    assert ledger in found
    everywhere = [link for i in range(len(texts)) for link in links(book, i + 1)]
    assert not [link for link in everywhere if isinstance(link, str) and "http" not in link]


def test_the_outline_has_the_pages_and_their_headings(book, texts):
    contents, intro, inside, ledger, claims = book.outline
    assert [item.title for item in (contents, intro, ledger)] == [
        "Contents",
        "Convolutional Networks, Measured",
        "The ledger",
    ]
    for item in [*inside, *claims]:
        assert item.title in texts[book.get_destination_page_number(item)]
    assert len(inside) > 2 and len(claims) > 2


def test_what_does_not_belong_on_paper_is_left_out(book, texts):
    for words in (
        "Search this book",
        "Click to show",
        "Skip to main content",
        "Back to top",
        "Print to PDF",
    ):
        assert not [text for text in texts if words in text], words
    sizes = {(round(sheet.mediabox.width), round(sheet.mediabox.height)) for sheet in book.pages}
    assert sizes == {(595, 842)}  # A4


def test_answers_are_open(html):
    with browser.launch() as chromium:
        page = chromium.new_page()
        answers = pdf.printed(page, html / "chapters" / "solutions" / "measuring.html").print
    text = " ".join(" ".join(sheet.extract_text() for sheet in answers.pages).split())
    assert "its parameters do not" in text  # words of an answer
    assert "128 kernels, 28 pixels: 392 KB" in text  # what its code prints


def test_the_pages_of_the_contents_are_bound_in_their_order(html):
    listed = [path.relative_to(html).as_posix() for path in pdf.listed(ROOT)]
    assert listed[0] == "intro.html"
    assert listed.index("chapters/alexnet.html") < listed.index("chapters/resnet.html")
    assert all((html / name).exists() for name in listed)


def test_a_book_that_is_not_built_is_refused_in_one_line(tmp_path):
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    with pytest.raises(SystemExit, match=r"^pages missing in .*: intro\.html, .*; run `make book`"):
        pdf.main(tmp_path)
