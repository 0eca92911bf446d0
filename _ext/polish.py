"""The last hand on the built pages: what the theme and the tools that write tables leave undone.

Screen readers meet no empty heads, no roles out of place and no names that differ from what is
seen; tables read well; no script holds up the first paint. And there is a page for wrong addresses.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from string import Template

# What is written, and what is meant. Each is a rule of axe-core, or how a table reads.
MENDS = (
    # The corner of a table of pandas is no head.
    (re.compile(r"<th>\s*</th>"), "<td></td>"),
    # Such a name hides the visible one: "Show code cell source", "Search Ctrl+K".
    (re.compile(r'<summary aria-label="[^"]*">'), "<summary>"),
    # An arrow in the contents has no name of its own.
    (
        re.compile(r'<summary>(?=<span class="toctree-toggle")'),
        '<summary aria-label="Pages below this one">',
    ),
    (re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="[^"]*"'), r"\1"),
    # The logo lies in no landmark unless its sidebar is one.
    (
        re.compile(r'<div id="pst-primary-sidebar"(?! role)'),
        '<div id="pst-primary-sidebar" role="complementary" aria-label="The book"',
    ),
    # Deprecated, and a list whose entries are none.
    (re.compile(r' role="doc-biblioentry"'), ""),
    (
        re.compile(r'<div (?:role="list" )?class="citation-list"(?: role="list")?>'),
        '<div class="citation-list">',
    ),
    # What is left of sphinx-thebe: no page starts a kernel.
    (re.compile(r"\s*<link [^>]*/sphinx-thebe\.css[^>]*>"), ""),
    (re.compile(r'\s*<script type="text/x-thebe-config">.*?</script>', re.DOTALL), ""),
    (re.compile(r"\s*<script>kernelName = [^<]*</script>"), ""),
    # A box that scrolls is reached by the keyboard in every browser.
    (re.compile(r'<div class="profile-box">'), '<div class="profile-box" tabindex="0">'),
)
# Of four digits or more, but no year.
NUMBER = re.compile(r"<td>(-?\d{5,}|-?(?!(?:19[89]|20[0-2])\d<)\d{4})(\.\d+)?</td>")
HEAD = re.compile(r"<th>(\w+)</th>")
# Columns of the package's tables, as a reader calls them.
COLUMNS = {
    "memory_kb": "memory (KB)",
    "train_loss": "training loss",
    "train_accuracy": "training accuracy",
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy",
    "images_per_second": "images a second",
}
SCRIPT = re.compile(r"<script (?![^>]*\b(?:defer|async)\b)([^>]*\bsrc=)")
MATHJAX = re.compile(r'<script [^>]*src="[^"]*/?mathjax/[^>]*></script>')
SEARCH = re.compile(
    r'<script [^>]*src="[^"]*(?:searchtools|language_data|searchindex|search/\w+)\.js"></script>'
)
OPTIONS = re.compile(r'<script src="[^"]*documentation_options\.js[^"]*"></script>')

NOT_FOUND = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Page not found — $title</title>
<script>
// A host shows this page at the wrong address, however deep; the links start where the book does.
if (location.protocol.startsWith("http")) {
  const project = location.hostname.endsWith(".github.io") ? location.pathname.split("/")[1] : "";
  const base = document.createElement("base");
  base.href = project ? `/$${project}/` : "/";
  document.head.append(base);
}
</script>
<style>
:root { color-scheme: light dark; }
body { max-width: 36rem; margin: 4rem auto; padding: 0 1rem;
  font: 1.1rem/1.6 system-ui, sans-serif; }
a { color: inherit; }
:focus-visible { outline: 3px solid; outline-offset: 2px; }
</style>
</head>
<body>
<main>
<article>
<h1>Page not found</h1>
<p>This book has no page at that address. It may have moved. These are its pages:</p>
<ul>
$links
</ul>
<p><a href="search.html">Search this book</a></p>
</article>
</main>
</body>
</html>
""")


def mended(page: str, options: str) -> str:
    """The HTML of `page` as it should be; `options` is Sphinx's documentation_options.js."""
    for pattern, replacement in MENDS:
        page = pattern.sub(replacement, page)
    page = NUMBER.sub(lambda match: f"<td>{int(match[1]):,}{match[2] or ''}</td>", page)
    # A long name may break where it has an underscore.
    page = HEAD.sub(
        lambda match: f"<th>{COLUMNS.get(match[1], match[1].replace('_', '_<wbr>'))}</th>", page
    )
    if 'class="math ' not in page:  # a page that lists others has got theirs
        page = MATHJAX.sub("", page)
    if 'id="search-results"' not in page:  # elsewhere they serve a search while one types
        page = SEARCH.sub("", page)
    # Lines between the scripts use these options at once; the scripts wait for the whole page.
    page = OPTIONS.sub(lambda _: f"<script>{options}</script>", page)
    return SCRIPT.sub(r"<script defer \1", page)


def not_found(title: str, pages: dict[str, str]) -> str:
    """The page for wrong addresses. `pages`: titles by address."""
    links = (f'<li><a href="{escape(to)}">{escape(text)}</a></li>' for to, text in pages.items())
    return NOT_FOUND.substitute(title=escape(title), links="\n".join(links))


def polish(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    options = (out / "_static" / "documentation_options.js").read_text(encoding="utf-8")
    # The search reads excerpts from the pages it finds, which a browser refuses to files.
    options = options.replace("SUMMARY: true", 'SUMMARY: location.protocol !== "file:"')
    for path in out.rglob("*.html"):  # those of an earlier build too: mending twice changes nothing
        page = path.read_text(encoding="utf-8")
        if "_static" not in path.relative_to(out).parts and (new := mended(page, options)) != page:
            path.write_text(new, encoding="utf-8")
    for left in (out / "_static").glob("sphinx-thebe.*"):
        left.unlink()
    pages = {
        app.builder.get_target_uri(page): app.env.titles[page].astext()
        for page in app.config.external_site_map
        if page in app.env.titles and "/solutions/" not in page
    }
    (out / "404.html").write_text(not_found(app.config.project, pages), encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", polish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
