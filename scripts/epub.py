"""The whole book as one EPUB 3: its built pages as a reader without scripts has them, as XHTML.

Formulas are the pages' own MathML, and figures stay inline, so that their text has the colour of
the reader's theme. What needs scripts or leads to a file that is not in the EPUB is left out. The
browser does that (`epub.js`): nothing else here parses HTML and writes XML by the standard.
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import browser
import yaml
from sphinx_external_toc.api import SiteMap
from sphinx_external_toc.parsing import parse_toc_yaml

from cnnbook._files import write_whole

ROOT = Path(__file__).resolve().parents[1]
SCRIPT, STYLE = (Path(__file__).with_name(f"epub.{kind}") for kind in ("js", "css"))
TYPES = {
    ".css": "text/css",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".xhtml": "application/xhtml+xml",
}
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


def contents(toc: SiteMap, pages: dict[str, dict]) -> str:
    """The list of the first page, then of each part's pages, with what is below them."""
    root = toc.root.docname

    def entry(name: str, below: list[str]) -> str:
        inside = f"<ol>{''.join(below)}</ol>" if below else ""
        return f'<li><a href="{name}.xhtml">{escape(pages[name]["title"])}</a>{inside}</li>'

    def under(name: str) -> list[str]:
        lines = []
        for tree in toc[name].subtrees if toc[name] else ():
            entries = []
            for page in tree.files():
                sections = pages[page]["headings"] if name == root else ()
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
    title, author = config["title"], config["author"]
    files: dict[str, bytes] = {"style.css": STYLE.read_bytes()}
    sheet = chromium.new_page(viewport=COVER)
    logo = book / config["logo"]
    drawn = f"data:{TYPES[logo.suffix]};base64,{b64encode(logo.read_bytes()).decode()}"
    sheet.set_content(FRONT.format(logo=drawn, title=escape(title), author=escape(author)))
    files["cover.png"] = sheet.screenshot()
    sheet.goto("about:blank")
    sheet.add_script_tag(path=SCRIPT)
    pages = {}
    for name in toc:
        text = (html / f"{name}.html").read_text(encoding="utf-8")
        pages[name] = sheet.evaluate("page => read(...page)", [name, text])
    language = pages[toc.root.docname]["language"]

    def write(name: str, title: str, body: str) -> None:
        style = "../" * name.count("/") + "style.css"
        text = HTML.format(language=language, title=escape(title), style=style, body=body)
        files[f"{name}.xhtml"] = sheet.evaluate("asXml", text).encode()

    write("cover", title, f'<img class="cover" src="cover.png" alt="{escape(title)}">')
    listed = f"<h1>Contents</h1>{contents(toc, pages)}"
    write("nav", "Contents", f'<nav epub:type="toc" role="doc-toc">{listed}</nav>')
    for name, page in pages.items():
        files |= {picture: (html / picture).read_bytes() for picture in page["pictures"]}
        write(name, page["title"], sheet.evaluate("written", name))
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

    def write_archive(part: Path) -> None:
        with ZipFile(part, "w") as archive:
            # First and as it is, so that the file says of itself what it is.
            archive.writestr(ZipInfo("mimetype"), "application/epub+zip", ZIP_STORED)
            for name, content in parts.items():
                archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)

    write_whole(target, write_archive)


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
