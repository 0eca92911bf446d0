"""The book's search: chapters before reference, the field's synonyms, excerpts one can read.

Sphinx's index knows which pages have a word, not how much of a page is about it, and its excerpts
show the source of formulas. So the built pages' text, section by section, is written beside it;
`_static/search/search.js` ranks it. Sphinx's index still finds the package's functions by name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import own_pages
from bs4 import BeautifulSoup, Tag

FOLDER = "search/"
SCRIPTS = ("texts", "search")
# What no reader searches for, or what stands in the place of what is read.
LEFT_OUT = (
    "script, style, .headerlink, .section-number, .chapter-line, svg, .math, .toctree-wrapper, "
    "div.cell_input, details, div.cell_output table, .output.stream, .verdict-strip"
)


INDEX = re.compile(r'<script [^>]*src="searchindex\.js"')


def weight(page: str) -> float:
    """How much of a reader's interest a page has beside the others."""
    if page.startswith("chapters/solutions/"):
        return 0.3
    name = page.rsplit("/", 1)[-1]
    return {
        "intro": 0.4,
        "glossary": 0.6,
        "notation": 0.5,
        "cheatsheet": 0.5,
        "claims": 0.4,
        "references": 0.15,
        "api": 0.02,
    }.get(name, 1.0)


def sections(page: str) -> list[dict[str, str]]:
    """The text of a built page, section by section: its anchor, its heading, its words."""
    article = BeautifulSoup(page, "html.parser").select_one("article")
    if article is None:
        return []
    solutions = article.select("section > details")  # of exercises: they are the page's text
    for element in article.select(LEFT_OUT):
        if element not in solutions or element.has_attr("class"):
            element.decompose()
    found = []
    for section in article.select("section[id]"):
        heading = section.find(["h1", "h2", "h3", "h4"], recursive=False)
        if heading is None:
            continue
        name = words(heading)
        heading.extract()
        below = [child for child in section.children if not is_section(child)]
        text = " ".join(filter(None, (words(child) for child in below)))
        found.append({"id": section["id"], "heading": name, "text": text})
    return found


def is_section(element) -> bool:
    return isinstance(element, Tag) and element.name == "section"


def words(element) -> str:
    text = element.get_text(" " if getattr(element, "name", "") in ("ul", "ol", "table") else "")
    return " ".join(text.split())


def add_scripts(page: str) -> str:
    """The search page with the scripts between the code they use and the index that starts it."""
    tags = "".join(f'<script src="_static/{FOLDER}{name}.js"></script>\n' for name in SCRIPTS)
    return page if tags.split(">")[0] in page else INDEX.sub(lambda m: tags + m[0], page)


def write_texts(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    pages = []
    for name in app.config.external_site_map:
        path = Path(app.outdir, f"{name}.html")
        if path.exists():
            pages.append(
                {
                    "page": name,
                    "weight": weight(name),
                    "title": app.env.titles[name].astext(),
                    "sections": sections(path.read_text(encoding="utf-8")),
                }
            )
    text = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
    target = Path(app.outdir, "_static", "search", "texts.js")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"window.cnnbookTexts = {text};\n", encoding="utf-8")
    path = Path(app.outdir, "search.html")
    path.write_text(add_scripts(path.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app) -> dict:
    app.connect("config-inited", own_pages.taken_off("search"), priority=100)
    app.connect("build-finished", write_texts, priority=450)  # before the last hand
    return {"parallel_read_safe": True, "parallel_write_safe": True}
