"""Every address inside the built pages leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
import pytest
from bs4 import BeautifulSoup
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"http", "https", "mailto", "data"}


@pytest.fixture(scope="module")
def anchors(parsed):
    @cache
    def anchors(path: Path) -> set[str]:
        return {tag.get("id") or tag.get("name") for tag in parsed(path).select("[id], a[name]")}

    return anchors


def addresses(page: BeautifulSoup) -> list[str]:
    """Every address in a page, relative ones and those of other hosts."""
    return [tag.get("href") or tag.get("src") or "" for tag in page.select("[href], [src]")]


def broken(page: Path, address: str, anchors: Callable[[Path], set[str]]) -> bool:
    """Whether `address`, as `page` writes it, is inside the book and leads nowhere."""
    url = urlsplit(address)
    if url.scheme in ELSEWHERE:
        return False
    target = (page.parent / unquote(url.path)).resolve() if url.path else page
    if not target.is_file():
        return True
    fragment = unquote(url.fragment)
    if target.name == "live.html" and fragment.startswith("net="):
        return False  # a view of the live network: test_live.py opens it
    return bool(fragment) and target.suffix == ".html" and fragment not in anchors(target)


def test_every_page_of_the_contents_is_built(html):
    site_map = parse_toc_yaml(ROOT / "_toc.yml")
    assert [page for page in site_map if not (html / f"{page}.html").exists()] == []


def test_links_images_scripts_and_styles_resolve(html, parsed, anchors):
    pages = browser.pages(html)
    found = [(page, address) for page in pages for address in addresses(parsed(page))]
    assert len(found) > 10 * len(pages), "the pages have suspiciously few addresses"
    assert [(p.name, address) for p, address in found if broken(p, address, anchors)] == []


def test_files_that_styles_name_exist(html, anchors):
    urls = [
        (style, url)
        for style in html.rglob("*.css")
        for url in re.findall(r"url\(['\"]?([^'\")]+)", style.read_text(encoding="utf-8"))
    ]
    assert [(s.name, url) for s, url in urls if broken(s, url, anchors)] == []
