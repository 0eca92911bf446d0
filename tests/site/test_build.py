"""The rules of the build, on a book of two small pages made with the real configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from pypdf import PdfReader

pytestmark = pytest.mark.rare

ROOT = Path(__file__).resolve().parents[2]


def write_notebook(path: Path, code: str) -> None:
    path.parent.mkdir(exist_ok=True)
    cells = [
        new_markdown_cell("# One\n\nBack to [the first page](../intro.md)."),
        new_code_cell(code),
    ]
    nbformat.write(new_notebook(cells=cells), path)


@pytest.fixture
def book(tmp_path) -> Path:
    for name in ("_config.yml", "references.bib", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "cnnbook").mkdir()
    (tmp_path / "cnnbook" / "__init__.py").write_text("")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n  - file: chapters/one\n"
    )
    (tmp_path / "intro.md").write_text("# First page\n\n[One](chapters/one.ipynb)\n")
    write_notebook(tmp_path / "chapters" / "one.ipynb", "print(6 * 7)")
    return tmp_path


def make_book(book: Path, target: str = "book") -> tuple[int, str]:
    """Run `make TARGET` on `book` in the environment of these tests; its exit status and output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    ready = f"{sys.prefix}/.ready"  # taken as made, so that no set-up starts
    command = ["make", target, f"BOOK={book}", f"VENV={sys.prefix}", f"--old-file={ready}"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"NO_COLOR": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


def executed(output: str) -> bool:
    return "Executing notebook" in output


def caches(book: Path) -> list[Path]:
    return list((book / "_build" / ".jupyter_cache").glob("*"))


def test_notebooks_are_executed_again_only_when_the_package_changed(book):
    status, output = make_book(book)
    assert (status, executed(output)) == (0, True), output
    assert "42" in (book / "_build" / "html" / "chapters" / "one.html").read_text()

    (book / "cnnbook" / "__pycache__").mkdir()
    (book / "cnnbook" / "__pycache__" / "x.pyc").write_text("bytecode")
    status, output = make_book(book)
    assert (status, executed(output)) == (0, False), output

    (first,) = caches(book)
    (book / "cnnbook" / "__init__.py").write_text("answer = 42\n")
    status, output = make_book(book)
    assert (status, executed(output)) == (0, True), output
    (second,) = caches(book)
    assert second != first


def test_a_known_repository_gives_a_button_and_the_download_is_the_executed_notebook(book):
    page = book / "_build" / "html" / "chapters" / "one.html"
    status, output = make_book(book)
    assert status == 0, output
    assert "colab.research.google.com" not in page.read_text()
    source = nbformat.read(book / "chapters" / "one.ipynb", as_version=4)
    assert source.cells[1].outputs == []
    (link,) = BeautifulSoup(page.read_text(), "html.parser").select("a.btn-download-source-button")
    downloaded = nbformat.read(page.parent / link["href"], as_version=4)
    assert [output.text for output in downloaded.cells[1].outputs] == ["42\n"]

    config = book / "_config.yml"
    config.write_text(config.read_text().replace('url: ""', "url: https://github.com/a/b"))
    status, output = make_book(book)
    assert status == 0, output
    address = "https://colab.research.google.com/github/a/b/blob/colab/chapters/one.ipynb"
    soup = BeautifulSoup(page.read_text(), "html.parser")
    links = {link["href"] for link in soup.select("a[href*='github.com']")}
    home = "https://github.com/a/b"
    issue = f"{home}/issues/new?title=On%20page%20%2Fchapters/one"
    assert {link["href"] for link in soup.select("a[href*=colab]")} == {address}
    assert {home, f"{home}/edit/HEAD/chapters/one.ipynb", issue} <= links
    assert "colab.research.google.com" not in (book / "_build/html/intro.html").read_text()


def test_pages_describe_themselves_and_name_their_picture_where_the_book_has_an_address(book):
    def told(name: str) -> dict[str, str]:
        soup = BeautifulSoup((book / "_build" / "html" / name).read_text(), "html.parser")
        tags = soup.select("meta[name=description], meta[property]")
        return {tag.get("property") or tag["name"]: tag["content"] for tag in tags}

    source = book / "chapters" / "one.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[
        0
    ].source = "# One\n\nWhat is *six* times seven?\n\n## A part\n\n**Is it so?** Yes."
    nbformat.write(notebook, source)
    status, output = make_book(book)
    assert status == 0, output
    found = told("chapters/one.html")
    assert found["description"] == found["og:description"] == "What is six times seven?"
    assert found["og:title"] == "One"
    assert not {"og:url", "og:image"} & set(found)
    assert not (book / "_build/html/_static/card.png").exists()

    config = book / "_config.yml"
    config.write_text(config.read_text().replace('baseurl: ""', "baseurl: https://book.example/x/"))
    status, output = make_book(book)
    assert status == 0, output
    found = told("chapters/one.html")
    assert found["og:url"] == "https://book.example/x/chapters/one.html"
    picture = found["og:image"].removeprefix("https://book.example/x/")
    content = (book / "_build" / "html" / picture).read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 10_000
    # The line under a chapter's title asks its question and leads to its section.
    page = BeautifulSoup((book / "_build/html/chapters/one.html").read_text(), "html.parser")
    (asked,) = page.select(".chapter-line .asks a")
    assert (asked.text, asked["href"]) == ("Is it so?", "#a-part")
    assert page.find(id="a-part")


def test_a_build_does_no_more_than_what_changed(book):
    page, first = (book / "_build/html" / name for name in ("chapters/one.html", "intro.html"))
    assert make_book(book)[0] == 0
    status, output = make_book(book)
    assert status == 0 and "nothing changed since the last build" in output

    source = book / "chapters" / "one.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[0].source += "\n\nA sentence more."
    nbformat.write(notebook, source)
    status, output = make_book(book)
    assert status == 0 and "0 added, 1 changed" in output
    assert "A sentence more." in page.read_text()
    for text in (page.read_text(), first.read_text()):  # one written anew, one of the build before
        scripts = BeautifulSoup(text, "html.parser").select("script[src]")
        assert scripts and all(script.has_attr("defer") for script in scripts)
        assert text.count("const DOCUMENTATION_OPTIONS") == 1

    # A heading is in the other pages' navigation too.
    notebook.cells[0].source = notebook.cells[0].source.replace("# One", "# Two")
    nbformat.write(notebook, source)
    status, output = make_book(book)
    assert status == 0 and "2 added, 0 changed" in output
    assert "Two" in first.read_text()

    # After a failure nothing of it is left.
    notebook.cells[0].source += "\n\n[Nowhere](nowhere.ipynb)"
    nbformat.write(notebook, source)
    for _ in range(2):
        status, output = make_book(book)
        assert status != 0 and "nowhere.ipynb" in output
    notebook.cells[0].source = notebook.cells[0].source.replace("[Nowhere](nowhere.ipynb)", "")
    nbformat.write(notebook, source)
    assert make_book(book)[0] == 0


def test_two_notebooks_are_executed_at_a_time_with_a_thread_each(book):
    code = "import os, time; print(os.environ.get('OMP_NUM_THREADS'), time.monotonic()); "
    code += "time.sleep(3); print(time.monotonic())"
    for name in ("one", "two"):  # the cache takes two notebooks of the same cells for one
        write_notebook(book / "chapters" / f"{name}.ipynb", f"{code}  # {name}")
    with (book / "_toc.yml").open("a") as toc:
        toc.write("  - file: chapters/two\n")
    status, output = make_book(book)
    assert status == 0 and output.count("Executing notebook") == 2, output
    times = []
    for name in ("one", "two"):
        executed = book / "_build" / "html" / "_sources" / "chapters" / f"{name}.ipynb"
        cell = nbformat.read(executed, as_version=4).cells[1]
        threads, began, ended = "".join(output.text for output in cell.outputs).split()
        assert threads == "1"
        times.append((float(began), float(ended)))
    (_, first_end), (second_start, _) = sorted(times)
    assert second_start < first_end


def test_a_failing_cell_fails_the_build_every_time(book):
    write_notebook(book / "chapters" / "one.ipynb", "raise RuntimeError('as the test wants')")
    for _ in range(2):
        status, output = make_book(book)
        assert status != 0, output
        assert "one.ipynb" in output


def test_a_warning_fails_the_build_every_time(book):
    (book / "intro.md").write_text("# First page\n\n[Nowhere](chapters/two.ipynb)\n")
    for _ in range(2):
        status, output = make_book(book)
        assert status != 0, output
        assert "chapters/two.ipynb" in output


def test_a_missing_page_stops_the_build_before_anything_is_executed(book):
    with (book / "_toc.yml").open("a") as toc:
        toc.write("  - file: chapters/two\n")
    status, output = make_book(book)
    assert status != 0
    assert "_toc.yml lists pages that do not exist: chapters/two" in output
    assert not executed(output)


def test_a_page_that_left_the_contents_leaves_the_site(book):
    make_book(book)
    (book / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (book / "intro.md").write_text("# First page\n")
    status, output = make_book(book)
    assert status == 0, output
    assert not (book / "_build" / "html" / "chapters" / "one.html").exists()


def test_the_whole_book_is_linked_where_it_lies_beside_the_pages(book):
    html = book / "_build" / "html"
    (book / "intro.md").write_text('# First page\n\nWords.\n\n<div id="ways"></div>\n')

    def offered() -> dict[str, dict[str, str]]:
        """By page, what its links to files beside the pages lead to, by the link's words."""
        found = {}
        for name in ("intro.html", "chapters/one.html"):
            soup = BeautifulSoup((html / name).read_text(), "html.parser")
            (place,) = soup.select(".whole-book")
            found[name] = {a.text: a["href"] for a in place.select("a")}
            assert bool(found[name]) == bool(place.text)
            assert all((html / name).parent.joinpath(to).is_file() for to in found[name].values())
        return found

    status, output = make_book(book)
    assert status == 0, output
    assert offered() == {"intro.html": {}, "chapters/one.html": {}}

    status, output = make_book(book, "site")
    assert status == 0, output
    both = {
        "intro.html": {"PDF": "book.pdf", "EPUB": "book.epub"},
        "chapters/one.html": {"PDF": "../book.pdf", "EPUB": "../book.epub"},
    }
    assert offered() == both
    assert len(PdfReader(html / "book.pdf").pages) == 3  # contents, and two pages
    with ZipFile(html / "book.epub") as archive:
        assert "whole book" not in archive.read("book/chapters/one.xhtml").decode()

    write_notebook(book / "chapters" / "one.ipynb", "print(6 * 8)")
    status, output = make_book(book)  # what was bound is out of date
    assert status == 0, output
    assert offered() == {"intro.html": {}, "chapters/one.html": {}}
    assert list(html.glob("book.*")) == []

    status, output = make_book(book, "site")
    assert status == 0, output
    assert offered() == both
    text = " ".join(page.extract_text() for page in PdfReader(html / "book.pdf").pages)
    assert "48" in text and "whole book" not in text


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MIXED = """\
from IPython.display import HTML, SVG, display
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9"/></svg>'))
display(HTML("<table><tr><td>six<td>seven &nbsp;<br></table><script>later()</script>"))
display(HTML('<div class="question" data-question="{}"><p>How many?</p><button>Ask</button></div>'))
"""


def test_what_a_page_may_hold_is_valid_in_an_epub(book, epub_faults):
    (book / "dot.png").write_bytes(b64decode(PIXEL))
    (book / "intro.md").write_text(
        "# First page\n\n[One](chapters/one.ipynb), [the list](_toc.yml), ![A dot](dot.png).\n\n"
        "$$\n\\log x = y\n$$ (law)\n\nBy {eq}`law`, $x > 0$.\n\n<div hidden>Unseen</div>\n\n"
        "<noscript>Here it stands still.</noscript>\n"
    )
    write_notebook(book / "chapters" / "one.ipynb", MIXED)
    status, output = make_book(book, "epub")
    assert status == 0, output
    made = book / "_build" / "book.epub"
    assert epub_faults(made) == []
    with ZipFile(made) as archive:
        first, one = (
            BeautifulSoup(archive.read(f"book/{name}.xhtml").decode(), "html.parser").body
            for name in ("intro", "chapters/one")
        )
        assert archive.read(f"book/{first.img['src']}") == b64decode(PIXEL)
        sizes = len(archive.read("book/cover.png"))
    assert [link["href"] for link in first.select("a")][0] == "chapters/one.xhtml"
    assert "the list" in first.text and "Here it stands still." in first.text
    assert "Unseen" not in first.text and not first.find("a", string="the list")
    law, inline = first.select("math")
    assert (law["display"], law["alttext"]) == ("block", r"\log x = y")
    assert first.select_one("div.math").text.startswith("(1)") and inline["alttext"] == "x > 0"
    assert first.select_one(f"a[href='#{law.parent['id']}']")
    assert [cell.text.strip() for cell in one.select("td")] == ["six", "seven"]
    assert one.select_one(".question").text == "How many?" and one.svg
    assert sizes > 1000
