"""The whole book as one PDF: every page of the contents printed by the browser, and bound.

A list of contents with page numbers comes first; the outline has every heading; links between
pages of the book lead to their pages in the PDF.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
import yaml
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject
from sphinx_external_toc.parsing import parse_toc_yaml

from cnnbook._files import write_whole

ROOT = Path(__file__).resolve().parents[1]
HEADINGS = """() => [...document.querySelectorAll('article h2')]
  .map(h => [h.textContent.replace(/#$/, ''), h.closest('section').id])"""
STYLE = """
@page { size: A4; margin: 0 }
body { margin: 0; font: 10.5pt/1.5 system-ui, sans-serif; color: #222 }
.contents { padding: 30mm 22mm } h1 { margin: 0 0 15mm }
.contents a { display: flex; justify-content: space-between; color: inherit;
  text-decoration: none; border-bottom: 1px dotted #999; margin-bottom: 2mm }
.number { height: 287mm; text-align: center; break-after: page; position: relative }
.number:last-child { break-after: auto }
.number span { position: absolute; bottom: 1mm; left: 0; right: 0 }
"""


def listed(book: Path) -> list[Path]:
    """The built pages of `book` in the order of its `_toc.yml`."""
    html = book / "_build" / "html"
    return [html / f"{page}.html" for page in parse_toc_yaml(book / "_toc.yml")]


@dataclass
class Chapter:
    """A built page, printed: its title, its headings as text and anchor, where it begins."""

    title: str
    headings: list[tuple[str, str]]
    print: PdfReader
    first: int = 0  # index of its first sheet in the bound book

    def place(self, anchor: str) -> tuple[int, list]:
        """Index of the sheet in the bound book that has `anchor`, and how to show it there."""
        goal = self.print.named_destinations.get(f"/{anchor}")
        if goal is None:
            return self.first, [NameObject("/Fit")]
        top = FloatObject(goal.top)
        show = [NameObject("/XYZ"), NullObject(), top, NullObject()]
        return self.first + self.print.get_destination_page_number(goal), show


def printed(page, path: Path) -> Chapter:
    browser.open_page(page, path)
    # Pictures further down are loaded late otherwise, which is after the print.
    page.evaluate("Promise.all([...document.images].map(i => (i.loading = 'eager', i.decode())))")
    if path.parent.name == "solutions":  # folded, they would be no answers
        page.evaluate("document.querySelectorAll('article details').forEach(d => d.open = true)")
    content = page.pdf(prefer_css_page_size=True, print_background=True, tagged=True)
    return Chapter(
        page.title().split(" — ")[0], page.evaluate(HEADINGS), PdfReader(BytesIO(content))
    )


def written(page, body: str) -> PdfReader:
    """The print of a page that is no page of the book: the contents, the page numbers."""
    page.set_content(f"<html lang='en'><style>{STYLE}</style><body>{body}</body></html>")
    return PdfReader(BytesIO(page.pdf(prefer_css_page_size=True)))


def contents(page, title: str, chapters: dict[Path, Chapter]) -> PdfReader:
    lines = (
        f'<a href="{path.as_uri()}"><span>{escape(chapter.title)}</span>'
        f"<span>{chapter.first + 1}</span></a>"
        for path, chapter in chapters.items()
    )
    return written(page, f'<div class="contents"><h1>{escape(title)}</h1>{"".join(lines)}</div>')


def lead_inside(
    writer: PdfWriter, chapters: dict[Path, Chapter], here: Path | None, sheets
) -> None:
    """Turn links to the book's files into links to `sheets`; drop those to other files.

    Anchors are unique in a page, not in the book: those without a file are of the page `here`.
    """
    for sheet in sheets:
        kept = ArrayObject()
        for reference in sheet.get("/Annots", ArrayObject()):
            note = reference.get_object()
            address = str(note.get("/A", {}).get("/URI", ""))
            if "/Dest" in note:
                target, anchor = here, str(note["/Dest"]).removeprefix("/")
            elif address.startswith("file:"):
                url = urlsplit(address)
                target, anchor = Path(unquote(url.path)), unquote(url.fragment)
            else:
                kept.append(reference)
                continue
            if target in chapters:
                note.pop("/A", None)
                i, show = chapters[target].place(anchor)
                goal = writer.pages[i].indirect_reference
                note[NameObject("/Dest")] = ArrayObject([goal, *show])
                kept.append(reference)
        if "/Annots" in sheet:
            sheet[NameObject("/Annots")] = kept


def bind(chromium, paths: list[Path], title: str) -> PdfWriter:
    """One PDF of the built pages `paths`, with contents, page numbers, and an outline."""
    page = chromium.new_page(color_scheme="light", viewport={"width": 1000, "height": 1400})
    chapters = {path: printed(page, path) for path in paths}
    # The list is as long with wrong numbers, and its length is what the numbers begin with.
    first = len(contents(page, title, chapters).pages)
    for chapter in chapters.values():
        chapter.first = first
        first += len(chapter.print.pages)
    writer = PdfWriter()
    writer.append(contents(page, title, chapters), outline_item="Contents")
    for chapter in chapters.values():
        writer.append(chapter.print, import_outline=False)
        item = writer.add_outline_item(title=chapter.title, page_number=chapter.first)
        for text, anchor in chapter.headings:
            number, _ = chapter.place(anchor)
            writer.add_outline_item(title=text, page_number=number, parent=item)
    sheets = list(writer.pages)
    numbers = "".join(f'<div class="number"><span>{i + 1}</span></div>' for i in range(len(sheets)))
    for sheet, number in zip(sheets, written(page, numbers).pages, strict=True):
        sheet.merge_page(number)
    lead_inside(writer, chapters, None, sheets[: chapters[paths[0]].first])
    for path, chapter in chapters.items():
        own = sheets[chapter.first : chapter.first + len(chapter.print.pages)]
        lead_inside(writer, chapters, path, own)
    writer.add_metadata({"/Title": title})
    for sheet in sheets:
        sheet.compress_content_streams()
    writer.compress_identical_objects()
    page.close()
    return writer


def main(book: Path) -> None:
    paths, build = listed(book), book / "_build"
    if missing := [path.name for path in paths if not path.exists()]:
        sys.exit(f"pages missing in {build / 'html'}: {', '.join(missing)}; run `make book` first")
    target = build / "book.pdf"
    title = yaml.safe_load((book / "_config.yml").read_text(encoding="utf-8"))["title"]
    with browser.launch() as chromium:
        writer = bind(chromium, paths, title)
    write_whole(target, writer.write)
    print(f"{target}: {len(writer.pages)} pages, {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve())
