from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from zipfile import ZIP_STORED, ZipFile, is_zipfile

import browser
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book. `make test` builds it; these tests look at what a reader gets."""
    html = ROOT / "_build" / "html"
    assert (html / "index.html").exists(), "no built book in _build/html: run `make book` first"
    return html


def pytest_addoption(parser):
    parser.addoption(
        "--browser", choices=tuple(browser.NAMES), default="chromium",
        help="what drives the pages of the tests marked `firefox`",
    )  # fmt: skip


@pytest.fixture(scope="module")
def driver(request):
    """The browser that --browser names: Chromium, unless `make test-all` asks for Firefox."""
    # `pytest tests` finds this file too late to know the option: then it is Chromium.
    with browser.launch(request.config.getoption("--browser", "chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium():
    with browser.launch() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def parsed() -> Callable[[Path], BeautifulSoup]:
    """A built page as a tree to look at, not to change: each is parsed once for all tests."""

    @cache
    def parsed(path: Path) -> BeautifulSoup:
        return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")

    return parsed


# Of XML's names the part after the namespace, and what fetches a file.
OPF = "{http://www.idpf.org/2007/opf}"
XHTML = "{http://www.w3.org/1999/xhtml}"
XLINK = "{http://www.w3.org/1999/xlink}href"


@pytest.fixture(scope="session")
def epub_faults() -> Callable[[Path], list[str]]:
    """What is wrong with an EPUB, by these lines and by epubcheck where that is installed."""

    def faults(path: Path) -> list[str]:
        with ZipFile(path) as archive:
            first = archive.infolist()[0]
            contents = {name: archive.read(name) for name in archive.namelist()}
        found = []
        if (first.filename, first.compress_type) != ("mimetype", ZIP_STORED):
            found.append("mimetype is not first, or compressed")
        package = ElementTree.fromstring(contents["book/content.opf"])
        items = {item.get("id"): item for item in package.iter(f"{OPF}item")}
        named = [f"book/{item.get('href')}" for item in items.values()]
        others = {"mimetype", "META-INF/container.xml", "book/content.opf"}
        if sorted(named) != sorted(contents.keys() - others):
            found.append("the manifest does not name each file once")
        pages = {
            f"book/{item.get('href')}": ElementTree.fromstring(contents[f"book/{item.get('href')}"])
            for item in items.values()
            if item.get("media-type") == "application/xhtml+xml"
        }
        order = [items[entry.get("idref")].get("href") for entry in package.iter(f"{OPF}itemref")]
        if sorted(f"book/{name}" for name in order) != sorted(pages):
            found.append("the spine does not name each page once")
        ids = {name: Counter(e.get("id") for e in page.iter()) for name, page in pages.items()}
        for name, page in pages.items():
            found += [
                f"{name}: id {id} {times} times"
                for id, times in ids[name].items()
                if id and times > 1
            ]
            for element in page.iter():
                found += of_element(name, element, contents, ids)
        if command := shutil.which("epubcheck"):
            # Debian's is a JAR, which not every system starts by itself.
            start = ["java", "-jar", command] if is_zipfile(command) else [command]
            done = subprocess.run([*start, path], capture_output=True, text=True, check=False)
            if done.returncode:
                found.append(done.stdout + done.stderr)
        return found

    def of_element(name: str, element, contents: dict, ids: dict) -> list[str]:
        found = []
        tag = element.tag.removeprefix(XHTML)
        if tag in ("script", "noscript", "button", "input", "form", "iframe", "canvas"):
            found.append(f"{name}: <{tag}>")
        found += [f"{name}: {key} of <{tag}>" for key in element.attrib if key.startswith("on")]
        for key in ("src", "srcset", "href", XLINK):
            url = urlsplit(element.get(key, ""))
            if key not in element.attrib or url.scheme == "data":
                continue
            if url.scheme or url.netloc:
                if tag != "a":
                    found.append(f"{name}: {element.get(key)} is elsewhere")
                continue
            target = normpath(join(dirname(name), unquote(url.path))) if url.path else name
            known = target in contents
            if not known or (url.fragment and unquote(url.fragment) not in ids[target]):
                found.append(f"{name}: {element.get(key)} leads nowhere")
        return found

    return faults
