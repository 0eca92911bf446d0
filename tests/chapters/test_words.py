"""Terms and symbols: what the chapters use is on the two pages that explain it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "chapters"
PAGES = [
    ROOT / "intro.md",
    *(page for page in sorted(CHAPTERS.glob("*.[im][pd]*")) if page.stem != "glossary"),
]
# Bold for stress: these words name nothing.
STRESS = {"on the images that they learn from"}
BOLD = re.compile(r"\*\*(.+?)\*\*", re.S)
BUTTON = re.compile(r"<button[^>]*>([^<]+)<")
ENTRY = re.compile(r"^(\S.*)\n: ((?:.*\n)(?:  .*\n)*)", re.M)
FORMULA = re.compile(r"\$\$?([^$]+)\$\$?")
# In a formula: what is set upright, the names of commands, and then letters, a prime behind.
UPRIGHT = re.compile(r"\\(?:text|mathrm|operatorname)\{[^}]*\}|\\[A-Za-z]+")
SYMBOL = re.compile(r"[A-Za-z]'?")


def text(page: Path) -> str:
    if page.suffix == ".md":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def plain(words: str) -> str:
    """Words as they are compared: one space between them, no marks of stress or code."""
    return " ".join(words.replace("*", "").replace("_", " ").split())


def terms(markdown: str) -> set[str]:
    """The bold words that name a thing: no question or sentence, no button, no mere stress."""
    bold = {plain(words) for words in BOLD.findall(markdown)}
    return {b for b in bold if b[-1] not in "?.!:"} - STRESS - set(BUTTON.findall(markdown))


def symbols(markdown: str) -> set[str]:
    formulas = " ".join(FORMULA.findall(markdown))
    return set(SYMBOL.findall(UPRIGHT.sub(" ", formulas)))


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and the book make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def section(markdown: str, anchor: str) -> str:
    """The heading with this anchor and what stands below it, up to the next heading."""
    parts = re.split(r"^#+ ", markdown, flags=re.M)
    return {slug(part.partition("\n")[0]): part for part in parts}[anchor]


ENTRIES = [
    (names.split(", "), definition)
    for names, definition in ENTRY.findall(text(CHAPTERS / "glossary.md"))
]
# A chapter calls shortcuts by their letters alone.
EXPLAINED = {name.removeprefix("shortcuts ") for names, _ in ENTRIES for name in names}


def test_terms_are_told_from_sentences_stress_and_buttons():
    bold = "**Why?** A **grouped\nconvolution** **on the images that they learn from**. **So.** "
    button = '<button type="button">Undo</button> A step back is **Undo**.'
    assert terms(bold + button) == {"grouped convolution"}


def test_symbols_are_told_from_words():
    formulas = r"$\text{flops} = C' \cdot \frac{K}{S}$, and $$y = \mathrm{relu}(x)$$"
    assert symbols(formulas) == {"C'", "K", "S", "y", "x"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_bold_term_is_in_the_glossary(page):
    missing = {t for t in terms(text(page)) if not {t, t.lower()} & EXPLAINED}
    assert sorted(missing) == [], "explain them in chapters/glossary.md"


def test_what_is_listed_as_stress_is_still_bold():
    bold = {plain(words) for page in PAGES for words in BOLD.findall(text(page))}
    assert bold >= STRESS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_symbol_is_on_the_page_of_notation(page):
    everywhere, special = text(CHAPTERS / "notation.md").split("## In one chapter only")
    chapters = special.split("\n### ")
    own = [rows for rows in chapters if f"({page.name})" in rows or page.stem == "notation"]
    known = symbols(everywhere) | symbols("\n".join(own))
    assert sorted(symbols(text(page)) - known) == [], "explain them in chapters/notation.md"


def test_the_glossary_is_in_order_and_explains_each_term_once():
    names = [names[0].lower() for names, _ in ENTRIES]
    assert names and names == sorted(names)
    assert len(EXPLAINED) == sum(len(names) for names, _ in ENTRIES)


@pytest.mark.parametrize(("names", "definition"), ENTRIES, ids=[names[0] for names, _ in ENTRIES])
def test_an_entry_leads_to_the_section_that_uses_its_term(names, definition):
    ((page, anchor),) = re.findall(r"\]\(([\w./]+)#([\w-]+)\)", definition)
    used = plain(section(text(CHAPTERS / page), anchor))
    assert any(re.search(rf"\b{re.escape(name)}", used, re.I) for name in names)
