"""What frames a page: its questions and tools under its title, its neighbours, its description.

A chapter's questions are its paragraphs that begin with one in bold type. Addresses of the
repository appear where one is known (_ext/colab.py); those of the book where `html_baseurl` is set.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from posixpath import relpath

import downloads
from bs4 import BeautifulSoup, Tag
from colab import opened_in_colab, repository

QUESTIONS = 3
SOLUTIONS = "chapters/solutions/"
CARD = "_static/card.png"  # drawn by _ext/landing.py


def frame(app, pagename, templatename, context, doctree) -> None:
    if doctree is None or "body" not in context:
        return
    soup = BeautifulSoup(context["body"], "html.parser")
    context["metatags"] = context.get("metatags", "") + described(app, pagename, context, soup)
    pages = list(app.config.external_site_map)
    if pagename in pages:
        follow_chapters(app, pagename, pages, context)
    try:
        home = repository(Path(app.srcdir))
    except ValueError:
        home = None
    if home:
        add_source_buttons(app, pagename, home, context)
    notebook = chapter_of(pagename, app)
    if notebook is None and (pagename not in pages[1:] or pagename.startswith(SOLUTIONS)):
        return
    title = soup.find("h1")
    opening = title.find_next_sibling("p") if title else None
    if opening is not None:
        if notebook:
            opening["class"] = [*opening.get("class", []), "opening"]
        if notebook or len(soup.select("section > section > h2")) > 2:
            opening.insert_after(line(app, pagename, home if notebook else None, soup))
    lead_to_solutions(app, pagename, soup)
    context["body"] = str(soup)


def chapter_of(pagename: str, app) -> Path | None:
    """The notebook of a chapter; None for other pages and for solutions."""
    path = Path(app.srcdir, f"{pagename}.ipynb")
    is_chapter = pagename.startswith("chapters/") and not pagename.startswith(SOLUTIONS)
    return path if is_chapter and path.exists() else None


# The line under the title


def questions(soup: BeautifulSoup) -> list[tuple[str, str]]:
    """The first question of each of the first sections that ask one: its words, its anchor."""
    found = []
    for section in soup.select("section section"):
        if section.find_parent("section").find_parent("section") or len(found) == QUESTIONS:
            continue
        for strong in section.select("p > strong:first-child"):
            words = strong.get_text().strip()
            if words.endswith("?") and not strong.previous_sibling:
                found.append((words, section["id"]))
                break
    return found


def line(app, pagename: str, home: str | None, soup: BeautifulSoup) -> Tag:
    """What the chapter asks, its sections, and how to take it along."""
    asked = questions(soup)
    parts = []
    if asked:
        links = "&nbsp;· ".join(f'<a href="#{to}">{escape(words)}</a>' for words, to in asked)
        parts.append(f'<p class="asks"><strong>In this chapter</strong> {links}</p>')
    sections = [
        (section["id"], section.find("h2"))
        for section in soup.select("section > section")
        if section.find("h2", recursive=False)
    ]
    items = "".join(f'<li><a href="#{to}">{title_of(head)}</a></li>' for to, head in sections)
    goals = fold_goals(soup)
    tools = []
    if home:
        tools.append(f'<a href="{opened_in_colab(home, pagename + ".ipynb")}">Run in Colab</a>')
    if chapter_of(pagename, app):
        source = relpath(f"_sources/{pagename}.ipynb", str(Path(pagename).parent))
        tools.append(f'<a href="{source}" download>Download</a>')
    tools.append('<button type="button" class="prints" onclick="print()">PDF</button>')
    if home:
        tools.append(f'<a href="{home}/edit/HEAD/{pagename}.ipynb">Edit</a>')
    whole = downloads.place("&nbsp;· The whole book: ")
    parts.append(
        f'<div class="tools"><details><summary>All sections</summary><ul>{items}</ul></details>'
        f"{goals}<p>{'&nbsp;· '.join(tools)}{whole}</p></div>"
    )
    html = f'<div class="chapter-line">{"".join(parts)}</div>'
    return BeautifulSoup(html, "html.parser").div


def fold_goals(soup: BeautifulSoup) -> str:
    """The list of what a reader can do afterwards, taken out of the page and folded."""
    for words in soup.select("section > p"):
        text, goals = words.get_text().strip(), words.find_next_sibling()
        if text.startswith("After this chapter you can") and goals and goals.name == "ul":
            words.decompose()
            return f"<details><summary>{text}</summary>{goals.extract()}</details>"
    return ""


def title_of(head: Tag) -> str:
    text = head.get_text().removesuffix("#")
    return escape(text.strip())


def lead_to_solutions(app, pagename: str, soup: BeautifulSoup) -> None:
    """A link at the end of the exercises to their solutions."""
    solutions = pagename.replace("chapters/", SOLUTIONS, 1)
    section = soup.find("section", id="exercises")
    if section is None or solutions not in app.env.found_docs:
        return
    address = relpath(f"{solutions}.html", "chapters")
    if section.find("a", href=lambda href: href and href.startswith(address)):
        return
    link = BeautifulSoup(
        f'<p class="to-solutions"><a href="{address}">Solutions</a></p>', "html.parser"
    )
    section.append(link)


# Buttons above the page, as other books have them


def add_source_buttons(app, pagename: str, home: str, context: dict) -> None:
    source = next(
        (f"{pagename}{end}" for end in (".ipynb", ".md", ".rst") if exists(app, pagename + end)),
        None,
    )
    issue = f"{home}/issues/new?title=On%20page%20%2F{pagename}"
    entries = [
        ("Repository", home, "fab fa-github"),
        ("Suggest an edit", f"{home}/edit/HEAD/{source}", "fas fa-pencil-alt"),
        ("Open an issue", issue, "fas fa-lightbulb"),
    ]
    buttons = [
        {"type": "link", "text": text, "tooltip": text, "icon": icon, "url": url}
        for text, url, icon in entries
        if source or "edit" not in url
    ]
    group = {
        "type": "group",
        "tooltip": "Source repository",
        "icon": "fab fa-github",
        "buttons": buttons,
        "label": "repository-buttons",
    }
    context["header_buttons"].insert(0, group)


def exists(app, name: str) -> bool:
    return Path(app.srcdir, name).exists()


# Neighbours


def follow_chapters(app, pagename: str, pages: list[str], context: dict) -> None:
    """Let previous and next lead from chapter to chapter; a page of solutions back to its own."""
    main = [page for page in pages if not page.startswith(SOLUTIONS)]
    own = pagename.replace(SOLUTIONS, "chapters/", 1)
    if own not in main:
        return
    place = main.index(own)
    before = own if own != pagename else main[place - 1] if place else None
    after = main[place + 1] if place + 1 < len(main) else None
    for key, page in (("prev", before), ("next", after)):
        context[key] = page and {
            "link": app.builder.get_relative_uri(pagename, page),
            "title": context_title(app, page),
        }


def context_title(app, page: str) -> str:
    return escape(app.env.titles[page].astext())


# What search engines and other sites show of the page


def described(app, pagename: str, context: dict, soup: BeautifulSoup) -> str:
    title = soup.find("h1")
    first = soup.find("p", class_=lambda c: c != "caption")
    if title is None or first is None:
        return ""
    number = title.find("span", class_="section-number")
    name = title.get_text().removesuffix("#").removeprefix(number.get_text() if number else "")
    words = " ".join(first.get_text().split())
    if len(words) > 200:
        words = words[:200].rsplit(" ", 1)[0] + " …"
    tags = {"og:title": name, "og:description": words, "og:type": "article"}
    tags["og:site_name"] = app.config.project
    base = app.config.html_baseurl.rstrip("/")
    if base:
        tags["og:url"] = f"{base}/{app.builder.get_target_uri(pagename)}"
        tags["og:image"] = f"{base}/{CARD}"
    lines = [f'<meta name="description" content="{escape(words)}" />']
    lines += [f'<meta property="{k}" content="{escape(v)}" />' for k, v in tags.items()]
    if base:
        lines.append('<meta name="twitter:card" content="summary_large_image" />')
    return "\n" + "\n".join(lines) + "\n"


def setup(app) -> dict:
    app.connect("html-page-context", frame, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
