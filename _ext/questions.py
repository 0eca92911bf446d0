"""The questions between sections: their scripts and style, on the pages that have some.

What a page shows without them is in `cnnbook.teaching.asking`, with what they make forms of.
"""

from __future__ import annotations

import own_pages

MARK = 'class="question"'
# In the order in which they use one another.
SCRIPTS = ("reading", "page")


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    """Load them on a page that asks a question."""
    if MARK in context.get("body", ""):
        own_pages.load(app, "questions", SCRIPTS)


def setup(app) -> dict:
    app.connect("config-inited", own_pages.taken_off("questions"), priority=100)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
