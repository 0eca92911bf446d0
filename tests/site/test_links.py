"""Every address inside the built pages leads somewhere."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
from bs4 import BeautifulSoup
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"http", "https", "mailto", "data"}


@cache
def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path: Path) -> set[str]:
    return {tag.get("id") or tag.get("name") for tag in parsed(path).select("[id], a[name]")}


def addresses(path: Path) -> list[str]:
    """Every address in a page, relative ones and those of other hosts."""
    tags = parsed(path).select("[href], [src]")
    return [tag.get("href") or tag.get("src") or "" for tag in tags]


def broken(page: Path, address: str) -> bool:
    """Whether `address`, as `page` writes it, is inside the book and leads nowhere."""
    url = urlsplit(address)
    if url.scheme in ELSEWHERE:
        return False
    target = (page.parent / unquote(url.path)).resolve() if url.path else page
    if not target.is_file():
        return True
    fragment = unquote(url.fragment)
    return bool(fragment) and target.suffix == ".html" and fragment not in anchors(target)


def test_every_page_of_the_contents_is_built(html):
    site_map = parse_toc_yaml(ROOT / "_toc.yml")
    assert [page for page in site_map if not (html / f"{page}.html").exists()] == []


def test_links_images_scripts_and_styles_resolve(html):
    pages = browser.pages(html)
    found = [(page, address) for page in pages for address in addresses(page)]
    assert len(found) > 10 * len(pages), "the pages have suspiciously few addresses"
    assert [(p.name, address) for p, address in found if broken(p, address)] == []


def test_files_that_styles_name_exist(html):
    urls = [
        (style, url)
        for style in html.rglob("*.css")
        for url in re.findall(r"url\(['\"]?([^'\")]+)", style.read_text(encoding="utf-8"))
    ]
    assert [(s.name, url) for s, url in urls if broken(s, url)] == []


def test_every_figure_of_a_page_has_an_alternative_text(html):
    def described(image) -> bool:
        alt = image.get("alt", "").strip()
        return bool(alt) and not re.search(r"\.(svg|png|jpe?g|gif)$|^\.*/|_images", alt)

    faults = [
        (page.name, image.get("src"))
        for page in browser.pages(html)
        for image in parsed(page).select("article img")
        if not described(image)
    ]
    assert faults == []
