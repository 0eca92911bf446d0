"""The whole book as one PDF: every page of the contents printed by the browser, and bound.

A list of contents with page numbers comes first; the outline has every heading; links between
pages of the book lead to their pages in the PDF.
"""

from __future__ import annotations

import io
import sys
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[1]
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


def listed(html: Path) -> list[Path]:
    """The built pages in the order of `_toc.yml`."""
    return [html / f"{page}.html" for page in parse_toc_yaml(ROOT / "_toc.yml")]


def printed(page, path: Path) -> tuple[str, PdfReader]:
    """Title and print of the built page `path`."""
    browser.open_page(page, path)
    # Pictures further down are loaded late otherwise, which is after the print.
    page.evaluate("Promise.all([...document.images].map(i => (i.loading = 'eager', i.decode())))")
    content = page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    return page.title().split(" — ")[0], PdfReader(io.BytesIO(content))


def written(page, body: str) -> PdfReader:
    """The print of a page that is no page of the book: the contents, the page numbers."""
    page.set_content(f"<html lang='en'><style>{STYLE}</style><body>{body}</body></html>")
    return PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))


def contents(page, title: str, first: dict[Path, tuple[str, int]]) -> PdfReader:
    """The list of contents. `first` has title and page number of each page of the book."""
    lines = (
        f'<a href="{path.as_uri()}"><span>{escape(name)}</span><span>{number}</span></a>'
        for path, (name, number) in first.items()
    )
    return written(page, f'<div class="contents"><h1>{escape(title)}</h1>{"".join(lines)}</div>')


def lead_inside(writer: PdfWriter, first: dict[Path, tuple[str, int]]) -> None:
    """Turn links to the book's files into links to pages; drop those to other files."""
    for sheet in writer.pages:
        kept = ArrayObject()
        for reference in sheet.get("/Annots", ArrayObject()):
            note = reference.get_object()
            address = str(note.get("/A", {}).get("/URI", ""))
            if address.startswith("file:"):
                target = first.get(Path(unquote(urlsplit(address).path)))
                if target is None:
                    continue
                del note["/A"]
                goal = writer.pages[target[1] - 1].indirect_reference
                note[NameObject("/Dest")] = ArrayObject([goal, NameObject("/Fit")])
            kept.append(reference)
        if "/Annots" in sheet:
            sheet[NameObject("/Annots")] = kept


def bind(chromium, paths: list[Path], title: str) -> PdfWriter:
    """One PDF of the built pages `paths`, with contents, page numbers, and an outline."""
    page = chromium.new_page(color_scheme="light", viewport={"width": 1000, "height": 1400})
    chapters = {path: printed(page, path) for path in paths}

    def places(offset: int) -> dict[Path, tuple[str, int]]:
        found = {}
        for path, (name, reader) in chapters.items():
            found[path] = (name, offset + 1)
            offset += len(reader.pages)
        return found

    length = len(contents(page, title, places(1)).pages)  # its own length moves all numbers
    first = places(length)
    writer = PdfWriter()
    writer.append(contents(page, title, first), outline_item="Contents")
    for name, reader in chapters.values():
        writer.append(reader, outline_item=name)
    numbers = "".join(
        f'<div class="number"><span>{i + 1}</span></div>' for i in range(len(writer.pages))
    )
    for sheet, number in zip(writer.pages, written(page, numbers).pages, strict=True):
        sheet.merge_page(number)
    lead_inside(writer, first)
    writer.add_metadata({"/Title": title})
    writer.compress_identical_objects()
    page.close()
    return writer


def main() -> None:
    html = ROOT / "_build" / "html"
    paths = listed(html)
    if missing := [path.name for path in paths if not path.exists()]:
        sys.exit(f"pages missing in _build/html: {', '.join(missing)}; run `make book` first")
    target = ROOT / "_build" / "book.pdf"
    with browser.launch() as chromium:
        writer = bind(chromium, paths, "Convolutional Networks, Measured")
    writer.write(target)
    print(f"{target}: {len(writer.pages)} pages, {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
