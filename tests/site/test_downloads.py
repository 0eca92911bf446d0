"""The pages link the whole book, as PDF and EPUB, if it lies beside them."""

from __future__ import annotations

import downloads
import pytest
from bs4 import BeautifulSoup

PAGES = ("intro.html", "chapters/one.html", "chapters/solutions/one.html")


@pytest.fixture
def pages(tmp_path):
    for name in PAGES:
        path = tmp_path / "_build" / "html" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = " · The whole book: " if "chapters" in name else ""
        path.write_text(f"<p>Edit{downloads.place(before)}</p><p>Text</p>", encoding="utf-8")
    return tmp_path / "_build" / "html"


def shown(pages, name: str) -> tuple[str, list[str]]:
    soup = BeautifulSoup((pages / name).read_text(encoding="utf-8"), "html.parser")
    return soup.p.get_text(), [a["href"] for a in soup.select("a")]


def test_nothing_is_linked_that_is_not_there(pages):
    untouched = {name: (pages / name).stat().st_mtime_ns for name in PAGES}
    downloads.offer(pages)
    for name in PAGES:
        assert shown(pages, name) == ("Edit", [])
        assert (pages / name).stat().st_mtime_ns == untouched[name]


@pytest.mark.parametrize("names", [["book.pdf"], ["book.epub"], ["book.pdf", "book.epub"]])
def test_what_is_there_is_linked_from_each_depth_and_only_that(pages, names):
    for name in names:
        (pages / name).write_bytes(b"x" * 1_600_000)
    for _ in range(2):  # a second time changes nothing
        downloads.offer(pages)
        words = [downloads.FORMATS[name] for name in names]
        assert shown(pages, "intro.html") == (f"Edit{' '.join(words)}", names)
        one = shown(pages, "chapters/one.html")
        assert one == (f"Edit · The whole book: {', '.join(words)}", [f"../{n}" for n in names])
        for page in PAGES:
            for to in shown(pages, page)[1]:
                assert (pages / page).parent.joinpath(to).is_file()
        assert "The whole book, 1.6 MB" in (pages / "intro.html").read_text(encoding="utf-8")
    (pages / names[0]).unlink()
    downloads.offer(pages)
    assert len(shown(pages, "chapters/one.html")[1]) == len(names) - 1


def test_what_was_not_bound_is_asked_for(pages, capsys):
    (pages.parent / "book.pdf").write_bytes(b"%PDF")
    assert downloads.main(pages.parents[1]) == 1
    assert capsys.readouterr().err == f"no book.epub in {pages.parent}: run `make site`\n"
    assert shown(pages, "intro.html") == ("Edit", [])
    (pages.parent / "book.epub").write_bytes(b"PK")
    assert downloads.main(pages.parents[1]) == 0
    assert shown(pages, "intro.html")[1] == ["book.pdf", "book.epub"]
    assert (pages / "book.epub").read_bytes() == b"PK"
