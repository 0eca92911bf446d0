"""The papers that pages cite, against references.bib: one list, and every page links its own."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "intro.md", *sorted((ROOT / "chapters").glob("*.[im][pd]*"))]
# A Markdown link to a paper: its text, which may run over two lines, and its address.
PAPER = re.compile(r"\[([^\]]*)\]\((https://(?:arxiv\.org/abs|doi\.org)/[^)\s]+)\)")
ENTRY = re.compile(r"^- (?:.|\n(?!- ))*", re.M)


def addresses(entry) -> set[str]:
    """The addresses of a paper: its DOI's, its preprint's."""
    hosts = {"doi": "https://doi.org/", "eprint": "https://arxiv.org/abs/"}
    return {host + entry.fields[key] for key, host in hosts.items() if key in entry.fields}


BIB = parse_file(ROOT / "references.bib").entries
BY_ADDRESS = {address: entry for entry in BIB.values() for address in addresses(entry)}


def words(text: str) -> str:
    """Text as it is compared: lower case, no braces of BibTeX, one space between words."""
    return " ".join(re.sub(r"[{}]", "", text).lower().split())


def markdown(page: Path) -> str:
    if page.suffix == ".md":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_every_paper_has_a_doi_or_an_arxiv_number():
    assert BIB
    for key, entry in BIB.items():
        assert addresses(entry), f"{key}: give it a doi, or eprint with the arXiv number"
        for address in addresses(entry):
            assert re.match(r"https://(doi\.org/10\.|arxiv\.org/abs/\d{4}\.)", address), key


def test_every_paper_of_the_bibliography_is_linked_by_a_page():
    linked = {address for page in PAGES for _, address in PAPER.findall(markdown(page))}
    assert [key for key, entry in BIB.items() if not addresses(entry) & linked] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_paper_that_a_page_links_is_in_the_bibliography(page):
    linked = {address for _, address in PAPER.findall(markdown(page))}
    assert sorted(linked - set(BY_ADDRESS)) == [], "add them to references.bib"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "## References" in markdown(page)], ids=lambda p: p.stem
)
def test_the_list_below_a_page_agrees_with_the_bibliography(page):
    body, _, listed = markdown(page).partition("## References")
    entries = [(text, PAPER.search(text)) for text in ENTRY.findall(listed)]
    papers = {link[2]: (text, link[1]) for text, link in entries if link}
    assert papers, "the list links no paper"
    for address, (text, title) in papers.items():
        entry = BY_ADDRESS[address]
        assert words(title) == words(entry.fields["title"])
        first = entry.persons["author"][0].last_names[-1]
        assert re.match(rf"- [^,]*\b{re.escape(first)}\b", text), f"the first author is {first}"
    missing = {address for _, address in PAPER.findall(body)} - set(papers)
    assert sorted(missing) == [], "the text links them, the list does not"
