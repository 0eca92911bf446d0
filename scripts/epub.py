"""The whole book as one EPUB 3: its built pages as a reader without scripts has them, as XHTML.

Formulas are the pages' own MathML, and figures stay inline, so that their text has the colour of
the reader's theme. What needs scripts or leads to a file that is not in the EPUB is left out. The
browser parses the pages and writes them as XML: nothing else here does both by the standard.
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import browser
import yaml
from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.api import SiteMap
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[1]
STYLE = Path(__file__).with_name("epub.css")
TYPES = {
    ".css": "text/css",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".xhtml": "application/xhtml+xml",
}
# Controls, what is hidden until a script shows it, ways about the site (the reader has its own),
# and what is there twice, for wide windows too.
LEFT_OUT = (
    "script, style:not(svg style), button, canvas, input, select, textarea, [hidden], .headerlink, "
    ".ways, .is-wide, summary .expanded, .chapter-line .tools > :is(p, details:first-child)"
)
# Colours that follow the site's theme. In a reader text has that of the text around it.
INK = re.compile(r"var\(--ink-text, [^)]*\)")
TONE = re.compile(r"var\(--ink-\w+, ([^)]*)\)")
AS_XML = """text => new XMLSerializer().serializeToString(
  new DOMParser().parseFromString(text, 'text/html'))"""
COVER = {"width": 1200, "height": 1800}  # pixels

CONTAINER = """\
<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles>
<rootfile full-path="book/content.opf" media-type="application/oebps-package+xml"/>
</rootfiles>
</container>
"""
PACKAGE = """\
<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" xml:lang="{language}"
 unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">{identifier}</dc:identifier>
<dc:title>{title}</dc:title>
<dc:creator>{author}</dc:creator>
<dc:language>{language}</dc:language>
<dc:rights>{rights}</dc:rights>
<meta property="dcterms:modified">{modified}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
</metadata>
<manifest>
{items}
</manifest>
<spine>
{order}
</spine>
</package>
"""
HTML = """\
<!DOCTYPE html>
<html lang="{language}" xml:lang="{language}" xmlns:epub="http://www.idpf.org/2007/ops">
<head><title>{title}</title><link rel="stylesheet" href="{style}"></head>
<body>{body}</body>
</html>
"""
FRONT = """\
<style>body {{ display: grid; place-content: center; height: 100vh; margin: 0 8vw; color: #222;
  background: #fff; font: 5vw/1.4 system-ui, sans-serif; text-align: center }}
h1 {{ margin: 8vw 0; font-size: 11vw; line-height: 1.15 }}
img {{ width: 45vw; margin: auto }}</style>
<img src="{logo}" alt=""><h1>{title}</h1><p>{author}</p>
"""


@dataclass
class Page:
    """A page of the book: its name in the contents, its title and language, and what it shows."""

    name: str
    title: str
    language: str
    article: Tag

    @property
    def headings(self) -> list[tuple[str, str]]:
        """Text and anchor of each section."""
        heads = self.article.select("section[id] > h2")
        return [(head.get_text().strip(), head.parent["id"]) for head in heads]

    @property
    def anchors(self) -> set[str]:
        return {tag["id"] for tag in self.article.find_all(id=True)}


def read(html: Path, name: str) -> Page:
    """The built page `name`, as it is without scripts."""
    soup = BeautifulSoup((html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article")
    for formula in article.select(".math:has(+ noscript)"):
        set_formula(formula)
    for fallback in article.select("noscript"):
        fallback.unwrap()
    for tag in article.select(LEFT_OUT):
        tag.decompose()
    for words in article.select("summary p"):
        words.unwrap()
    for tag in article.select("[data-question]"):
        del tag["data-question"]
    for tag in article.select("th[halign]"):  # docutils' tables have it, no standard does
        del tag["halign"]
    for glyph in article.select("svg path:not([d])"):  # that of a space
        glyph["d"] = ""
    return Page(name, article.find("h1").get_text().strip(), soup.html["lang"], article)


def set_formula(formula: Tag) -> None:
    """Put the MathML that follows a formula in the place of its source; its number stays."""
    fallback, number = formula.find_next_sibling("noscript"), formula.select_one(".eqno")
    shown = [tag.extract() for tag in (number, fallback.math) if tag]
    fallback.decompose()
    formula.clear()
    formula.extend(shown)


def lead_inside(page: Page, pages: dict[str, Page], anchors: dict[str, set[str]]) -> None:
    """Let links to pages lead to their XHTML, and drop those to what is not in the EPUB."""
    for link in page.article.select("a"):
        key = next((key for key in ("href", "xlink:href") if link.has_attr(key)), None)
        url = urlsplit(link[key] if key else "")
        if key is None or url.scheme or url.netloc:
            continue
        path = normpath(join(dirname(page.name), unquote(url.path)))
        target = path.removesuffix(".html") if url.path else page.name
        if target not in pages:
            link.unwrap()
            continue
        # A view of the live network has an address, and no place in its page.
        known = unquote(url.fragment) in anchors[target]
        address = relpath(f"{target}.xhtml", dirname(page.name) or ".")
        link[key] = f"{address}#{url.fragment}" if known else address
        if key != "href":  # in a figure, where words are drawn
            link["xlink:title"] = pages[target].title


def pictures(page: Page, html: Path) -> dict[str, bytes]:
    """The files that the page shows, by their names in the book."""
    names = [
        normpath(join(dirname(page.name), unquote(image["src"])))
        for image in page.article.select("img[src]")
    ]
    return {name: (html / name).read_bytes() for name in names}


def contents(toc: SiteMap, pages: dict[str, Page]) -> str:
    """The list of the first page, then of each part's pages, with what is below them."""
    root = toc.root.docname

    def entry(name: str, below: list[str]) -> str:
        inside = f"<ol>{''.join(below)}</ol>" if below else ""
        return f'<li><a href="{name}.xhtml">{escape(pages[name].title)}</a>{inside}</li>'

    def under(name: str) -> list[str]:
        lines = []
        for tree in toc[name].subtrees if toc[name] else ():
            entries = []
            for page in tree.files():
                sections = pages[page].headings if name == root else ()
                lists = [
                    f'<li><a href="{page}.xhtml#{anchor}">{escape(text)}</a></li>'
                    for text, anchor in sections
                ]
                entries.append(entry(page, lists + under(page)))
            if tree.caption:
                caption = f"<span>{escape(tree.caption)}</span>"
                entries = [f"<li>{caption}<ol>{''.join(entries)}</ol></li>"]
            lines += entries
        return lines

    return f"<ol>{entry(root, [])}{''.join(under(root))}</ol>"


def bind(chromium, book: Path, target: Path) -> None:
    """Write the book in `book`, whose pages are built, as an EPUB to `target`."""
    html = book / "_build" / "html"
    config = yaml.safe_load((book / "_config.yml").read_text(encoding="utf-8"))
    toc = parse_toc_yaml(book / "_toc.yml")
    pages = {name: read(html, name) for name in toc}
    anchors = {name: page.anchors for name, page in pages.items()}
    language = pages[toc.root.docname].language
    files: dict[str, bytes] = {"style.css": STYLE.read_bytes()}
    sheet = chromium.new_page(viewport=COVER)

    def write(name: str, title: str, body: str) -> None:
        style = relpath("style.css", dirname(name) or ".")
        text = HTML.format(language=language, title=escape(title), style=style, body=body)
        files[name] = sheet.evaluate(AS_XML, text).encode()

    title, author = config["title"], config["author"]
    logo = book / config["logo"]
    drawn = f"data:{TYPES[logo.suffix]};base64,{b64encode(logo.read_bytes()).decode()}"
    sheet.set_content(FRONT.format(logo=drawn, title=escape(title), author=escape(author)))
    files["cover.png"] = sheet.screenshot()
    write("cover.xhtml", title, f'<img class="cover" src="cover.png" alt="{escape(title)}">')
    listed = f"<h1>Contents</h1>{contents(toc, pages)}"
    write("nav.xhtml", "Contents", f'<nav epub:type="toc" role="doc-toc">{listed}</nav>')
    for name, page in pages.items():
        lead_inside(page, pages, anchors)
        files |= pictures(page, html)
        body = TONE.sub(r"\1", INK.sub("currentColor", str(page.article)))
        write(f"{name}.xhtml", page.title, body)
    sheet.close()
    built = max((html / f"{name}.html").stat().st_mtime for name in pages)
    package = PACKAGE.format(
        identifier=uuid5(NAMESPACE_URL, title).urn,
        title=escape(title),
        author=escape(author),
        language=language,
        rights=escape(str(config["copyright"])),
        modified=datetime.fromtimestamp(built, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        items="\n".join(item(name, content) for name, content in files.items()),
        order="\n".join(f'<itemref idref="{named(n)}"/>' for n in files if n.endswith(".xhtml")),
    )
    parts = {"META-INF/container.xml": CONTAINER, "book/content.opf": package}
    parts |= {f"book/{name}": content for name, content in files.items()}
    with ZipFile(target, "w") as archive:
        # First and as it is, so that the file says of itself what it is.
        archive.writestr(ZipInfo("mimetype"), "application/epub+zip", ZIP_STORED)
        for name, content in parts.items():
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)


def named(name: str) -> str:
    """The identifier of a file in the package."""
    return re.sub(r"[^\w.]", "-", f"file-{name}")


def item(name: str, content: bytes) -> str:
    """A file's entry in the package, which names what a page has besides text."""
    inside = {"mathml": b"<math", "svg": b"<svg"} if name.endswith(".xhtml") else {}
    properties = [word for word, mark in inside.items() if mark in content]
    properties += {"nav.xhtml": ["nav"], "cover.png": ["cover-image"]}.get(name, [])
    words = f' properties="{" ".join(properties)}"' if properties else ""
    kind = TYPES[Path(name).suffix]
    return f'<item id="{named(name)}" href="{escape(name)}" media-type="{kind}"{words}/>'


def main(book: Path) -> None:
    built = book / "_build"
    pages = parse_toc_yaml(book / "_toc.yml")
    missing = [page for page in pages if not (built / "html" / f"{page}.html").exists()]
    if missing:
        sys.exit(f"pages missing in {built / 'html'}: {', '.join(missing)}; run `make book` first")
    target = built / "book.epub"
    with browser.launch() as chromium:
        bind(chromium, book, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve())
