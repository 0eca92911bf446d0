"""Links of views of the live network: they need no heading of that name, and others still do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

VIEW = "net=resnet20&image=10&layer=layer1.0.conv1&unit=3,4,5&off=block+layer2.1"


def built(folder: Path, text: str) -> tuple[BeautifulSoup, str]:
    """A book of two pages, of which `text` is one; the page, and what Sphinx warned of."""
    (folder / "chapters").mkdir(parents=True)
    (folder / "index.md").write_text("# Book\n\n```{toctree}\nchapters/a\nchapters/live\n```\n")
    (folder / "chapters" / "a.md").write_text(f"# A\n\n{text}\n")
    (folder / "chapters" / "live.md").write_text("# Live\n\n## What to try\n")
    said = io.StringIO()
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            folder, None, folder / "html", folder / "doctrees", "html", status=None, warning=said,
            confoverrides={"extensions": ["myst_parser", "live"], "myst_heading_anchors": 2},
        )  # fmt: skip
        app.build()
    page = (folder / "html" / "chapters" / "a.html").read_text(encoding="utf-8")
    return BeautifulSoup(page, "html.parser"), said.getvalue()


def test_a_view_is_linked_as_it_is(tmp_path):
    page, said = built(tmp_path, f"[first *layer*](live.md#{VIEW}), [tried](live.md#what-to-try)")
    assert "not found" not in said
    links = {link.get_text(): link["href"] for link in page.select("section a.reference")}
    assert links == {"first layer": f"live.html#{VIEW}", "tried": "live.html#what-to-try"}
    assert page.select_one('a[href*="net="] em').get_text() == "layer"


@pytest.mark.parametrize("link", ["live.md#no-heading", "a.md#net=resnet20"])
def test_other_links_need_their_heading(tmp_path, link):
    _, said = built(tmp_path, f"[there]({link})")
    assert "not found" in said
